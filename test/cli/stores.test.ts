import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256 } from '../../src/evidence/index.ts';
import type { PromoteResult } from '../../src/pipeline/gate/promote.ts';
import { contender, gateRepository, type CommandResult } from '../support/gate-repository.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';
import { withS3 } from '../support/stores/s3.ts';

const secret = 'the/secret+key';

describe('a candidate and data that are objects of a store', () => {
  it('are judged, recorded by their version, compared with later, gone back to and verified, and no secret is kept', () =>
    withS3(async (store) => {
      const folder = await mkdtemp(join(tmpdir(), 'contender-stores-'));
      try {
        store.keys.set('AKIAEXAMPLE', { secret });
        store.bucket('models');
        const repository = await gateRepository(join(folder, 'work'));
        await repository.withoutLoad();
        const run = async (args: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> => {
          const result = await contender(repository.folder, args, {
            AWS_ENDPOINT_URL: store.endpoint,
            AWS_REGION: 'eu-central-1',
            AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
            AWS_SECRET_ACCESS_KEY: secret,
            CONTENDER_CACHE: await mkdtemp(join(folder, 'cache-')),
            ...env,
          });
          assert.ok(!(result.stdout + result.stderr).includes(secret), 'the secret is told to nobody');
          return result;
        };
        const model = await readFile(fixture('spam/models/candidate.onnx'));
        const rows = await readFile(fixture('spam/data/eval.parquet'));
        const version = store.put('models', 'spam/model.onnx', model) ?? '';
        store.put('models', 'eval.parquet', rows);
        await repository.configure('data/eval.parquet', `s3://models/eval.parquet#sha256=${sha256(rows)}`);
        assert.equal((await run(['registry', 'register', '--artifact', 'models/champion.onnx'])).code, 0);

        const named = ['--candidate', 's3://models/spam/model.onnx', '--candidate-sha256', sha256(model)];
        const denied = await run(['gate', ...named], { AWS_SECRET_ACCESS_KEY: 'other' });
        assert.equal(denied.code, 2);
        assert.match(denied.stderr, /the credentials are not accepted \(S3 answered 403 SignatureDoesNotMatch\)/u);
        const unnamed = await run(['gate', '--candidate', 's3://models/spam/model.onnx']);
        assert.equal(unnamed.code, 2);
        assert.match(unnamed.stderr, /has no digest/u);

        const { code, stdout, stderr } = await run(['gate', '--json', ...named]);
        assert.equal(code, 0, stderr);
        const { decision } = JSON.parse(stdout) as PromoteResult;
        const uri = `s3://models/spam/model.onnx?versionId=${encodeURIComponent(version)}`;
        assert.deepEqual(decision.to?.artifacts, [{ role: 'model', uri, sha256: sha256(model), size: model.length }]);
        assert.match(decision.datasets['evaluation']?.uri ?? '', /^s3:\/\/models\/eval\.parquet\?versionId=/u);

        store.put('models', 'spam/model.onnx', Buffer.from('another model'));
        const compared = await run(['evaluate', '--candidate', 'models/champion.onnx']);
        assert.doesNotMatch(compared.stdout + compared.stderr, /cannot be|unloadable/iu);
        for (const args of [[], ['--to', '1.0.1']]) {
          const back = await run(['rollback', ...args, '--reason', 'Trying it']);
          assert.equal(back.code, 0, back.stderr);
        }
        const verified = await run(['registry', 'verify']);
        assert.equal(verified.code, 0, verified.stdout + verified.stderr);
        for (const file of await filesIn(repository.folder)) {
          assert.ok(!(await readFile(file)).includes(secret), `${file} has no secret`);
        }
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    }));

  it('may be files of predictions, of which a champion is compared with later too', () =>
    inTemporaryFolder((folder) =>
      withS3(async (store) => {
        store.bucket('models', { public: true });
        const repository = await gateRepository(folder);
        const labels = Array.from({ length: 400 }, (_, row) => row % 2);
        await writeFile(join(folder, 'answers.csv'), table('id,label', labels));
        const put = async (wrong: number): Promise<{ bytes: string; version: string | null }> => {
          const scores = labels.map((label, row) => (row % wrong === 0 ? 0.5 : 0.2 + 0.6 * label));
          const bytes = table('id,score', scores);
          const version = store.put('models', 'scores.csv', Buffer.from(bytes));
          await writeFile(
            join(folder, 'contender.yml'),
            `version: 1
models:
  survey:
    task: binary-classification
    candidate: { predictions: 's3://models/scores.csv', sha256: ${sha256(bytes)} }
    columns: { id: id, label: label }
    data: { evaluation: answers.csv }
    policy: { allow_first: true, primary: { metric: accuracy, margin: 0.01, min: 0.6 } }
`,
          );
          await repository.commit('Score anew');
          return { bytes, version };
        };
        const gate = async (): Promise<PromoteResult> => {
          const { code, stdout, stderr } = await contender(folder, ['gate', '--json'], {
            AWS_ENDPOINT_URL: store.endpoint,
            CONTENDER_CACHE: await mkdtemp(join(folder, '.git', 'cache-')),
          });
          assert.equal(code, 0, stdout + stderr);
          return JSON.parse(stdout) as PromoteResult;
        };
        for (const wrong of [4, 40]) {
          const { bytes, version } = await put(wrong);
          const uri = `s3://models/scores.csv?versionId=${encodeURIComponent(version ?? '')}`;
          const { decision } = await gate();
          assert.deepEqual(decision.to?.artifacts, [
            { role: 'predictions', uri, sha256: sha256(bytes), size: bytes.length },
          ]);
        }
      }),
    ));
});

function table(header: string, values: readonly number[]): string {
  return `${header}\n${values.map((value, row) => `r${row},${value}`).join('\n')}\n`;
}

async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  const paths = names.map((name) => join(folder, name));
  const isFile = await Promise.all(paths.map(async (path) => (await stat(path)).isFile()));
  return paths.filter((_, index) => isFile[index]);
}
