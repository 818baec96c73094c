import { readFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import type { StandIn, StandInStep } from '../action-source.ts';
import { findFiles } from '../globs.ts';

interface Entry {
  key: string;
  ref: string;
  files: Map<string, Buffer>;
}

/** actions/cache v4: immutable entries by key, seen from the ref that made them and from those that branch off the default one. */
export function cache(defaultBranch: string): StandIn {
  const entries: Entry[] = [];
  const visible = (step: StandInStep): Entry[] =>
    entries.filter(({ ref }) => [step.env['GITHUB_REF'], `refs/heads/${defaultBranch}`].includes(ref)).toReversed();
  return {
    inputs: { path: '', key: '', 'restore-keys': '', 'lookup-only': 'false', 'fail-on-cache-miss': 'false' },
    async main(step) {
      const key = step.input('key');
      const prefixes = step.input('restore-keys').split('\n').filter(Boolean);
      const seen = visible(step);
      const found =
        seen.find((entry) => entry.key === key) ??
        prefixes
          .map((prefix) => seen.find((entry) => entry.key.startsWith(prefix)))
          .find((entry) => entry !== undefined);
      step.output('cache-hit', found === undefined ? '' : String(found.key === key));
      if (found?.key === key) step.state['hit'] = 'true';
      if (found === undefined) {
        if (step.input('fail-on-cache-miss') === 'true')
          throw new Error(`Failed to restore cache entry. Input key: ${key}`);
        return step.log(`Cache not found for input keys: ${key}`);
      }
      for (const [path, bytes] of found.files) {
        const file = resolve(step.job.folders.workspace, path);
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, bytes);
      }
      step.log(`Cache restored from key: ${found.key}`);
    },
    async post(step) {
      const key = step.input('key');
      const ref = step.env['GITHUB_REF'] ?? '';
      if (step.state['hit'] === 'true' || step.job.status !== 'success') return;
      if (entries.some((entry) => entry.key === key && entry.ref === ref)) return;
      const { workspace } = step.job.folders;
      const files = new Map<string, Buffer>();
      for (const file of findFiles(workspace, step.input('path').split('\n'))) {
        files.set(relative(workspace, file), await readFile(file));
      }
      entries.push({ key, ref, files });
      step.log(`Cache saved with key: ${key}`);
    },
  };
}
