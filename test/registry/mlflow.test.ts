import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Manifest } from '../../src/registry/manifest.ts';
import { syncMlflow, syncText, type Synced } from '../../src/registry/mlflow.ts';
import { withMlflow, type MlflowStandIn } from '../support/stores/mlflow.ts';
import { withVariables } from '../support/stores/environment.ts';

const commit = '0123456789abcdef0123456789abcdef01234567';

/** A manifest of these versions, oldest first, with a champion. */
function manifestOf(versions: readonly string[], champion: string, deprecated: readonly string[] = []): Manifest {
  return {
    schema: 'contender/manifest/v1',
    model: 'spam-filter',
    versions: versions.map((version, index) => ({
      version,
      seq: index + 1,
      replaced: versions[index - 1] ?? null,
      status: deprecated.includes(version) ? 'deprecated' : 'active',
      artifacts: [{ role: 'model', uri: `git:${commit}:models/a b.onnx`, sha256: `${index}a`.repeat(32), size: 1 }],
    })),
    aliases: { champion: { version: champion, seq: versions.length } },
    head: { seq: versions.length, sha256: '00'.repeat(32) },
  };
}

function onServer(
  work: (mlflow: MlflowStandIn, sync: (manifest: Manifest) => Promise<Synced>) => Promise<void>,
  variables: Record<string, string> = {},
  model?: string,
): Promise<void> {
  return withMlflow((mlflow) =>
    withVariables({ MLFLOW_TRACKING_URI: mlflow.uri, ...variables }, () =>
      work(mlflow, (manifest) =>
        syncMlflow(manifest, {
          settings: { uri: mlflow.uri, ...(model === undefined ? {} : { model }) },
          repository: 'acme/models',
        }),
      ),
    ),
  );
}

describe('an MLflow server', () => {
  it('is told of every version, its tags and the champion', () =>
    onServer(
      async (mlflow, sync) => {
        const synced = await sync(manifestOf(['1.0.0', '1.1.0', '1.2.0'], '1.2.0'));
        assert.equal(
          syncText(synced),
          'MLflow team.spam-filter: champion is now version 3 (1.2.0), created 1.0.0, 1.1.0, 1.2.0',
        );
        const model = mlflow.models.get('team.spam-filter');
        assert.deepEqual([...(model?.aliases ?? [])], [['champion', '3']]);
        assert.equal(model?.versions[1]?.source, `https://github.com/acme/models/raw/${commit}/models/a%20b.onnx`);
        assert.deepEqual(Object.fromEntries(model?.versions[1]?.tags ?? []), {
          'contender.version': '1.1.0',
          'contender.sha256': '1a'.repeat(32),
          'contender.uri': `git:${commit}:models/a b.onnx`,
          'contender.decision': '2',
          'contender.status': 'active',
        });
      },
      {},
      'team.{model}',
    ));

  it('that knows it all is asked, and nothing is written', () =>
    onServer(async (mlflow, sync) => {
      const manifest = manifestOf(['1.0.0', '1.1.0', '1.2.0'], '1.2.0');
      await sync(manifest);
      mlflow.seen.length = 0;
      const again = await sync(manifest);
      assert.deepEqual([again.created, again.tags, again.champion?.moved], [[], 0, false]);
      assert.ok(mlflow.seen.every((each) => each.startsWith('GET ')));
    }));

  it('moves the champion back on a rollback, and is told of a deprecation', () =>
    onServer(async (mlflow, sync) => {
      await sync(manifestOf(['1.0.0', '1.1.0'], '1.1.0'));
      const synced = await sync(manifestOf(['1.0.0', '1.1.0'], '1.0.0', ['1.1.0']));
      assert.equal(syncText(synced), 'MLflow spam-filter: champion is now version 1 (1.0.0), 1 tag set');
      const model = mlflow.models.get('spam-filter');
      assert.equal(model?.aliases.get('champion'), '1');
      assert.equal(model?.versions[1]?.tags.get('contender.status'), 'deprecated');
    }));

  for (const lost of [false, true]) {
    const what = lost ? 'whose answer is lost' : 'that fails';
    it(`is brought up to date by the next run after any request ${what}, with no version twice`, () =>
      onServer(async (mlflow, sync) => {
        const manifest = manifestOf(['1.0.0', '1.1.0'], '1.1.0', ['1.0.0']);
        mlflow.lost = lost;
        for (let requests = 0; ; requests += 1) {
          mlflow.models.clear();
          mlflow.until = requests;
          const failed = await sync(manifest).then(
            () => false,
            () => true,
          );
          mlflow.until = Infinity;
          await sync(manifest);
          const model = mlflow.models.get('spam-filter');
          assert.equal(model?.versions.length, 2);
          assert.equal(model.aliases.get('champion'), '2');
          // A question whose answer is lost is asked again, and then the server is broken.
          if (!failed) break;
          assert.ok(requests < 50);
        }
      }));
  }

  it('keeps versions, tags and aliases of others', () =>
    onServer(async (mlflow, sync) => {
      const tags = new Map([['owner', 'ada']]);
      mlflow.models.set('spam-filter', {
        aliases: new Map([['shadow', '1']]),
        versions: [{ source: 's3://x/y', tags }],
      });
      const { champion } = await sync(manifestOf(['1.0.0'], '1.0.0'));
      assert.equal(champion?.mlflow, '2');
      const model = mlflow.models.get('spam-filter');
      assert.deepEqual(
        [...(model?.aliases ?? [])],
        [
          ['shadow', '1'],
          ['champion', '2'],
        ],
      );
      assert.deepEqual([...(model?.versions[0]?.tags ?? [])], [['owner', 'ada']]);
    }));

  const accounts: [string, Record<string, string>, string][] = [
    ['a token', { MLFLOW_TRACKING_TOKEN: 'secret-token' }, 'Bearer secret-token'],
    [
      'a name and password',
      { MLFLOW_TRACKING_USERNAME: 'ada', MLFLOW_TRACKING_PASSWORD: 'secret' },
      `Basic ${Buffer.from('ada:secret').toString('base64')}`,
    ],
  ];
  for (const [what, variables, authorization] of accounts) {
    it(`is signed in to with ${what}`, () =>
      onServer(async (mlflow, sync) => {
        mlflow.authorization = authorization;
        await sync(manifestOf(['1.0.0'], '1.0.0'));
      }, variables));
  }

  it('that refuses the token says what is needed, and no secret', () =>
    onServer(
      async (mlflow, sync) => {
        mlflow.authorization = 'Bearer other';
        await assert.rejects(
          sync(manifestOf(['1.0.0'], '1.0.0')),
          (error: Error) =>
            /MLflow answered 401 to registered-models\/get[\s\S]*MLFLOW_TRACKING_TOKEN/u.test(error.message) &&
            !error.message.includes('secret-token'),
        );
      },
      { MLFLOW_TRACKING_TOKEN: 'secret-token' },
    ));

  it('other than the one that the token is for is told nothing', () =>
    onServer(
      async (mlflow, sync) => {
        await assert.rejects(sync(manifestOf(['1.0.0'], '1.0.0')), /Expected both on the same server/u);
        assert.deepEqual(mlflow.seen, []);
      },
      { MLFLOW_TRACKING_URI: 'https://mlflow.example', MLFLOW_TRACKING_TOKEN: 'secret-token' },
    ));

  const secrets: [string, Record<string, string>, RegExp][] = [
    [
      'a token and nothing that says which server it is for',
      { MLFLOW_TRACKING_URI: '', MLFLOW_TRACKING_TOKEN: 'SECRET' },
      /credentials for MLflow without MLFLOW_TRACKING_URI/u,
    ],
    [
      'a password and nothing that says which server it is for',
      { MLFLOW_TRACKING_URI: '', MLFLOW_TRACKING_USERNAME: 'ada', MLFLOW_TRACKING_PASSWORD: 'SECRET' },
      /credentials for MLflow without MLFLOW_TRACKING_URI/u,
    ],
    [
      'an address with a password in it',
      { MLFLOW_TRACKING_URI: 'https://ada:SECRET@mlflow.example' },
      /MLFLOW_TRACKING_URI: an address that contains a user name or a password/u,
    ],
    [
      'a token of two lines',
      { MLFLOW_TRACKING_TOKEN: 'SECRET1\nSECRET2' },
      /MLFLOW_TRACKING_TOKEN contains a line break/u,
    ],
  ];
  for (const [what, variables, message] of secrets) {
    it(`is told nothing with ${what}, and no secret is shown`, () =>
      onServer(async (mlflow, sync) => {
        await assert.rejects(
          sync(manifestOf(['1.0.0'], '1.0.0')),
          (error: Error) => message.test(error.message) && !error.message.includes('SECRET'),
        );
        assert.deepEqual(mlflow.seen, []);
      }, variables));
  }
});
