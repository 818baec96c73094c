import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, describe, test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { countsOf, innerEdges, sampleOf, type Sample } from '../../src/profile/bins.ts';
import {
  chiSquared,
  cramersV,
  jensenShannonDistance,
  kolmogorovSmirnov,
  psi,
  wasserstein,
} from '../../src/profile/measures.ts';
import { fixture } from '../support/project.ts';

interface Numeric {
  type: 'numeric';
  psi: number;
  psi_inner_edges: number[];
  ref_counts: number[];
  cur_counts: number[];
  js_distance: number;
  ks: number;
  ks_p_asymp: number;
  wasserstein: number;
}

interface Categorical {
  type: 'categorical';
  categories: string[];
  ref_counts: number[];
  cur_counts: number[];
  psi: number;
  js_distance: number;
  chi2: number;
  dof: number;
  chi2_p: number;
  cramers_v: number;
  min_expected: number;
}

const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
const connection = await instance.connect();
after(() => {
  connection.closeSync();
  instance.closeSync();
});

describe('drift measures agree with scipy and numpy on real data', () => {
  for (const name of ['spam', 'digits', 'randhie', 'credit-synth']) {
    for (const current of ['current', 'eval']) {
      test(`every column of ${name}, reference against ${current}`, async () => {
        const expected = JSON.parse(await readFile(fixture(`${name}/expected.json`), 'utf8')) as {
          drift: Record<string, Record<string, Numeric | Categorical>>;
        };
        const columns = Object.entries(expected.drift[`reference_vs_${current}`] ?? {}).filter(
          ([column]) => !column.startsWith('score:'),
        );
        assert.ok(columns.length > 5);
        for (const [column, values] of columns) {
          if (values.type === 'categorical') {
            near(column, values, categoricalMeasures(values));
            continue;
          }
          const [before, now] = await Promise.all([
            sorted(`${name}/data/reference.parquet`, column),
            sorted(`${name}/data/${current}.parquet`, column),
          ]);
          const edges = innerEdges(before, 10);
          const counts = { reference: countsOf(before, edges), current: countsOf(now, edges) };
          const { distance, p } = kolmogorovSmirnov(before, now);
          assert.deepEqual([...edges], values.psi_inner_edges, column);
          assert.deepEqual(counts, { reference: values.ref_counts, current: values.cur_counts }, column);
          near(column, values, {
            psi: psi(counts),
            js_distance: jensenShannonDistance(counts),
            ks: distance,
            ks_p_asymp: p,
            wasserstein: wasserstein(before, now),
          });
        }
      });
    }
  }
});

function categoricalMeasures({ ref_counts: reference, cur_counts: current }: Categorical): Partial<Categorical> {
  const counts = { reference, current };
  const test = chiSquared(counts);
  const rows = [...reference, ...current].reduce((sum, count) => sum + count, 0);
  return {
    psi: psi(counts),
    js_distance: jensenShannonDistance(counts),
    chi2: test.statistic,
    dof: test.degreesOfFreedom,
    chi2_p: test.p,
    cramers_v: cramersV(test, rows),
  };
}

/** To 1e-9, absolutely and of values beyond 1 relatively. */
function near<T extends object>(column: string, expected: T, found: Partial<T>): void {
  for (const [measure, value] of Object.entries(found) as [string, number][]) {
    const reference = (expected as Record<string, number>)[measure] as number;
    const tolerance = 1e-9 * Math.max(1, Math.abs(reference));
    assert.ok(Math.abs(value - reference) <= tolerance, `${column} ${measure}: ${value}, expected ${reference}`);
  }
}

async function sorted(file: string, column: string): Promise<Sample> {
  const path = fixture(file).replaceAll("'", "''");
  const quoted = `"${column.replaceAll('"', '""')}"`;
  const read = await connection.runAndReadAll(
    `select cast(${quoted} as double) as value from '${path}' where value is not null and not isnan(value)`,
  );
  return sampleOf(Float64Array.from(read.getColumns()[0] as number[]));
}
