import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256 } from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import { fetchNamed, type FetchedModel } from '../../../src/registry/fetch-artifact.ts';
import { inTemporaryFolder } from '../../support/project.ts';
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

/** Run `work` with this file of credentials. */
async function withCredentials(credentials: object, work: () => Promise<void>): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'credentials.json');
    await writeFile(path, JSON.stringify(credentials));
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = path;
    await work();
    delete process.env['GOOGLE_APPLICATION_CREDENTIALS'];
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

  it('is read in the name of a service account, by its key', () =>
    inStore(async (store, fetch) => {
      const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      store.publicKey = publicKey.export({ type: 'spki', format: 'pem' }).toString();
      store.put('models', 'm.onnx', bytes);
      const key = {
        type: 'service_account',
        client_email: 'models@acme.example',
        private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        token_uri: `${store.endpoint}/token`,
      };
      await withCredentials(key, async () => {
        await fetch('gs://models/m.onnx', sha256(bytes));
      });
      const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
      const revoked = { ...key, private_key: other.export({ type: 'pkcs8', format: 'pem' }).toString() };
      await withCredentials(revoked, () =>
        assert.rejects(fetch('gs://models/m.onnx', sha256(bytes)), /no token was given .*answered 400 invalid_grant/u),
      );
    }, {}));

  const federation = ({ endpoint, identity }: GcsStandIn): Record<string, unknown> => ({
    type: 'external_account',
    audience: '//iam/pool',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `${endpoint}/sts`,
    service_account_impersonation_url: `${endpoint}/act-as`,
    credential_source: {
      url: `${endpoint}/identity`,
      headers: { Authorization: `Bearer ${identity.bearer}` },
      format: { type: 'json', subject_token_field_name: 'value' },
    },
  });

  it('is read as the run that google-github-actions/auth signed in', () =>
    inStore(async (store, fetch) => {
      store.put('models', 'm.onnx', bytes);
      await withCredentials(federation(store), async () => {
        await fetch('gs://models/m.onnx', sha256(bytes));
      });
      store.identity.token = 'another';
      await withCredentials({ ...federation(store), audience: 'x' }, () =>
        assert.rejects(fetch('gs://models/m.onnx', sha256(bytes)), /no token was given .*id-token: write/su),
      );
    }, {}));

  it('is not read with a file that names another server than one of Google', () =>
    inStore(async (store, fetch) => {
      const places: [Record<string, unknown>, RegExp][] = [
        [
          { ...federation(store), token_url: 'https://sts.example/token' },
          /token_url is not a token address of Google/u,
        ],
        ...['https://models.storage.googleapis.com/token', 'https://sts.storage.googleapis.com/token'].map(
          (url): [Record<string, unknown>, RegExp] => [
            { ...federation(store), token_url: url },
            /token_url is not a token address of Google/u,
          ],
        ),
        [
          { ...federation(store), service_account_impersonation_url: 'https://sts.googleapis.com/v1/token' },
          /service_account_impersonation_url is not a token address of Google/u,
        ],
        [
          { type: 'service_account', token_uri: 'https://storage.googleapis.com/token' },
          /token_uri is not a token address of Google/u,
        ],
        // One of a region is taken, and what is missing is told.
        [
          { type: 'external_account', token_url: 'https://sts.europe-west1.rep.googleapis.com/v1/token' },
          /a file without audience/u,
        ],
        [{ type: 'authorized_user' }, /a file of type "authorized_user"/u],
        [{ type: 'service_account', token_uri: store.endpoint }, /a file without client_email/u],
      ];
      for (const [file, message] of places) {
        await withCredentials(file, () => assert.rejects(fetch('gs://models/m.onnx', sha256(bytes)), message));
      }
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
    [
      'with a token of two lines',
      'gs://models/m.onnx',
      sha256(bytes),
      /GOOGLE_OAUTH_ACCESS_TOKEN contains a line break/u,
      { GOOGLE_OAUTH_ACCESS_TOKEN: 'ya29.1\nya29.2' },
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
