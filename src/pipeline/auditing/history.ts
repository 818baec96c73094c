import { join } from 'node:path';
import type { Contents } from '../../report/contents.ts';
import { drawing } from '../../report/draw.ts';
import { historyContents, historyIndex, htmlPage, type Published } from '../../report/index.ts';
import { openRegistry } from '../open-registry.ts';
import { withEvidence } from '../publishing/export.ts';
import type { Workspace } from '../workspace.ts';
import { writeWhole } from '../writing.ts';
import { modelToRead } from './registry-reads.ts';

/** More decisions than a page is read for; the log has them all. */
const mostDecisions = 300;

/** What became of a model over time. @throws UsageError, RegistryError */
export async function readHistory(
  workspace: Workspace,
  wanted: string | undefined,
): Promise<{ model: string; decisions: Published[]; contents: Contents }> {
  const { registry, model } = await modelToRead(workspace, wanted);
  const log = await registry.log(model);
  const shown = log.slice(-mostDecisions);
  const decisions: Published[] = [];
  for (const decision of shown) decisions.push(await withEvidence(registry, decision));
  return { model, decisions, contents: historyContents(model, decisions, log.length - shown.length) };
}

/**
 * Write a page for each model, `<model>.html`, and one that leads to them, `index.html`.
 * @param wanted one model; undefined: all of the registry
 * @returns absolute paths of the files, the index first
 */
export async function writeHistory(
  workspace: Workspace,
  wanted: string | undefined,
  folder: string,
): Promise<string[]> {
  const names = wanted === undefined ? await (await openRegistry(workspace)).models() : [wanted];
  const draw = await drawing();
  const models: { model: string; contents: Contents }[] = [];
  for (const name of names) {
    const { model, contents } = await readHistory(workspace, name);
    models.push({ model, contents });
  }
  const files = [
    { name: 'index.html', contents: historyIndex(models) },
    ...models.map(({ model, contents }) => ({ name: `${model}.html`, contents })),
  ];
  for (const { name, contents } of files) await writeWhole(join(folder, name), htmlPage(contents, draw));
  return files.map(({ name }) => join(folder, name));
}
