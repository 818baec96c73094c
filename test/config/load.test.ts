import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { Configuration, loadConfig, parseConfig } from '../../src/pipeline/configuration.ts';
import { ConfigError } from '../../src/errors.ts';
import { inTemporaryFolder } from '../support/project.ts';

const valid = `version: 1
models:
  spam-filter:
    task: binary-classification
    candidate: models/candidate.onnx
    columns: { id: id, label: label, positive: 1 }
    data:
      evaluation: data/eval.parquet
      rules: [{ row_count: { min: 1000 } }, { unique: [id] }]
    policy:
      primary: { metric: roc_auc, margin: 0.005, require: superior }
`;

describe('contender.yml', () => {
  test('is read into the model it describes', () => {
    assert.equal(parseConfig(valid, 'contender.yml').models['spam-filter']?.columns.label, 'label');
  });

  test('has a schema that is one: nobody looks at that when a command starts', () => {
    const schemas = new Ajv2020({ strict: false });
    assert.equal(schemas.validateSchema(Configuration), true, schemas.errorsText());
  });

  test('a token in an address that stands where none belongs is not repeated', () => {
    const pushed = `${valid}registry: { push: "https://u:${'SECRET'.repeat(20)}@h.example/a.git" }\n`;
    assert.match(problem(pushed), /registry\.push: found "https:\/\/h\.example\/a\.git"/u);
  });

  test('holds something, and no tag that would be passed over', () => {
    for (const text of ['', '# later\n', '---\n']) assert.match(problem(text), /the file is empty/u);
    assert.match(problem(valid.replace('label: label', 'label: !!js/function label')), /Unresolved tag/u);
  });

  test('is one document, and text in UTF-8', async () => {
    assert.match(
      problem(`${valid}---\n${valid}`),
      /the file has a second YAML document\. Expected one YAML document\. Remove the line ---/u,
    );
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, 'contender.yml');
      for (const encoding of ['utf16le', 'latin1'] as const) {
        await writeFile(path, Buffer.from(valid.replace('label: label', 'label: prüfung'), encoding));
        await assert.rejects(loadConfig(path, 'contender.yml'), /this is not text in UTF-8/u);
      }
    });
  });

  test('thousands of models with mistakes are answered soon, with the first mistakes and how many more there are', () => {
    const before = process.cpuUsage();
    const models = Array.from({ length: 5000 }, (_, at) => `  m${at}: {task: 1, candidate: 2, data: 3}\n`);
    const message = problem(`version: 1\nmodels:\n${models.join('')}`);
    assert.match(message, /^25000 problems:\ncontender\.yml:3:7: models\.m0: the key "columns" is missing\n/u);
    assert.match(message, /\n… and 24992 more\n/u);
    assert.equal(message.split('\n').length, 11);
    // What grew with the square of the models took minutes of these.
    assert.ok(process.cpuUsage(before).user < 10e6);
  });

  test('of lists of more than ten each member has its own mistakes', () => {
    const rules = Array.from({ length: 12 }, (_, at) =>
      at === 1 || at === 10 ? '{ uniqe: [id] }' : '{ unique: [id] }',
    );
    const message = problem(valid.replace('{ unique: [id] }', rules.join(', ')));
    assert.match(message, /^2 problems:\n.*rules\[2\]: unknown key "uniqe".*\n.*rules\[11\]: unknown key "uniqe"/u);
  });

  test('a whole number of more digits than are kept is refused, and taken in quotes', () => {
    const positive = (value: string): string => valid.replace('positive: 1', `positive: ${value}`);
    assert.match(
      problem(positive('9007199254740993')),
      /contender\.yml:6:\d+: 9007199254740993 would be read as 9007199254740992\. .*Write it in quotes: "9007199254740993"/u,
    );
    assert.equal(
      parseConfig(positive('"9007199254740993"'), 'c.yml').models['spam-filter']?.columns.positive,
      '9007199254740993',
    );
    assert.doesNotThrow(() => parseConfig(positive('9007199254740992'), 'c.yml'));
    assert.match(problem(positive('9'.repeat(310))), /would be read as Infinity/u);
  });

  test('a load sent in parts is not asked what nobody watches', () => {
    const parts = (load: string): string => `${valid}    load: { parts: [a.json.gz, b.json.gz], ${load} }\n`;
    assert.doesNotThrow(() => parseConfig(parts('slo: { p95_ms: 100, accuracy: parity }'), 'contender.yml'));
    assert.match(
      problem(parts('slo: { p95_ms: 100, memory: 1GiB }')),
      /this is not possible with a load test in parts/u,
    );
    assert.match(
      problem(parts('slo: { p95_ms: 100 }, compare: { max_ratio: 1.2 }')),
      /this is not possible with a load test in parts/u,
    );
  });

  test('columns that do not go with the task are told with their place', () => {
    const ranking = valid.replace('binary-classification', 'ranking');
    assert.match(problem(ranking), /contender\.yml:6:14: .*the key "group" is missing/u);
    assert.match(problem(valid.replace('label: label', 'label: [a, b]')), /yml:6:24: .*label is a list.*one column/u);
    const many = valid.replace('binary-classification', 'multilabel-classification');
    assert.match(problem(many), /yml:6:24: .*label is one column.*a list of columns/u);
    assert.doesNotThrow(() => parseConfig(many.replace('label: label', 'label: [a, b]'), 'contender.yml'));
    const two = many.replace('label: label', 'label: [a, b]');
    const threshold = '{ uri: m.onnx, threshold: [0.5] }';
    assert.match(problem(two.replace('models/candidate.onnx', threshold)), /yml:5:\d+: .*1 thresholds. Expected 2/u);
    assert.match(problem(valid.replace('models/candidate.onnx', threshold)), /yml:5:\d+: .*threshold is a list/u);
    const regression = valid.replace('binary-classification', 'regression');
    for (const [key, value] of Object.entries({ threshold: 0.3, transform: 'sigmoid' })) {
      const idle = regression.replace('models/candidate.onnx', `{ uri: m.onnx, ${key}: ${value} }`);
      assert.match(
        problem(idle),
        new RegExp(`yml:5:\\d+: .*${key} has no effect on the values of task: regression`, 'u'),
      );
    }
    assert.doesNotThrow(() => parseConfig(ranking.replace('id: id', 'id: id, group: query'), 'contender.yml'));
  });

  test('an unknown key is named with its place, the nearest key and the allowed ones', () => {
    assert.match(
      problem(valid.replace('label: label', 'lable: label')),
      /contender\.yml:6:\d+: .*"lable".*Did you mean "label"\?.*id, label/su,
    );
  });

  test('a slip in the name of an environment or of a kind of evidence is told at once', () => {
    const environments = (text: string): string => problem(`${valid}registry: { environments: ${text} }\n`);
    assert.match(
      environments('{ staging: {}, canary: { after: stagin } }'),
      /environment "stagin"\. Did you mean "staging"\?/u,
    );
    assert.match(environments('{ canary: { after: canary } }'), /unknown environment "canary".*none exists/u);
    assert.match(
      environments('{ canary: { evidence: [laod] } }'),
      /evidence\[0\]: .*"laod"\. Did you mean "load"\?.*data, eval/u,
    );
    assert.match(environments('{ champion: {} }'), /"champion" is reserved/u);
    const required = valid.replace('policy:\n', 'policy:\n      required_evidence: [evaluaton]\n');
    assert.match(
      problem(required),
      /required_evidence\[0\]: unknown kind of evidence "evaluaton"\. Did you mean "evaluation"/u,
    );
  });

  test('a server under the key of our own is told once, with how another one is named', () => {
    const staged = `${valid}    staging: { target: { image: a/b, port: 8080 } }\n`;
    assert.match(
      problem(staged),
      /^contender\.yml:\d+:\d+: models\.\S+\.staging\.target: found a mapping\. Expected "builtin" \(.*set image, url, compose or command instead of target\)/u,
    );
  });

  test('a label among the features is refused', () => {
    assert.match(
      problem(valid.replace('label: label', 'label: label, features: [a, label]')),
      /features\[1\]: "label" is the label/u,
    );
  });

  test('an id, weight, cluster or group among the features is refused, however its name is written', () => {
    const columns = (more: string, feature: string): string =>
      problem(valid.replace('label: label', `label: label, ${more}features: [a, ${feature}]`));
    assert.match(columns('', 'id'), /features\[1\]: "id" is the id\. Expected a column other than the id/u);
    assert.match(columns('weight: w, ', 'w'), /features\[1\]: "w" is the weight/u);
    assert.match(columns('cluster: site, ', 'Site'), /features\[1\]: "Site" is the cluster \(as "site" is\)/u);
    assert.match(columns('group: query, ', '" query"'), /features\[1\]: " query" is the group \(as "query" is\)/u);
    assert.match(columns('', '" LABEL "'), /features\[1\]: " LABEL " is the label \(as "label" is\)/u);
  });

  test('a label or a weight that is another part of a row too is refused, and a cluster that is the id is none', () => {
    const columns = (more: string): string => problem(valid.replace('label: label', `label: label, ${more}`));
    assert.match(columns('weight: label'), /models\.spam-filter\.columns: weight is "label", which is the label/u);
    assert.match(columns('cluster: label'), /cluster is "label", which is the label\. Expected another column/u);
    assert.match(columns('weight: id'), /id is "id", which is the weight/u);
    assert.match(columns('weight: w, group: w'), /group is "w", which is the weight/u);
    assert.ok(parseConfig(valid.replace('label: label', 'label: label, cluster: id'), 'contender.yml'));
  });

  test('a wrong value is named with the allowed values and the nearest of them', () => {
    assert.match(
      problem(valid.replace('binary-class', 'binary-clas')),
      /contender\.yml:4:11: .*Did you mean "binary-classification"\?.*regression/su,
    );
  });

  test('of the alternatives of a rule only the one that was meant is explained', () => {
    const told = problem(valid.replace('{ unique: [id] }', '{ unique: id }'));
    assert.match(told, /rules\[1\]\.unique: found "id"\. Expected array/u);
    assert.doesNotMatch(told, /null_fraction/u);
  });

  test('a key that no alternative knows is told once, with the keys of all of them', () => {
    const told = problem(valid.replace('{ unique: [id] }', '{ median: 3 }'));
    assert.match(told, /rules\[1\]: unknown key "median"\. Expected one of: row_count, .*unique, .*null_fraction/u);
    assert.doesNotMatch(told, /is missing/u);
  });

  test('what does not go with the kind that is named is told as that, with where it goes and what goes here', () => {
    const profile = (text: string): string =>
      problem(`${valid}    load: { profile: ${text}, slo: { p95_ms: 10 } }\n`).replace(/^\S+ /u, '');
    assert.match(
      profile('{ kind: capacity, from: 5, to: 100 }'),
      /^models\.spam-filter\.load\.profile: "from" does not go with kind: "capacity", but with kind: "ramp" or "steps"\. Expected one of: kind, to, window, budget,/u,
    );
    assert.match(profile('[{ kind: smoke, users: 3 }]'), /profile\[0\]: "users" does not go with kind: "smoke"/u);
    assert.match(profile('{ kind: soak, rate: 5, durations: 10s }'), /"durations"\. Did you mean "duration"/u);
    assert.match(
      profile('{ kind: capasity }'),
      /kind: found "capasity"\. Did you mean "capacity"\? .*: constant, smoke/u,
    );
    assert.match(profile('{ users: 10, duration: 10s }'), /"kind" is missing\. Expected one of: constant, smoke/u);
    assert.match(
      problem(`${valid}    load: { slo: { accuracy: exact } }\n`),
      /accuracy: found "exact"\. Expected "parity" or number/u,
    );
  });

  test('what does not go with the key that says which form is meant is told in the same way', () => {
    const staging = (text: string): string => problem(`${valid}    staging: ${text}\n`);
    assert.match(
      staging('{ command: [x], memory: 512MiB }'),
      /"memory" does not go with "command", but with "image"\. Expected one of: command, port/u,
    );
    assert.match(
      staging('{ target: builtin, image: x }'),
      /"image" does not go with "target"\. Expected one of: target, port/u,
    );
    assert.match(staging('{ port: 80 }'), /is missing\. Expected one of: target, image, url, compose, command/u);
  });

  test('what is wrong in a list is told of the list, though what stands in it may stand alone too', () => {
    const candidate = (text: string): string => problem(valid.replace('models/candidate.onnx', text));
    assert.match(candidate('[a]'), /candidate: found a list\. It must NOT have fewer than 2 items/u);
    assert.match(candidate('[a, { uri: b, hash: c }]'), /candidate\[1\]: unknown key "hash"/u);
    assert.match(candidate('5'), /candidate: found 5\. Expected string or object or array/u);
    const privacy = problem(valid.replace('data:', 'data:\n      privacy: off'));
    assert.match(privacy, /privacy: found "off"\. Expected false or object/u);
  });

  test('a model name that could leave its folder, break a tag or a page is refused', () => {
    for (const name of ['../up', 'a.b', '-a', 'a/b', '"$(id)"', '"a\\nb"', 'a b', '"<img>"', 'é']) {
      assert.throws(() => parseConfig(valid.replace('spam-filter:', `${name}:`), 'contender.yml'), ConfigError, name);
    }
  });

  test('YAML that does not parse, repeats a key or explodes through aliases is refused with a message', () => {
    assert.match(problem('version: [1'), /contender\.yml:1:\d+: not valid YAML/u);
    assert.match(problem(`${valid}version: 1\n`), /unique/u);
    const bomb = `a: &a [1,2,3,4,5,6,7,8,9]\n${[...'bcdefgh'].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(',')}]`).join('\n')}`;
    assert.throws(() => parseConfig(bomb, 'contender.yml'), ConfigError);
  });

  test('every problem of a file is told at once', () => {
    const told = problem(valid.replace('version: 1', 'version: 2').replace('margin: 0.005', 'margin: -1'));
    assert.match(told, /2 problems/u);
    assert.match(told, /Expected 1/u);
    assert.match(told, /margin: found -1/u);
  });
});

function problem(text: string): string {
  try {
    parseConfig(text, 'contender.yml');
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  return assert.fail('the configuration was accepted');
}
