import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from './support/project.ts';

/** What each folder of src may import, besides itself and the leaves. Imports run one way. */
const leaves = [
  'address-classes.ts',
  'errors.ts',
  'json.ts',
  'log.ts',
  'entries.ts',
  'file-digest.ts',
  'iso-time.ts',
  'forms.ts',
  'make-folder.ts',
  'object-address.ts',
  'probabilities.ts',
  'processes.ts',
  'validator.ts',
  'version.ts',
  'wording.ts',
];
const allowed: Record<string, readonly string[]> = {
  evidence: [],
  config: [],
  protocol: [],
  statistics: [],
  profile: ['evidence', 'config', 'statistics', 'data'],
  monitor: ['config', 'statistics', 'profile'],
  github: ['evidence'],
  data: ['evidence', 'config', 'statistics'],
  model: ['evidence', 'config', 'data', 'statistics'],
  serve: ['evidence', 'config', 'protocol', 'model'],
  staging: ['evidence', 'config', 'protocol', 'model', 'serve'],
  registry: ['evidence', 'config', 'github', 'model'],
  decide: ['evidence', 'config'],
  report: ['evidence', 'profile', 'monitor'],
  sql: ['evidence', 'config', 'data', 'model'],
  stages: ['evidence', 'config', 'protocol', 'statistics', 'profile', 'data', 'model', 'sql', 'staging', 'report'],
  pipeline: [
    'evidence',
    'config',
    'data',
    'model',
    'profile',
    'stages',
    'staging',
    'registry',
    'decide',
    'report',
    'github',
    'monitor',
    'statistics',
    'sql',
  ],
  cli: ['evidence', 'config', 'model', 'serve', 'report', 'github', 'stages', 'pipeline'],
  actions: ['evidence', 'config', 'report', 'github', 'stages', 'pipeline'],
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

test('a stage imports no other stage', () => {
  const folderOf = (file: string): string | undefined => /^stages\/([^/]+)\//u.exec(file)?.[1];
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((target) => folderOf(file) !== undefined && (folderOf(target) ?? folderOf(file)) !== folderOf(file))
      .map((target) => `${file} imports ${target}`),
  );
  assert.deepEqual(wrong, []);
});

test('no file imports itself over others, not even a type', () => {
  const graph = new Map(files.map((file) => [file, importsOf(file)]));
  assert.deepEqual(circlesOf(graph), []);
  // The search finds what it is for.
  assert.deepEqual(
    circlesOf(
      new Map([
        ['a', ['b']],
        ['b', ['c', 'd']],
        ['c', ['a']],
        ['d', []],
      ]),
    ),
    ['a -> b -> c -> a'],
  );
});

/** Each circle once, as the way around it. */
function circlesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start !== -1) circles.push([...path.slice(start), file].join(' -> '));
    if (start !== -1 || done.has(file)) return;
    for (const target of graph.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return circles;
}

test('what promote loads at the start has no engine in it, and nothing that takes long to load', () => {
  const engines = ['@duckdb/node-api', 'onnxruntime-node', 'autocannon', 'fastify', 'dockerode'];
  engines.push('ajv-formats', '@eslint-community/regexpp', '@observablehq/plot', 'linkedom');
  const loaded = loadedBy('actions/promote.ts');
  assert.ok(loaded.has('stages/behaviour/stage.ts'));
  assert.deepEqual(
    [...loaded]
      .filter(([name]) => engines.includes(name) || name.startsWith('@stdlib/'))
      .map(([engine, file]) => `${file} imports ${engine}`),
    [],
  );
});

test('the help of the command line loads what describes the commands, and nothing of what they do', () => {
  const loaded = loadedBy('cli/main.ts');
  assert.ok(loaded.has('stages/behaviour/stage.ts'));
  const described = ['commander', 'canonicalize', 'pipeline/typed.ts', 'pipeline/init/tasks.ts', 'model/engines.ts'];
  const light = /^(?:[\w-]+\.ts|(?:cli|config|evidence|github|report|stages)\/.*)$/u;
  assert.deepEqual(
    [...loaded]
      .filter(([name]) => !light.test(name) && !described.includes(name))
      .map(([name, file]) => `${file} imports ${name}`),
    [],
  );
});

/** Files of src and packages that are loaded with a file, before anything it imports as it runs, and which file loads each. */
function loadedBy(entry: string): Map<string, string> {
  const loaded = new Map<string, string>();
  const visit = (file: string, from: string): void => {
    if (loaded.has(file)) return;
    loaded.set(file, from);
    const text = readFileSync(join(source, file), 'utf8');
    for (const [, types, named = ''] of text.matchAll(
      /^(?:import|export)(?: (type))?(?: [^;]*?from)? '([^']+)';/gmsu,
    )) {
      if (types !== undefined || named.startsWith('node:')) continue;
      if (named.startsWith('.')) visit(relative(source, normalize(join(source, dirname(file), named))), file);
      else if (!loaded.has(named)) loaded.set(named, file);
    }
  };
  visit(entry, '');
  return loaded;
}

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
