import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { contender, gateRepository, type CommandResult } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';
import { withMlflow } from '../support/stores/mlflow.ts';

const token = 'the-secret-token';

describe('a registry that an MLflow server is told of', () => {
  it('is recorded whatever becomes of that, and published later', () =>
    inTemporaryFolder((folder) =>
      withMlflow(async (mlflow) => {
        const repository = await gateRepository(join(folder, 'work'));
        await repository.withoutLoad();
        await repository.configure(
          '  path: registry',
          `  path: registry\n  mlflow: { uri: '${mlflow.uri}', model: 'team.{model}' }`,
        );
        mlflow.authorization = `Bearer ${token}`;
        const run = async (...args: string[]): Promise<CommandResult> => {
          const result = await contender(repository.folder, args, {
            MLFLOW_TRACKING_URI: mlflow.uri,
            MLFLOW_TRACKING_TOKEN: token,
          });
          assert.ok(!(result.stdout + result.stderr).includes(token), 'the token is told to nobody');
          return result;
        };
        const champion = (): string | undefined => mlflow.models.get('team.spam-filter')?.aliases.get('champion');

        const first = await run('registry', 'register', '--artifact', 'models/champion.onnx');
        assert.equal(first.code, 0, first.stderr);
        assert.match(first.stderr, /MLflow team\.spam-filter: champion is now version 1 \(1\.0\.0\), created 1\.0\.0/u);
        assert.equal(champion(), '1');

        mlflow.until = 1;
        const second = await run('gate', '--quiet');
        assert.equal(second.code, 0, second.stderr);
        assert.match(second.stderr, /contender publish does it later\..* MLflow answered 501 INTERNAL_ERROR/su);
        assert.equal(champion(), '1');

        const down = await run('publish');
        assert.equal(down.code, 2);
        mlflow.until = Infinity;
        const published = await run('publish');
        assert.equal(published.code, 0, published.stderr);
        assert.match(
          published.stdout,
          /^MLflow team\.spam-filter: champion is now version 2 \(1\.0\.1\), created 1\.0\.1$/mu,
        );

        const back = await run('rollback', '--reason', 'It loses mail');
        assert.equal(back.code, 0, back.stderr);
        assert.equal(champion(), '1');
        const chain = await repository.git('ls-tree', '-r', '--name-only', 'model-registry');
        assert.equal((chain.match(/decisions\//gu) ?? []).length, 3, 'three decisions, and no more');
        assert.ok(!(await readFile(join(repository.folder, 'contender.yml'), 'utf8')).includes(token));
      }),
    ));

  it('is none where the configuration names no server', () =>
    inTemporaryFolder(async (folder) => {
      const repository = await gateRepository(join(folder, 'work'));
      const { code, stderr } = await contender(repository.folder, ['publish']);
      assert.equal(code, 2);
      assert.match(stderr, /no MLflow server/u);
    }));
});
