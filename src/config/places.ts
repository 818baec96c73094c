import { LineCounter, isCollection, isScalar, parseDocument } from 'yaml';

/** A line and column of contender.yml, counted from 1. */
export interface ConfigPosition {
  line: number;
  column: number;
}

/** Keys that lead somewhere in the configuration, such as `models`, `spam`, `policy`, `guardrails`, 0. */
export type Path = readonly (string | number)[];

/** Where keys such as `models`, `spam`, `policy`, `guardrails`, 0, `metric` lead, or the last of them that is there. */
export function placeOfKeys(text: string, keys: Path): ConfigPosition | undefined {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  for (let depth = keys.length; depth >= 2; depth--) {
    const node: unknown = document.getIn(keys.slice(0, depth), true);
    const range = isScalar(node) || isCollection(node) ? node.range : undefined;
    if (range) {
      const { line, col } = lines.linePos(range[0]);
      return { line, column: col };
    }
  }
  return undefined;
}
