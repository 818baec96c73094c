import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Programs of ours that run as processes of their own: a model that crashes or hangs must not take its caller with it.
 * Each is a file of the compiled tree, and a bundle of its own in a release (`dist/<name>/index.js`).
 */
export const entries = {
  'predict-process': 'model/predict-process.js',
  'model-process': 'model/model-process.js',
  'session-worker': 'model/session-worker.js',
  'scan-worker': 'data/scan-worker.js',
  'serve-process': 'serve/serve-process.js',
  'command-process': 'staging/command-process.js',
  'sql-process': 'sql/sql-process.js',
  'load-process': 'stages/load/load-process.js',
  'upload-worker': 'actions/upload-worker.js',
} as const;

export type EntryName = keyof typeof entries;

/** Absolute path of the program `name`, beside this file in the compiled tree or beside the running bundle. */
export function entryPath(name: EntryName): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates = [join(here, entries[name]), join(here, '..', name, 'index.js')];
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) throw new Error(`program ${name} not found at ${candidates.join(' or ')}`);
  return found;
}
