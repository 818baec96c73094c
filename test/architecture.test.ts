import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from './support/project.ts';

/** What each folder of src may import, besides itself and the leaves. Imports run one way. */
const leaves = [
  'errors.ts',
  'log.ts',
  'entries.ts',
  'file-digest.ts',
  'probabilities.ts',
  'process-owner.ts',
  'splitmix.ts',
  'version.ts',
  'wording.ts',
];
const allowed: Record<string, readonly string[]> = {
  evidence: [],
  config: [],
  protocol: [],
  github: ['evidence'],
  data: ['evidence', 'config'],
  model: ['evidence', 'config', 'data'],
  serve: ['evidence', 'config', 'protocol', 'model'],
  staging: ['evidence', 'config', 'protocol', 'model', 'serve'],
  contract: ['evidence', 'config', 'data'],
  evaluate: ['evidence', 'config', 'data', 'model'],
  behaviour: ['evidence', 'config', 'data', 'model'],
  load: ['evidence', 'config', 'data', 'model', 'staging', 'protocol'],
  registry: ['evidence', 'config', 'github', 'model'],
  decide: ['evidence', 'config'],
  report: ['evidence'],
  pipeline: [
    'evidence',
    'config',
    'data',
    'model',
    'contract',
    'evaluate',
    'behaviour',
    'load',
    'registry',
    'decide',
    'report',
    'github',
  ],
  cli: ['evidence', 'config', 'model', 'serve', 'report', 'github', 'pipeline'],
  actions: ['evidence', 'config', 'report', 'github', 'pipeline'],
};

const source = join(projectRoot, 'src');
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

test('imports run one way: each folder imports only what lies below it', () => {
  const wrong = files.flatMap((file) => {
    const folder = file.split('/')[0] ?? '';
    const permitted = allowed[folder];
    if (!file.includes('/') || permitted === undefined) return [];
    return importsOf(file)
      .filter((target) => {
        const first = target.split('/')[0] ?? '';
        return first !== folder && !leaves.includes(target) && !permitted.includes(first);
      })
      .map((target) => `${file} imports ${target}`);
  });
  assert.deepEqual(wrong, []);
});

test('every folder of src has its place in the architecture', () => {
  const folders = new Set(files.filter((file) => file.includes('/')).map((file) => file.split('/')[0] ?? ''));
  assert.deepEqual(
    [...folders].filter((folder) => allowed[folder] === undefined),
    [],
  );
});

test('a leaf imports nothing of ours', () => {
  const wrong = leaves.filter((leaf) => importsOf(leaf).length > 0);
  assert.deepEqual(wrong, []);
});

/** Files of src that `file` imports, relative to src. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(source, file), 'utf8');
  return [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/gu)].map((match) =>
    relative(source, normalize(join(source, dirname(file), match[1] ?? ''))),
  );
}
