import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { compareMetric } from '../../../src/stages/evaluation/compare.ts';
import { findMetric } from '../../../src/stages/evaluation/metrics/catalogue.ts';
import { metricValue } from '../../../src/stages/evaluation/metrics/metric.ts';
import { countQueries } from '../../../src/stages/evaluation/metrics/ranking.ts';
import { outputRows, queriesOf, sampleRows, type Outputs, type Sample } from '../../../src/stages/evaluation/sample.ts';
import { numbers, readCase, type Case, type Reference } from './cases.ts';
import fc from '../../support/properties.ts';

const task = 'ranking';
const find = (name: string) => findMetric(name, task, 'test');
const outputsOf = (scores: Float64Array): Outputs => ({ scores, probabilities: false, decisions: null });

describe('the stored predictions of search', () => {
  let data: Case;
  let sample: Sample;
  const outputs = new Map<string, Outputs>();
  before(async () => {
    data = await readCase('search');
    sample = rankingSample(
      data.rows.map((row) => row['query']),
      numbers(data.rows, 'relevance'),
    );
    for (const model of Object.keys(data.expected.models)) outputs.set(model, outputsOf(numbers(data.rows, model)));
  });
  const names = (values: Reference) => Object.keys(values).filter((name) => !['queries', 'counted'].includes(name));

  it('give the metrics of the reference to 1e-9, for every model, ties included', () => {
    for (const [model, expected] of Object.entries<Reference>(data.expected.models)) {
      for (const name of names(expected.eval)) {
        close(metricValue(find(name), sample, outputs.get(model)!), expected.eval[name], 1e-9, `${model} ${name}`);
      }
    }
  });

  it('count the queries that have an order to get right', () => {
    const { queries, counted } = data.expected.models.champion.eval;
    const counts = countQueries(sample);
    assert.deepEqual([counts.queries, counts.counted], [queries, counted]);
    assert.equal(counts.oneRow + counts.noneRelevant, queries - counted);
    assert.ok(counts.oneRow > 0 && counts.noneRelevant > 0);
  });

  it('give the metrics of the reference under weights of the queries', () => {
    const weighted = { ...sample, weights: numbers(data.rows, 'importance') };
    for (const [model, expected] of Object.entries<Reference>(data.expected.models)) {
      for (const [name, value] of Object.entries<number>(expected.weighted_by_importance)) {
        close(metricValue(find(name), weighted, outputs.get(model)!), value, 1e-9, `${model} ${name}`);
      }
    }
  });

  it('give the metrics of the reference on slices', () => {
    for (const [model, { slices }] of Object.entries<Reference>(data.expected.models)) {
      for (const [slice, expected] of Object.entries<Reference>(slices)) {
        const rows = Uint32Array.from(data.rows.keys()).filter(
          (row) => `device=${String(data.rows[row]!['device'])}` === slice,
        );
        const part = sampleRows(sample, rows);
        assert.equal(countQueries(part).counted, expected.counted);
        for (const name of names(expected)) {
          const value = metricValue(find(name), part, outputRows(outputs.get(model)!, sample, rows));
          close(value, expected[name], 1e-9, `${model} ${name} ${slice}`);
        }
      }
    }
  });

  it('compare as the paired t of the reference does, whose unit is the query', () => {
    for (const [pair, expected] of Object.entries<Reference>(data.expected.comparisons)) {
      const [candidate] = pair.split('_vs_') as [string];
      for (const [name, { n, mean_diff, se }] of Object.entries<Reference>(expected)) {
        const compared = compareMetric(find(name), sample, outputs.get('champion')!, outputs.get(candidate)!, {
          seed: 1,
        });
        assert.deepEqual([compared.rows, compared.unit], [n, 'queries']);
        close(compared.interval.delta, mean_diff, 1e-9, `${pair} ${name}`);
        close(compared.interval.standardError, se, 1e-9, `${pair} ${name}`);
      }
    }
  });

  it('resample persons, who ask several queries, where they are the clusters', () => {
    const people = new Map([...new Set(data.rows.map((row) => row['user']))].map((user, number) => [user, number]));
    const clusters = Int32Array.from(data.rows, (row) => people.get(row['user'])!);
    const compare = (on: Sample) =>
      compareMetric(find('ndcg@10'), on, outputs.get('champion')!, outputs.get('candidate')!, { seed: 1 }).interval;
    const persons = compare({ ...sample, clusters });
    assert.match(persons.method, /-clusters$/u);
    close(persons.delta, compare(sample).delta, 1e-12, 'delta');
  });
});

describe('metrics of a ranking', () => {
  const list = fc.array(fc.record({ relevance: fc.nat(3), score: fc.nat(5), query: fc.nat(4) }), {
    minLength: 2,
    maxLength: 40,
  });

  it('depend on the order of scores alone, and not on that of the rows', () => {
    fc.assert(
      fc.property(list, fc.nat(), (rows, seed) => {
        const shuffledRows = [...rows].map((row, at) => ({ row, key: Math.imul(at + 1, seed | 1) >>> 0 }));
        const other = shuffledRows
          .sort((a, b) => a.key - b.key)
          .map(({ row }) => ({ ...row, score: row.score ** 3 - 7 }));
        for (const name of ['ndcg', 'ndcg@3', 'ndcg_exponential@2', 'map', 'mrr', 'precision@2', 'recall@3']) {
          const [value, again] = [rows, other].map((each) => valueOf(name, each));
          assert.ok(Object.is(value, again) || Math.abs(value! - again!) < 1e-12, `${name}: ${value} and ${again}`);
        }
      }),
    );
  });

  it('are 1 for the perfect order and between 0 and 1 for any other', () => {
    fc.assert(
      fc.property(list, (rows) => {
        for (const name of ['ndcg', 'ndcg@1', 'ndcg_exponential@4', 'map', 'mrr']) {
          const best = valueOf(
            name,
            rows.map((row, at) => ({ ...row, score: row.relevance + at * 1e-9 })),
          );
          const value = valueOf(name, rows);
          assert.ok(Number.isNaN(best) || Math.abs(best - 1) < 1e-12, `${name} ${best}`);
          assert.ok(Number.isNaN(value) || (value >= 0 && value <= 1 + 1e-12), `${name} ${value}`);
        }
      }),
    );
  });

  it('are undefined where no query counts, with the reason', () => {
    const alone = rankingSample(['a', 'b', 'b'], Float64Array.of(1, 0, 0));
    assert.equal(find('map').undefinedOn?.(alone), 'no query has at least two rows, one of them relevant');
  });

  it('have any cut-off, and no name that means nothing', () => {
    assert.equal(find('ndcg@7').title, 'NDCG@7');
    for (const name of ['ndcg@0', 'map@5', 'precision', 'recall@1000000', 'toString@1', 'ndcg@1.5']) {
      assert.throws(() => find(name), /unknown metric|not of ranking/u, name);
    }
  });

  function valueOf(name: string, rows: { relevance: number; score: number; query: number }[]): number {
    const relevance = Float64Array.from(rows, (row) => row.relevance);
    const on = rankingSample(
      rows.map((row) => row.query),
      relevance,
    );
    return metricValue(find(name), on, outputsOf(Float64Array.from(rows, (row) => row.score)));
  }
});

function rankingSample(queries: unknown[], truth: Float64Array): Sample {
  return {
    rows: truth.length,
    classes: 0,
    names: null,
    truth,
    weights: null,
    clusters: null,
    queries: queriesOf(queries),
  };
}

function close(value: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(value - expected) <= tolerance, `${what}: ${value} is not within ${tolerance} of ${expected}`);
}
