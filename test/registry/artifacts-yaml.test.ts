import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { RegistryError } from '../../src/errors.ts';
import type { Version } from '../../src/evidence/index.ts';
import { artifactsFindings, readArtifacts, refuseUnreadable, withChampion } from '../../src/registry/artifacts-yaml.ts';
import { artifact } from './sample-decision.ts';
import fc from '../support/properties.ts';

const version = (name: string, number = '1.2.0'): Version => ({ version: number, artifacts: [artifact(name)] });
const another = version('another than any above', '1.3.0');
const elsewhere = (uri: string): Version => ({ version: '2.0.0', artifacts: [{ ...artifact('image'), uri }] });

/** Names that YAML takes for something else are among them. */
const names = ['churn', 'segment', '123', 'true', '1e5', 'null', 'no-1'];
const text = fc.string({ unit: 'grapheme', maxLength: 12 }).map((each) => each.replaceAll('#', '+'));

/** What people write of an artifact, line by line, with comments of their own. */
const anyEntry = fc
  .record({
    before: fc.boolean(),
    type: fc.option(fc.constantFrom('dataset', '"model"')),
    path: fc.option(text),
    labels: fc.option(fc.constantFrom(['labels: [a, b]'], ['labels:', '- a # why', '- b'])),
    description: fc.option(text),
    custom: fc.option(fc.constantFrom(['owner: ada # her'], ['version: 0.1.0', 'sha256: abc # old'])),
    extra: fc.boolean(),
  })
  .map(({ before, type, path, labels, description, custom, extra }) => ({
    before,
    lines: [
      ...(type === null ? [] : [`type: ${type} # of what kind`]),
      ...(path === null ? [] : ['# where', `path: ${JSON.stringify(path)}`]),
      ...(labels ?? []),
      ...(description === null ? [] : [`description: ${JSON.stringify(description)}`]),
      ...(custom === null ? [] : ['custom:', ...custom.map((line) => `  ${line}`)]),
      ...(extra ? ['requirements: # needs', '- lib'] : []),
    ],
  }));

/** A whole file: the names and lines of its artifacts, and its text. Each comment says something else. */
const anyFile = fc
  .tuple(fc.uniqueArray(fc.tuple(fc.constantFrom(...names), anyEntry), { selector: ([name]) => name }), fc.boolean())
  .map(([entries, top]) => {
    const lines = [
      ...(top ? ['# What we keep', ''] : []),
      ...entries.flatMap(([name, { before, lines: inside }]) => [
        ...(before ? [`# about ${name}`] : []),
        `${parse(name) === name || name === '123' ? name : JSON.stringify(name)}:${inside.length === 0 ? ' # nothing yet' : ''}`,
        ...inside.map((line) => `  ${line}`),
      ]),
    ];
    return lines.map((line, index) => `${line.replace(/(#.*)$/u, `$1 (${index})`)}\n`).join('');
  });

describe('a champion in artifacts.yaml', () => {
  test('is read back, with everything that people wrote of it; whatever else there is stays as it is', () => {
    fc.assert(
      fc.property(anyFile, fc.constantFrom(...names), text, (file, model, name) => {
        const champion = version(name);
        const written = withChampion(file, model, champion, 7);
        const [before, after] = [file, written].map((each) => (parse(each) ?? {}) as Record<string, object | null>);
        const {
          type: _type,
          path: _path,
          custom,
          ...own
        } = { custom: {}, ...before?.[model] } as Record<string, object>;
        assert.deepEqual(after, {
          ...before,
          [model]: {
            ...own,
            type: 'model',
            path: `${name}.onnx`,
            virtual: false,
            custom: { ...custom, version: '1.2.0', sha256: artifact(name).sha256, decision: 7 },
          },
        });
        const keys = Object.keys(before ?? {});
        assert.deepEqual(Object.keys(after ?? {}), Object.keys({ ...before, [model]: null }));
        assert.deepEqual(file.match(/#.*$/gmu) ?? [], (written.match(/#.*$/gmu) ?? []) as string[]);
        // GTO, in Python, reads names: none may have become a number or a truth value.
        if (!keys.includes(model)) assert.match(written, new RegExp(`^"?${model}"?:`, 'mu'));
        assert.equal(withChampion(written, model, champion, 7), written, 'the same again');
        const next = withChampion(withChampion(written, model, another, 8), model, champion, 7);
        assert.equal(next, written, 'there and back');
        assert.deepEqual(artifactsFindings(written, new Map([[model, champion]])), []);
        assert.equal(artifactsFindings(written, new Map([[model, another]])).length, 1);
      }),
      { numRuns: 500 },
    );
  });

  test('changes no byte but of its entry', () => {
    const others = '# Ours\nchurn:\n    labels:\n        - simple # very\n\n\n    custom: { a: [1,  2] }\n';
    const gto = 'spam:\n  description: Mail\n  labels:\n  - simple # very\n';
    const made =
      /^( {2})type: model\n\1path: a\.onnx\n\1virtual: false\n\1custom:\n\1\1version.*\n.*sha256.*\n.*decision: 1\n$/u;
    const after = withChampion(others + gto, 'spam', version('a'), 1);
    assert.ok(after.startsWith(others + gto), after);
    assert.match(after.slice((others + gto).length), made);
    const between = withChampion(`${gto}\n${others}`, 'spam', version('a'), 1);
    assert.ok(between.startsWith(gto) && between.endsWith(`\n${others}`), between);
    const added = withChampion(others, 'spam', version('a'), 1);
    assert.ok(added.startsWith(`${others}spam:\n`), added);
    assert.match(added.slice(`${others}spam:\n`.length), made);
  });

  test('is written where no small change would do', () => {
    for (const file of ['{ churn: { type: dataset } } # all\n', '---\nchurn: { type: dataset } # all\n...\n']) {
      const written = withChampion(file, 'spam', version('a'), 1);
      const { churn, spam } = parse(written) as Record<string, Record<string, string>>;
      assert.deepEqual([churn, spam?.['path']], [{ type: 'dataset' }, 'a.onnx']);
      assert.match(written, /# all/u);
    }
  });

  test('starts the file where there is none or nothing is in it', () => {
    const written = withChampion(null, 'spam', version('a'), 1);
    assert.equal(
      written,
      `spam:\n  type: model\n  path: a.onnx\n  virtual: false\n  custom:\n    version: 1.2.0\n    sha256: ${artifact('a').sha256}\n    decision: 1\n`,
    );
    for (const empty of ['', '{}\n', 'null\n', '---\n']) {
      assert.deepEqual(parse(withChampion(empty, 'spam', version('a'), 1)), parse(written));
    }
    assert.equal(withChampion('# Ours\n', 'spam', version('a'), 1), `# Ours\n${written}`);
  });

  test('that is not a file of the repository has its address for a path, and is virtual as GTO takes it by default', () => {
    const written = withChampion(null, 'spam', version('a'), 1);
    for (const uri of ['https://example.org/a.onnx?x=#1', 'docker:ghcr.io/acme/spam@sha256:00']) {
      const { spam } = parse(withChampion(written, 'spam', elsewhere(uri), 2)) as { spam: Record<string, unknown> };
      assert.deepEqual([spam['path'], 'virtual' in spam], [uri, false]);
    }
  });

  test('may be of the same path as another: it is what they are', () => {
    const both = withChampion(withChampion(null, 'spam', version('a'), 1), 'ham', version('a'), 1);
    assert.deepEqual(Object.keys(parse(both) as object), ['spam', 'ham']);
  });
});

describe('an artifacts.yaml that cannot be kept is refused with what and where it is', () => {
  const bomb = ['a: &a [x, x]', ...[...'bcdefghi'].map((name, at) => `${name}: &${name} [*${'abcdefgh'[at]}]`)].join(
    '\n',
  );
  const texts: [string, string, RegExp][] = [
    ['that is no YAML', 'spam: {\n', /^artifacts\.yaml:2:1: not valid YAML/u],
    ['of two documents', 'a: 1\n---\nb: 2\n', /not valid YAML.*one YAML document/u],
    ['that is a list', '- spam\n', /a list.*a mapping from names/u],
    ['that is a text', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\n', /single value.*a mapping/u],
    ['with a key twice', 'spam:\n  type: a\n  type: b\n', /yaml:3:3: the key "type" twice/u],
    ['with a name twice', '1: {}\n"1": {}\n', /the key "1" twice/u],
    ['with an anchor', 'spam: &a { type: model }\n', /yaml:1:\d+: &a\. Expected no anchors/u],
    ['with an alias bomb', bomb, /&a\. Expected no anchors/u],
    ['with an alias of nothing', 'spam: *a\n', /artifacts\.yaml/u],
    ['with line endings of Windows', 'spam:\r\n  type: model\r\n', /CRLF.*eol=lf.*--renormalize/u],
    ['that is nested without end', `spam: ${'['.repeat(100_000)}`, /not valid YAML/u],
  ];
  for (const [name, file, message] of texts) {
    test(name, () => {
      for (const act of [() => withChampion(file, 'spam', version('a'), 1), () => refuseUnreadable(file)]) {
        assert.throws(act, (error) => error instanceof RegistryError && message.test(error.message));
      }
    });
  }

  for (const [entry, what] of [
    ['spam: mine\n', 'spam is a single value'],
    ['spam: [a]\n', 'spam is a list'],
    ['spam:\n  custom: [a]\n', 'spam\\.custom is a list'],
  ] as const) {
    test(`where ${what.replace('\\', '')}`, () => {
      assert.throws(() => withChampion(entry, 'spam', version('a'), 1), new RegExp(`${what}.*a mapping`, 'u'));
      refuseUnreadable(entry);
    });
  }

  test('that is no plain file of text', async () => {
    const read = (entry: object, bytes = Buffer.from('a: 1\n')): Promise<string | null> =>
      readArtifacts({ mode: '100644', type: 'blob', oid: 'o', size: 5, path: 'artifacts.yaml', ...entry }, () =>
        Promise.resolve(new Map([['o', bytes]])),
      );
    assert.equal(await read({}), 'a: 1\n');
    await assert.rejects(read({ mode: '120000' }), /a symbolic link.*a plain file/u);
    await assert.rejects(read({ mode: '160000', type: 'commit' }), /a submodule/u);
    await assert.rejects(read({ mode: '040000', type: 'tree' }), /a folder/u);
    await assert.rejects(read({ mode: '100755' }), /mode 100755/u);
    await assert.rejects(read({ size: 2 ** 21 }), /2097152 bytes.*at most/u);
    await assert.rejects(read({}, Buffer.from([0xff, 0x0a])), /not UTF-8/u);
  });
});

test('many keys are looked through in a moment', () => {
  const file = Array.from({ length: 100_000 }, (_, index) => `k${index}:\n`).join('');
  const started = Date.now();
  refuseUnreadable(file);
  assert.ok(Date.now() - started < 20_000);
});

test('an entry that says nothing of a champion is older than the setting, and no finding', () => {
  const champions = new Map([['spam', version('a')]]);
  for (const file of [null, '', 'spam:\n', 'spam:\n  path: x\n', 'spam: x\n', 'spam:\n  custom: mine\n']) {
    assert.deepEqual(artifactsFindings(file, champions), []);
  }
  const [finding] = artifactsFindings('spam: { custom: { version: 1.1.0 } }\n', champions);
  assert.match(finding?.found ?? '', /version 1\.1\.0/u);
  assert.match(finding?.expected ?? '', /version 1\.2\.0/u);
});
