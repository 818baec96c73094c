import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { sha256 } from '../../src/evidence/index.ts';
import { contender, openGateRepository, type GateRepository } from '../support/gate-repository.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

const hasLfs = spawnSync('git', ['lfs', 'version']).status === 0;

interface Kept {
  repository: GateRepository;
  /** Where the remote, or this clone, keeps the bytes of a file. */
  objectOf(bytes: Uint8Array, where: 'remote' | 'here'): string;
}

/** A clone whose files of these patterns are kept in Git LFS, whether or not git-lfs is installed; nothing of it is pushed. */
function inLfs(
  patterns: readonly string[],
  files: Readonly<Record<string, string | Uint8Array>>,
  work: (kept: Kept) => Promise<void>,
): Promise<void> {
  return inTemporaryFolder(async (folder) => {
    const repository = openGateRepository(join(folder, 'clone'));
    const { folder: clone, git } = repository;
    await mkdir(clone);
    await git('init', '--quiet', '--initial-branch=main');
    await git('init', '--quiet', '--bare', '--initial-branch=main', join(folder, 'remote.git'));
    await git('remote', 'add', 'origin', join(folder, 'remote.git'));
    for (const [key, value] of [
      ['user.name', 'Ada'],
      ['user.email', 'ada@example.org'],
      // As git-lfs does it, also where that is not installed.
      ['filter.pointers.clean', `sh ${join(folder, 'clean.sh')}`],
    ] as const) {
      await git('config', key, value);
    }
    await writeFile(
      join(folder, 'clean.sh'),
      `f=$(mktemp); cat > "$f"; printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%s\\nsize %s\\n' $(sha256sum "$f" | cut -c1-64) $(wc -c < "$f"); rm "$f"\n`,
    );
    await writeFile(join(clone, '.gitattributes'), patterns.map((each) => `${each} filter=pointers -text\n`).join(''));
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(clone, path)), { recursive: true });
      await writeFile(join(clone, path), text);
    }
    await repository.commit('Files');
    await git('push', '--quiet', '--no-verify', 'origin', 'main');
    await work({
      repository,
      objectOf(bytes, where) {
        const oid = sha256(bytes);
        const store = where === 'here' ? join(clone, '.git') : join(folder, 'remote.git');
        return join(store, 'lfs/objects', oid.slice(0, 2), oid.slice(2, 4), oid);
      },
    });
  });
}

/** Refused while the remote does not have the bytes; where git-lfs is installed, it brings them. */
async function asksForBytes(
  { repository, objectOf }: Kept,
  args: readonly string[],
  bytes: Uint8Array,
  path: string,
): Promise<void> {
  const refused = await contender(repository.folder, args);
  assert.equal(refused.code, 2, refused.stderr);
  const where = path.replaceAll('.', '\\.');
  assert.match(
    refused.stderr,
    new RegExp(
      `${where}: this is kept in Git LFS, and object ${sha256(bytes).slice(0, 12)} was not pushed.*Nothing was recorded`,
      'su',
    ),
  );
  assert.equal(await repository.git('ls-remote', 'origin', 'model-registry'), '');
  // A remote that has them is believed, whatever the store of this clone lacks.
  for (const where of hasLfs ? (['here', 'remote'] as const) : (['remote'] as const)) {
    await rm(dirname(objectOf(bytes, 'here')), { recursive: true, force: true });
    await mkdir(dirname(objectOf(bytes, where)), { recursive: true });
    await writeFile(objectOf(bytes, where), bytes);
    const recorded = await contender(repository.folder, args);
    assert.equal(recorded.code, 0, recorded.stderr);
    assert.ok(existsSync(objectOf(bytes, 'remote')));
  }
}

describe('what others must be able to fetch', () => {
  const rows = (column: string): string =>
    `id,${column}\n${Array.from({ length: 100 }, (_, row) => `${row},${row % 2}\n`).join('')}`;

  test('is also data that is kept in Git LFS, of which nothing is recorded before the remote has its bytes', () =>
    inLfs(
      ['data/*'],
      {
        'data/eval.csv': rows('label'),
        'scores.csv': rows('score'),
        'contender.yml': `version: 1
models:
  m:
    task: binary-classification
    candidate: { predictions: scores.csv }
    columns: { id: id, label: label, positive: 1 }
    data: { evaluation: data/*.csv }
    policy: { allow_first: true, primary: { metric: accuracy, min: 0.9 } }
registry: { push: origin }
`,
      },
      async (kept) => asksForBytes(kept, ['gate'], Buffer.from(rows('label')), 'data/eval.csv'),
    ));

  test('is also the external data of a model', async () => {
    const [name, data] = ['external-data.onnx', 'external-data.onnx.data'];
    const weights = await readFile(fixture(`onnx-zoo/${data}`));
    await inLfs(
      ['*.data'],
      {
        [name]: await readFile(fixture(`onnx-zoo/${name}`)),
        [data]: weights,
        'eval.csv': rows('label'),
        'contender.yml': `version: 1
models:
  m:
    task: binary-classification
    candidate: ${name}
    columns: { id: id, label: label, positive: 1 }
    data: { evaluation: eval.csv }
    policy: { primary: { metric: accuracy, min: 0.9 } }
registry: { push: origin }
`,
      },
      async (kept) => asksForBytes(kept, ['registry', 'register', '--artifact', name], weights, data),
    );
  });
});
