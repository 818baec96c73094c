import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Columns } from '../../../src/config/schema.ts';
import type { Policy } from '../../../src/stages/evaluation/schema.ts';
import { openDataset } from '../../../src/data/dataset.ts';
import { evaluate } from '../../support/stage-context.ts';
import type { Check, Evidence } from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import { inTemporaryFolder } from '../../support/project.ts';

interface Row {
  query: string;
  relevance: number;
  champion: number;
  candidate: number;
  device: string;
  weight: number;
}

const columns: Columns = { id: 'id', label: 'relevance', group: 'query' };
const policy: Policy = { primary: { metric: 'ndcg@3', margin: 0.05, require: 'non-inferior' } };

/** Queries of four rows, one of them relevant, which the champion puts first and the candidate first or last. */
function lists(count: number, misses: (query: number) => boolean): Row[] {
  return Array.from({ length: count * 4 }, (_, at) => {
    const query = Math.floor(at / 4);
    const relevant = at % 4 === query % 4;
    return {
      query: `q${query}`,
      relevance: relevant ? 2 : 0,
      champion: relevant ? 1 : (at % 4) / 10,
      candidate: relevant ? (misses(query) ? -1 : 1) : (at % 4) / 10,
      device: query % 2 === 0 ? 'desktop' : 'mobile',
      weight: 1 + (query % 3),
    };
  });
}

function judge(rows: Row[], options: { columns?: Columns; policy?: Policy; first?: boolean } = {}): Promise<Evidence> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'data.csv');
    const lines = rows.map((row, at) => [at, row.query, row.relevance, row.device, row.weight, at % 4].join(','));
    await writeFile(path, `id,query,relevance,device,weight,position\n${lines.join('\n')}\n`);
    const dataset = await openDataset({ name: 'evaluation', path, uri: 'data.csv' });
    const contestant = (role: 'champion' | 'candidate') => ({
      artifact: { role: 'model', uri: role, sha256: role.padEnd(64, '0'), size: 1 } as const,
      result: {
        ok: true,
        predictions: {
          rows: rows.length,
          classes: null,
          kind: 'value',
          scores: Float64Array.from(rows, (row) => row[role]),
          labels: null,
          threshold: 0.5,
        },
      } as const,
    });
    try {
      return await evaluate({
        task: 'ranking',
        columns: options.columns ?? columns,
        policy: options.policy ?? policy,
        dataset,
        candidate: contestant('candidate'),
        champion: options.first === true ? null : contestant('champion'),
        reuse: 0,
        log: silentLog,
      });
    } finally {
      dataset.close();
    }
  });
}

describe('the evaluation of a ranking', () => {
  it('counts queries: in n, in what more would settle it, and in min_rows of a slice', async () => {
    const { checks } = await judge(
      lists(60, (query) => query % 11 === 0),
      {
        policy: {
          ...policy,
          guardrails: [
            { metric: 'mrr', margin: 0.1, slices: ['device'], min_rows: 31 },
            { metric: 'map', margin: 0.1, slices: ['device'], min_rows: 30 },
          ],
        },
      },
    );
    const whole = find(checks, 'evaluation/ndcg@3');
    assert.equal(whole.comparison?.n, 60);
    assert.match(whole.message, /more queries are unlikely to help/u);
    const small = find(checks, 'evaluation/mrr@device=mobile');
    assert.equal(small.verdict, 'skipped');
    assert.match(small.message, /30 queries that count, fewer than min_rows 31/u);
    assert.equal(find(checks, 'evaluation/map@device=mobile').comparison?.n, 30);
  });

  it('tells how many queries do not count, and why, and refuses data where none does', async () => {
    const rows = lists(40, () => false);
    const alone: Row = { ...rows[0]!, query: 'alone' };
    const hopeless = lists(1, () => false).map((row) => ({ ...row, query: 'hopeless', relevance: 0 }));
    const { checks, details } = await judge([...rows, alone, ...hopeless]);
    assert.match(
      find(checks, 'evaluation/queries').message,
      /40 of 42 queries count: 1 have only one row and 1 no relevant row/u,
    );
    assert.deepEqual(details['queries'], { queries: 42, counted: 40, oneRow: 1, noneRelevant: 1 });

    await assert.rejects(
      judge(rows.map((row) => ({ ...row, relevance: 0 }))),
      /NDCG@3, which the policy uses .* cannot be computed: no query has at least two rows, one of them relevant/u,
    );
  });

  it('refuses what cannot be ranked by, with the row', async () => {
    const rows = lists(30, () => false);
    await assert.rejects(judge(rows, { columns: { id: 'id', label: 'relevance' } }), /no columns\.group/u);
    await assert.rejects(
      judge(rows.map((row, at) => ({ ...row, relevance: at === 5 ? -1 : row.relevance }))),
      /row 6 has the relevance -1 in column "relevance"/u,
    );
    await assert.rejects(
      judge(rows.map((row, at) => ({ ...row, query: at === 7 ? '' : row.query }))),
      /row 8 has no query in column "query"/u,
    );
    await assert.rejects(
      judge(
        rows.map((row, at) => ({ ...row, weight: at === 2 ? 9 : row.weight })),
        { columns: { ...columns, weight: 'weight' } },
      ),
      /rows 1 and 3 belong to the same query but have different weights in column "weight"/u,
    );
    await assert.rejects(
      judge(rows, { columns: { ...columns, cluster: 'id' } }),
      /rows 1 and 2 belong to the same query but have different clusters in column "id"/u,
    );
    await assert.rejects(judge(rows, { policy: { primary: { metric: 'accuracy', margin: 0.1 } } }), /not of ranking/u);
  });

  it('looks for slices of queries on which the candidate loses', async () => {
    const { checks, details } = await judge(
      lists(200, (query) => query % 4 === 1),
      {
        policy: { ...policy, discover: { columns: ['device', 'position', 'weight'] } },
      },
    );
    const advice = find(checks, 'evaluation/weak-slices');
    assert.match(advice.message, /worse on device=mobile .* over 100 queries/u);
    const { leftOut } = details['weakSlices'] as { leftOut: { column: string; reason: string }[] };
    assert.deepEqual(leftOut, [{ column: 'position', reason: 'differs between the rows of a query' }]);
  });

  it('lets a first model pass only if it ranks better than a random order', async () => {
    const good = await judge(
      lists(100, (query) => query % 10 === 0),
      { first: true },
    );
    assert.equal(find(good.checks, 'evaluation/sanity-baseline').verdict, 'pass');
    const negated = (rows: ReturnType<typeof lists>) => rows.map((row) => ({ ...row, candidate: -row.candidate }));
    const random = await judge(negated(lists(100, (query) => query % 2 === 0)), { first: true });
    assert.equal(find(random.checks, 'evaluation/sanity-baseline').verdict, 'inconclusive');
    const bad = await judge(negated(lists(100, () => false)), { first: true });
    assert.equal(find(bad.checks, 'evaluation/sanity-baseline').verdict, 'fail');
  });
});

function find(checks: readonly Check[], id: string): Check {
  const check = checks.find((each) => each.id === id);
  assert.ok(check !== undefined, `${id} is not among ${checks.map((each) => each.id).join(', ')}`);
  return check;
}
