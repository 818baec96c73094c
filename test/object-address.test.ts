import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isPinned, objectAddress, objectUri, secretIn, shownAddress, withoutSecrets } from '../src/object-address.ts';

const commit = '0123456789abcdef0123456789abcdef01234567';
const digest = `sha256:${'0a'.repeat(32)}`;

describe('the address of an object', () => {
  const pinned = [
    's3://models/spam/model.onnx?versionId=3%2FL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY',
    'gs://models/spam/model.onnx#1716239022000000',
    `hf://acme/spam@${commit}/onnx/model.onnx`,
    `hf://datasets/acme/spam@${commit}/data/eval.parquet`,
    `oci://ghcr.io/acme/models/spam@${digest}#model.onnx`,
    `oci://localhost:5000/spam@${digest}`,
  ];
  const open = [
    's3://models/spam/model.onnx',
    's3://my.bucket/a key/ü+ä=1.onnx',
    'gs://models/spam/model.onnx',
    'hf://acme/spam/model.onnx',
    'hf://acme/spam@main/model.onnx',
    'hf://acme/spam@refs%2Fpr%2F1/model.onnx',
    'oci://ghcr.io/acme/spam:v1.2#dir/model.onnx',
  ];
  for (const uri of [...pinned, ...open]) {
    it(`${uri} is read, and written again means the same`, () => {
      const address = objectAddress(uri);
      assert.ok(address !== null);
      assert.deepEqual(objectAddress(objectUri(address)), address);
      assert.equal(isPinned(address), pinned.includes(uri));
    });
  }

  const wrong = [
    's3://models',
    's3://models/',
    's3://models/../secret',
    's3://models/a//b',
    's3://models/a/./b',
    's3://u:p@models/a',
    's3://models/a?versionId=1&x=2',
    's3://models/a?versionId=%zz',
    's3://models/a\nb',
    's3://models/a#1',
    'gs://models/a#x',
    'gs://models/a?generation=1',
    'hf://model.onnx',
    'hf://acme/spam',
    'hf://acme/spam@a%2F..%2Fb/model.onnx',
    'hf://../spam@main/model.onnx',
    'oci://ghcr.io/acme/spam',
    'oci://ghcr.io/acme/spam@sha256:00',
    'oci://ghcr.io/Acme/spam:v1',
    'oci://user@ghcr.io/acme/spam:v1',
    `oci://ghcr.io/acme/spam@${digest}#../model.onnx`,
    'https://example.org/model.onnx',
    'models/model.onnx',
    `s3://models/${'a'.repeat(5000)}`,
  ];
  for (const uri of wrong)
    it(`${JSON.stringify(uri.slice(0, 60))} is none`, () => assert.equal(objectAddress(uri), null));
});

it('an address in a message has neither what may be a signature nor a password, and else is as it was written', () => {
  const written = [
    'https://ada:SECRET@models.example/m.onnx?sig=SECRET',
    'https://SECRET@models.example/m.onnx',
    'az://models/m.onnx?sig=SECRET',
  ];
  assert.deepEqual(written.map(shownAddress), [
    'https://models.example/m.onnx',
    'https://models.example/m.onnx',
    'az://models/m.onnx',
  ]);
  const whole = ['models/a?b.onnx', 's3://models/m.onnx?versionId=1', `oci://ghcr.io/acme/spam@${digest}#m.onnx`];
  assert.deepEqual(whole.map(shownAddress), whole);
});

it('a text of others, such as the words of git, is shown without the secrets of its addresses', () => {
  const written = [
    "unable to access 'https://ghp_SECRET@h.example/a.git/': no",
    'push: "https://u:p@SECRET@h.example/a.git"',
    "ssh://git:SECRET@h.example/a, 'https://h.example/a.git?x=1&private_token=SECRET/'",
  ];
  assert.deepEqual(written.map(withoutSecrets), [
    "unable to access 'https://h.example/a.git/': no",
    'push: "https://h.example/a.git"',
    "ssh://h.example/a, 'https://h.example/a.git?x=1&private_token=…'",
  ]);
  const whole = 'git@github.com:a/b.git, ssh://git@h.example/a, https://h.example/a?page=2#top, ada@example.org';
  assert.equal(withoutSecrets(whole), whole);
});

it('an address that is a secret is known by its parameters', () => {
  const at = 'https://models.example/m.onnx';
  const secrets: [string, string | null][] = [
    [`${at}?X-Amz-Date=1&X-Amz-Credential=c&X-Amz-Signature=s`, 'X-Amz-Credential'],
    [`${at}?AWSAccessKeyId=a&Signature=s&Expires=1`, 'AWSAccessKeyId'],
    [`${at}?X-Goog-Signature=s`, 'X-Goog-Signature'],
    [`${at}?sv=2022&se=2030&sig=s`, 'sig'],
    [`${at}?Policy=p&Key-Pair-Id=k`, 'Key-Pair-Id'],
    [`${at}?private_token=t`, 'private_token'],
    [`${at}#access_token=t`, 'access_token'],
    ['https://ada:secret@models.example/m.onnx', 'a user name or password'],
    ['https://ghp_secret@models.example/m.onnx', 'a user name or password'],
    [`${at}?subscription-key=k`, 'subscription-key'],
    [`${at}?key=AIza${'x'.repeat(35)}`, 'key'],
    [`${at}?code=${'c'.repeat(54)}==`, 'code'],
    [`${at}?rlkey=r&dl=1`, 'rlkey'],
    [at, null],
    [`${at}?download=true&key=spam/m.onnx&versionId=3&design=1`, null],
    [`${at}#models/token`, null],
    ['s3://models/m.onnx?versionId=token', null],
    ['models/a?sig=b.onnx', null],
  ];
  assert.deepEqual(
    secrets.map(([uri]) => secretIn(uri)),
    secrets.map(([, secret]) => secret),
  );
});
