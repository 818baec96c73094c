import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256 } from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import { fetchNamed, type FetchedModel } from '../../../src/registry/fetch-artifact.ts';
import { withVariables } from '../../support/stores/environment.ts';
import { withGcs, type GcsStandIn } from '../../support/stores/gcs.ts';

const token = 'ya29.secret';
const bytes = randomBytes(20_000);

function inStore<T>(
  work: (store: GcsStandIn, fetch: (uri: string, digest: string) => Promise<FetchedModel>) => Promise<T>,
  variables: Record<string, string> = { GOOGLE_OAUTH_ACCESS_TOKEN: token },
): Promise<T> {
  return withGcs((store) => {
    store.token = token;
    return withVariables({ STORAGE_EMULATOR_HOST: store.endpoint, ...variables }, (folder) =>
      work(store, (uri, digest) =>
        fetchNamed('.', { uri, sha256: digest }, join(folder, 'models'), { log: silentLog }),
      ),
    );
  });
}

describe('an object of Google Cloud Storage', () => {
  it('is fetched as it is now, and recorded by its generation', () =>
    inStore(async (store, fetch) => {
      const key = "spam/ü+a 'b'/m.onnx";
      const generation = store.put('models', key, bytes);
      store.behaviour.truncated = 1;
      const { path, uri } = await fetch(`gs://models/${key}`, sha256(bytes));
      assert.deepEqual(await readFile(path), bytes);
      assert.equal(uri, `gs://models/${key}#${generation}`);
      store.put('models', key, Buffer.from('new'));
      assert.deepEqual(await readFile((await fetch(uri, sha256(bytes))).path), bytes);
    }));

  it('that anybody may read needs no token', () =>
    inStore(async (store, fetch) => {
      delete store.token;
      store.put('models', 'm.onnx', bytes);
      await fetch('gs://models/m.onnx', sha256(bytes));
      assert.ok(store.seen.every((each) => each.endsWith('none')));
    }, {}));

  const faults: [string, string, string, RegExp, Record<string, string>?][] = [
    [
      'of no such name',
      'gs://models/x',
      sha256(bytes),
      /there is no such object \(Google Cloud Storage answered 404\)/u,
    ],
    ['of no such generation', 'gs://models/m.onnx#1', sha256(bytes), /there is no such object/u],
    ['of other bytes', 'gs://models/m.onnx', sha256('x'), /the bytes have sha256/u],
    ['that is private', 'gs://models/m.onnx', sha256(bytes), /without credentials .*google-github-actions\/auth/su, {}],
    [
      'with a token that is over',
      'gs://models/m.onnx',
      sha256(bytes),
      /the credentials are not accepted .*401.*wrong or have expired/su,
      { CLOUDSDK_AUTH_ACCESS_TOKEN: 'ya29.old' },
    ],
  ];
  for (const [what, uri, digest, message, variables] of faults) {
    it(`${what} is a fault that says so, and shows no token`, () =>
      inStore(async (store, fetch) => {
        store.put('models', 'm.onnx', bytes);
        await assert.rejects(
          fetch(uri, digest),
          (error: Error) => message.test(error.message) && !error.message.includes('ya29'),
        );
      }, variables));
  }
});
