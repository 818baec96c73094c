import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256 } from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import { fetchArtifact, fetchData, fetchNamed, type FetchedModel } from '../../../src/registry/fetch-artifact.ts';
import { withVariables } from '../../support/stores/environment.ts';
import { signatureOf, withS3, type S3StandIn } from '../../support/stores/s3.ts';

const id = 'AKIAEXAMPLE';
const secret = 'a secret/of+S3';
const token = 'token/of+the session==';

/** What is fetched from a store with a bucket `models`, as one who may read it. */
function inStore<T>(
  work: (tools: {
    store: S3StandIn;
    fetch: (uri: string, digest: string) => Promise<FetchedModel>;
    folder: string;
  }) => Promise<T>,
  variables: Record<string, string> = {},
): Promise<T> {
  return withS3((store) => {
    store.keys.set(id, { secret, token });
    store.bucket('models');
    const signedIn = { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token };
    const place = { AWS_ENDPOINT_URL_S3: store.endpoint, AWS_REGION: 'eu-central-1' };
    return withVariables({ ...signedIn, ...place, ...variables }, (folder) =>
      work({
        store,
        folder,
        fetch: (uri, digest) => fetchNamed('.', { uri, sha256: digest }, join(folder, 'models'), { log: silentLog }),
      }),
    );
  });
}

describe('the verifier of signatures that these tests trust', () => {
  /** "Examples: Signature Calculations", Signature Version 4 of the API Reference of Amazon S3. */
  const published = {
    method: 'GET',
    time: '20130524T000000Z',
    scope: '20130524/us-east-1/s3/aws4_request',
    secret: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    payload: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  };
  const common: [string, string][] = [
    ['x-amz-content-sha256', published.payload],
    ['x-amz-date', published.time],
  ];
  const host: [string, string] = ['host', 'examplebucket.s3.amazonaws.com'];
  const examples: [string, [string, string][], string][] = [
    [
      '/test.txt',
      [host, ['range', 'bytes=0-9'], ...common],
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ],
    ['/?lifecycle', [host, ...common], 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
    ['/?max-keys=2&prefix=J', [host, ...common], '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
  ];
  for (const [target, headers, signature] of examples) {
    it(`finds the published signature of ${target}`, () =>
      assert.equal(signatureOf({ ...published, target, headers }), signature));
  }
});

describe('an object of S3', () => {
  for (const key of ['model.onnx', "a b/ü+ä=1&x/m (1)'!*~.onnx", '100%/%2e%2e/m.onnx']) {
    it(`is fetched from ${key}, signed, and recorded by its version`, () =>
      inStore(async ({ store, fetch }) => {
        const bytes = randomBytes(1000);
        const version = store.put('models', key, bytes);
        const { path, uri } = await fetch(`s3://models/${key}`, sha256(bytes));
        assert.deepEqual(await readFile(path), bytes);
        assert.equal(uri, `s3://models/${key}?versionId=${encodeURIComponent(version ?? '')}`);
        store.put('models', key, randomBytes(1000));
        const artifact = { role: 'model' as const, uri, sha256: sha256(bytes), size: 1000 };
        const again = await withVariables({ ...process.env } as Record<string, string>, (folder) => {
          process.env['CONTENDER_CACHE'] = join(folder, 'cache');
          return fetchArtifact('.', artifact, folder, { log: silentLog }).then((found) => readFile(found));
        });
        assert.deepEqual(again, bytes);
      }));
  }

  it('of a bucket without versions is recorded by its key, and told by its digest', () =>
    inStore(async ({ store, fetch }) => {
      store.bucket('plain', { versioned: false });
      store.put('plain', 'm.onnx', Buffer.from('model'));
      assert.equal((await fetch('s3://plain/m.onnx', sha256('model'))).uri, 's3://plain/m.onnx');
    }));

  it('of a public bucket needs no credentials', () =>
    inStore(
      async ({ store, fetch }) => {
        store.bucket('open', { public: true });
        store.put('open', 'm.onnx', Buffer.from('model'));
        await fetch('s3://open/m.onnx', sha256('model'));
        assert.ok(store.seen.every((each) => each.includes(' nobody')));
      },
      { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' },
    ));

  it('is asked for in the region of its bucket, whichever was named', () =>
    inStore(
      async ({ store, fetch }) => {
        store.put('models', 'm.onnx', Buffer.from('model'));
        await fetch('s3://models/m.onnx', sha256('model'));
        store.behaviour.redirect = 'http://localhost:9';
        store.put('models', 'n.onnx', Buffer.from('other'));
        await fetch('s3://models/n.onnx', sha256('other'));
      },
      { AWS_REGION: 'us-west-2' },
    ));

  it('is asked for again where a body breaks off or the store is busy', () =>
    inStore(async ({ store, fetch }) => {
      const bytes = randomBytes(100_000);
      store.put('models', 'm.onnx', bytes);
      store.behaviour.truncated = 1;
      store.behaviour.passing = { times: 1, status: 503 };
      assert.deepEqual(await readFile((await fetch('s3://models/m.onnx', sha256(bytes))).path), bytes);
    }));

  it('is gone on with where an earlier run was interrupted', () =>
    inStore(async ({ store, fetch, folder }) => {
      const bytes = randomBytes(100_000);
      store.put('models', 'm.onnx', bytes);
      const kept = join(folder, 'cache', 'artifacts', sha256(bytes));
      await mkdir(kept, { recursive: true });
      await writeFile(join(kept, 'm.onnx.part'), bytes.subarray(0, 60_000));
      assert.deepEqual(await readFile((await fetch('s3://models/m.onnx', sha256(bytes))).path), bytes);
      assert.match(store.seen.at(-1) ?? '', /bytes=60000-$/u);
    }));

  it('may be data', () =>
    inStore(async ({ store, folder }) => {
      const rows = Buffer.from('id,label\n1,0\n');
      const version = store.put('models', 'rows.csv', rows);
      const found = await fetchData('.', 's3://models/rows.csv', sha256(rows), folder, { log: silentLog });
      assert.deepEqual(await readFile(found.path), rows);
      assert.equal(found.uri, `s3://models/rows.csv?versionId=${encodeURIComponent(version ?? '')}`);
    }));

  const model = sha256('model');
  const faults: [string, (store: S3StandIn) => void, string, string, RegExp, Record<string, string>?][] = [
    ['is absent', () => {}, 's3://models/x.onnx', model, /there is no such object \(S3 answered 404 NoSuchKey\)/u],
    ['is in no bucket', () => {}, 's3://nowhere/x', model, /no such object \(S3 answered 404 NoSuchBucket\)/u],
    [
      'has no such version',
      () => {},
      's3://models/m.onnx?versionId=9',
      model,
      /no such object \(S3 answered 404 NoSuchVersion\)/u,
    ],
    [
      'has other bytes',
      () => {},
      's3://models/m.onnx',
      sha256('x'),
      /the bytes have sha256 9372c470eea[\s\S]*not the recorded model/u,
    ],
    [
      'is private, and nobody signs',
      () => {},
      's3://models/m.onnx',
      model,
      /cannot be read without credentials[\s\S]*aws-actions\/configure-aws-credentials/u,
      { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' },
    ],
    [
      'is asked for with half of the credentials',
      () => {},
      's3://models/m.onnx',
      model,
      /AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY/u,
      { AWS_SECRET_ACCESS_KEY: '' },
    ],
    [
      'is asked for with another secret',
      () => {},
      's3://models/m.onnx',
      model,
      /credentials are not accepted \(S3 answered 403 SignatureDoesNotMatch\)/u,
      { AWS_SECRET_ACCESS_KEY: 'other' },
    ],
    [
      'is asked for when the session is over',
      ({ keys }) => keys.set(id, { secret, token, expired: true }),
      's3://models/m.onnx',
      model,
      /the credentials have expired \(S3 answered 400 ExpiredToken\)/u,
    ],
    [
      'is in a region that the store does not name',
      (store) => store.bucket('models', { region: 'nowhere/../..' }),
      's3://models/m.onnx',
      model,
      /S3 answered 400 AuthorizationHeaderMalformed/u,
    ],
    [
      'is asked for with a session of two lines',
      () => {},
      's3://models/m.onnx',
      model,
      /AWS_SESSION_TOKEN contains a line break/u,
      { AWS_SESSION_TOKEN: `x\n${token}` },
    ],
    [
      'is at an address with a password in it',
      () => {},
      's3://models/m.onnx',
      model,
      /AWS_ENDPOINT_URL_S3: an address that contains a user name or a password/u,
      { AWS_ENDPOINT_URL_S3: `https://ada:${encodeURIComponent(secret)}@s3.example` },
    ],
  ];
  for (const [what, before, uri, digest, message, variables] of faults) {
    it(`that ${what} is a fault that says so, and shows no secret`, () =>
      inStore(async ({ store, fetch }) => {
        store.put('models', 'm.onnx', Buffer.from('model'));
        before(store);
        await assert.rejects(
          fetch(uri, digest),
          (error: Error) =>
            message.test(error.message) &&
            ![secret, encodeURIComponent(secret), token].some((each) => error.message.includes(each)),
        );
      }, variables));
  }

  it('that is larger than what was recorded is not read to its end', () =>
    inStore(async ({ store, folder }) => {
      store.put('models', 'm.onnx', randomBytes(5000));
      const artifact = { role: 'model' as const, uri: 's3://models/m.onnx', sha256: sha256('model'), size: 5 };
      await assert.rejects(fetchArtifact('.', artifact, folder, { log: silentLog }), /more than 5 bytes/u);
    }));

  it('is not asked for where nothing is encrypted', () =>
    inStore(({ fetch }) => assert.rejects(fetch('s3://models/m.onnx', model), /an address without encryption/u), {
      AWS_ENDPOINT_URL_S3: 'http://s3.example',
    }));
});
