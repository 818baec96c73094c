import { readdir } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { dataFile } from '../../data/parts.ts';

/** Files of a repository that a configuration may name, as paths from the folder with `/`, sorted. */
export interface FoundFiles {
  models: string[];
  data: string[];
  /** Files of predictions, by their names or those of their folders. */
  predictions: string[];
  /** Models in formats that are not run here. */
  others: string[];
}

/** Looking at a repository must not take longer than reading what is there: what lies deeper or later is named by options. */
const deepest = 6;
const mostEntries = 20_000;
const skipped = /^(?:\..*|node_modules|venv|env|site-packages|__pycache__|target|build|dist|registry)$/u;

/** Look through a folder for models and tables. Links are not followed. */
export async function findFiles(folder: string): Promise<FoundFiles> {
  const found: FoundFiles = { models: [], data: [], predictions: [], others: [] };
  let entries = 0;
  const look = async (at: string, depth: number): Promise<void> => {
    for (const entry of await readdir(at, { withFileTypes: true }).catch(() => [])) {
      entries += 1;
      if (entries > mostEntries) return;
      const path = join(at, entry.name);
      if (entry.isDirectory() && depth < deepest && !skipped.test(entry.name)) await look(path, depth + 1);
      if (entry.isFile()) sort(relative(folder, path).split(sep).join('/'), found);
    }
  };
  await look(folder, 0);
  for (const paths of Object.values(found)) paths.sort();
  return found;
}

const otherModels = /\.(?:pkl|pickle|joblib|pt|pth|h5|keras|safetensors|tflite|pb|ubj|cbm|gguf)$/iu;

function sort(path: string, { models, data, predictions, others }: FoundFiles): void {
  if (/\.onnx$/iu.test(path)) models.push(path);
  else if (otherModels.test(path)) others.push(path);
  else if (!dataFile.test(path)) return;
  else if (/(?:^|[^a-z])(?:predictions?|preds?|scores?|scored|outputs?|inference)(?![a-z])/iu.test(path)) {
    predictions.push(path);
  } else data.push(path);
}

/** The part that a file plays, by the words of its name. */
export const roleWords = {
  candidate: /(?:^|[^a-z])(?:candidate|challenger|new|next)(?![a-z])/iu,
  champion: /(?:^|[^a-z])(?:champion|production|prod|baseline|incumbent|old|live)(?![a-z])/iu,
  evaluation: /(?:^|[^a-z])(?:evaluation|eval|test|holdout|hold_out|validation|valid|val)(?![a-z])/iu,
  reference: /(?:^|[^a-z])(?:reference|train|training)(?![a-z])/iu,
  current: /(?:^|[^a-z])(?:current|production|prod|live|serving|unlabell?ed)(?![a-z])/iu,
} as const;

/** The files whose names say this part: the one that has no other name, else those that have the word, else those of a folder that has it. */
export function ofRole(paths: readonly string[], role: keyof typeof roleWords): string[] {
  const exact = paths.filter((path) => basename(path).split('.')[0]?.toLowerCase() === role);
  if (exact.length > 0) return exact;
  const byName = paths.filter((path) => roleWords[role].test(basename(path)));
  return byName.length > 0 ? byName : paths.filter((path) => roleWords[role].test(path));
}
