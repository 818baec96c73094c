import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Evidence } from '../../src/evidence/index.ts';
import { contender } from '../support/gate-repository.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

type Measures = Record<string, number | null>;
interface Expected extends Record<string, unknown> {
  type: 'numeric' | 'categorical';
  ref_counts: number[];
  cur_counts: number[];
}

/** What the command line says of a case whose reference data are compared with its current and evaluation data. */
async function validated(name: string): Promise<{ evidence: Evidence; code: number | null; terminal: string }> {
  return inTemporaryFolder(async (folder) => {
    for (const part of ['contender.yml', 'schema.json', 'data']) {
      await cp(fixture(`${name}/${part}`), join(folder, part), { recursive: true });
    }
    const path = join(folder, 'contender.yml');
    const config = await readFile(path, 'utf8');
    const asked = config.replace(
      /^( +)evaluation: data\/eval\.parquet$/mu,
      '$&\n$1reference: data/reference.parquet\n$1current: data/current.parquet\n$1drift: {}',
    );
    assert.notEqual(asked, config);
    await writeFile(path, asked);
    const { code, stderr, stdout } = await contender(folder, ['validate', '--out', 'out']);
    const model = /^models:\n {2}([\w-]+):/mu.exec(asked)?.[1] ?? '';
    const evidence = JSON.parse(
      await readFile(join(folder, 'out', model, 'evidence', 'data.json'), 'utf8'),
    ) as Evidence;
    return { evidence, code, terminal: stdout + stderr };
  });
}

describe('drift through the command line agrees with scipy and numpy', () => {
  for (const name of ['digits', 'randhie', 'credit-synth', 'spam']) {
    test(`on every column of ${name}, to 1e-9`, async () => {
      const { evidence, terminal } = await validated(name);
      if (name === 'spam') sayWhatDrifted(evidence, terminal);
      const expected = JSON.parse(await readFile(fixture(`${name}/expected.json`), 'utf8')) as {
        drift: Record<string, Record<string, Expected>>;
      };
      const found = evidence.details['drift'] as Record<string, { columns: Record<string, Measures> }>;
      for (const [comparison, ours] of [
        ['reference_vs_current', 'reference_vs_current'],
        ['reference_vs_eval', 'reference_vs_evaluation'],
      ] as const) {
        const columns = Object.entries(expected.drift[comparison] ?? {}).filter(([each]) => !each.startsWith('score:'));
        assert.ok(columns.length > 10);
        for (const [column, values] of columns) {
          const measured = found[ours]?.columns[column];
          assert.ok(measured !== undefined, column);
          agree(`${name} ${comparison} ${column}`, values, measured);
        }
      }
    });
  }
});

/** Half of a year's mails differ from the other half: by source, hour and share of spam. */
function sayWhatDrifted({ checks, verdict }: Evidence, terminal: string): void {
  const failed = checks.filter((check) => check.verdict === 'fail');
  const blocking = failed.filter(({ severity }) => severity === 'block').map(({ id }) => id);
  assert.deepEqual(blocking.sort(), [
    'data/drift-together/current',
    'data/drift/current',
    'data/drift/current/label',
    'data/drift/current/sent_hour',
    'data/drift/current/source',
  ]);
  assert.equal(verdict, 'fail');
  assert.match(terminal, /3 of 65 columns drifted, the most: source: PSI 0\.51/u);
  // Another half of the same mails is no drift, and seven mails are in both.
  assert.equal(checks.find(({ id }) => id === 'data/drift/evaluation')?.verdict, 'pass');
  assert.equal(checks.find(({ id }) => id === 'data/leakage/overlap')?.observed, 7);
}

function agree(where: string, expected: Expected, found: Measures): void {
  const numeric = expected.type === 'numeric';
  assert.equal(found['kind'], numeric ? 'number' : 'category', where);
  assert.deepEqual(found['n'], [expected['n_ref'], expected['n_cur']], where);
  const pairs: Record<string, unknown> = {
    psi: expected['psi'],
    js_distance: expected['js_distance'],
    ks: numeric ? expected['ks'] : null,
    ks_p: numeric ? expected['ks_p_asymp'] : null,
    wasserstein: numeric ? expected['wasserstein'] : null,
    kl: divergence(expected),
    ...(numeric ? {} : { chi_squared: expected['chi2'], cramers_v: expected['cramers_v'] }),
  };
  for (const [measure, reference] of Object.entries(pairs)) {
    const value = found[measure];
    if (reference === null) assert.equal(value, null, `${where} ${measure}`);
    else near(`${where} ${measure}`, value, reference as number);
  }
}

/** Of the counts in `expected`, by the definition. */
function divergence({ ref_counts: reference, cur_counts: current }: Expected): number {
  const share = (counts: number[], index: number): number =>
    Math.max(1e-4, (counts[index] ?? 0) / counts.reduce((sum, count) => sum + count, 0));
  return reference.reduce(
    (sum, _, index) => sum + share(current, index) * Math.log(share(current, index) / share(reference, index)),
    0,
  );
}

function near(what: string, value: unknown, reference: number): void {
  assert.ok(typeof value === 'number', `${what}: ${String(value)}`);
  const tolerance = 1e-9 * Math.max(1, Math.abs(reference));
  assert.ok(Math.abs(value - reference) <= tolerance, `${what}: ${value}, expected ${reference}`);
}
