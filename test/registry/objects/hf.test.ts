import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256 } from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import { fetchNamed, type FetchedModel } from '../../../src/registry/fetch-artifact.ts';
import { withVariables } from '../../support/stores/environment.ts';
import { withHub, type HubStandIn } from '../../support/stores/hub.ts';

const token = 'hf_secret';
const bytes = randomBytes(20_000);

function onHub<T>(
  work: (hub: HubStandIn, fetch: (uri: string, digest: string) => Promise<FetchedModel>) => Promise<T>,
  variables: Record<string, string> = { HF_TOKEN: token },
): Promise<T> {
  return withHub((hub) => {
    hub.token = token;
    return withVariables({ HF_ENDPOINT: hub.endpoint, ...variables }, (folder) =>
      work(hub, (uri, digest) => fetchNamed('.', { uri, sha256: digest }, join(folder, 'models'), { log: silentLog })),
    );
  });
}

describe('a file of the Hugging Face Hub', () => {
  it('is fetched from a branch, and recorded by the commit', () =>
    onHub(async (hub, fetch) => {
      const commit = hub.commit('acme/spam', { 'onnx/model (1).onnx': bytes });
      hub.behaviour.truncated = 1;
      const { path, uri } = await fetch('hf://acme/spam@main/onnx/model (1).onnx', sha256(bytes));
      assert.deepEqual(await readFile(path), bytes);
      assert.equal(uri, `hf://acme/spam@${commit}/onnx/model (1).onnx`);
      hub.commit('acme/spam', { 'onnx/model (1).onnx': Buffer.from('new') });
      assert.deepEqual(await readFile((await fetch(uri, sha256(bytes))).path), bytes);
      const newest = await fetch('hf://acme/spam/onnx/model (1).onnx', sha256('new'));
      assert.notEqual(newest.uri, uri);
    }));

  it('may be of a repository of data', () =>
    onHub(async (hub, fetch) => {
      const commit = hub.commit('datasets/acme/mail', { 'rows.csv': bytes });
      const { uri } = await fetch('hf://datasets/acme/mail/rows.csv', sha256(bytes));
      assert.equal(uri, `hf://datasets/acme/mail@${commit}/rows.csv`);
    }));

  it('takes the token to the Hub, and not to where it sends downloads on to', () =>
    onHub(async (hub, fetch) => {
      hub.commit('acme/spam', { 'model.onnx': bytes });
      await fetch('hf://acme/spam/model.onnx', sha256(bytes));
      assert.deepEqual(
        hub.seen.map((each) => each.replace(/^(\S+) \/(\w+)\S* /u, '$1 /$2 ')),
        ['127.0.0.1 /api Bearer', '127.0.0.1 /acme Bearer', 'localhost /cdn none'],
      );
    }));

  const faults: [string, string, string, RegExp, Record<string, string>?][] = [
    [
      'of no such name',
      'hf://acme/spam/x.onnx',
      sha256(bytes),
      /there is no such object \(the Hugging Face Hub answered 404\)/u,
    ],
    ['of no such branch', 'hf://acme/spam@v9/model.onnx', sha256(bytes), /no such object .* 404 RevisionNotFound\)/u],
    ['of other bytes', 'hf://acme/spam/model.onnx', sha256('x'), /the bytes have sha256/u],
    ['that is private', 'hf://acme/spam/model.onnx', sha256(bytes), /without credentials .*401.*Set HF_TOKEN/su, {}],
    [
      'with a token that is over',
      'hf://acme/spam/model.onnx',
      sha256(bytes),
      /the credentials are not accepted .*401 InvalidToken/u,
      { HF_TOKEN: 'hf_old' },
    ],
    [
      'with a token of two lines',
      'hf://acme/spam/model.onnx',
      sha256(bytes),
      /HF_TOKEN contains a line break/u,
      { HF_TOKEN: 'hf_SECRET1\nhf_SECRET2' },
    ],
    [
      'of a Hub whose address has a password in it',
      'hf://acme/spam/model.onnx',
      sha256(bytes),
      /HF_ENDPOINT: an address that contains a user name or a password/u,
      { HF_ENDPOINT: 'https://ada:hf_SECRET@hub.example' },
    ],
  ];
  for (const [what, uri, digest, message, variables] of faults) {
    it(`${what} is a fault that says so, and shows no token`, () =>
      onHub(async (hub, fetch) => {
        hub.commit('acme/spam', { 'model.onnx': bytes });
        await assert.rejects(
          fetch(uri, digest),
          (error: Error) => message.test(error.message) && !/hf_\w/u.test(error.message),
        );
      }, variables));
  }
});
