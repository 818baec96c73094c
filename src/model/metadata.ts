import { jsonIn } from '../json.ts';

/**
 * The entries of the metadata of a model, and those within them: whole configurations are kept as one text too, such as
 * `config: {"id2label": {...}}`.
 * @param isOpened whether an object under this key is looked into
 */
export function metadataEntries(
  metadata: Readonly<Record<string, string>>,
  isOpened: (key: string) => boolean = () => true,
): [key: string, text: string][] {
  return Object.entries(metadata).flatMap(([key, text]) => withNested(key, text, isOpened, 0));
}

function withNested(
  key: string,
  text: string,
  isOpened: (key: string) => boolean,
  depth: number,
): [key: string, text: string][] {
  const value = depth < 4 && text.trimStart().startsWith('{') && isOpened(key) ? jsonIn(text) : null;
  const nested = Object.entries((value ?? {}) as Record<string, unknown>).flatMap(([name, each]) =>
    withNested(name, typeof each === 'string' ? each : JSON.stringify(each), isOpened, depth + 1),
  );
  return [[key, text], ...nested];
}
