import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { splitmix32 } from '../../src/statistics/splitmix.ts';
import { inRepository, type TemporaryRepository } from './temporary-repository.ts';
import { judged } from './sample-decision.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('promote-process.js', import.meta.url));
/** Fifty writers with each of twenty seeds: CONTENDER_SEEDS=20. */
const asked = process.env['CONTENDER_SEEDS'];
const writers = Array.from({ length: asked === undefined ? 20 : 50 }, (_, index) => index);
const seeds = Array.from({ length: Number(asked ?? 1) }, (_, index) => index + 1);

describe(`${writers.length} writers at once`, () => {
  for (const seed of seeds) {
    test(`of one model (seed ${seed}): every decision is recorded once, in one chain`, () =>
      inRepository(async (repository) => {
        await together(seed, (each) => promote(repository, 'spam-filter', `candidate-${each}`));
        const registry = await repository.registry();
        const decisions = await registry.log('spam-filter');
        assert.deepEqual(
          decisions.map((each) => each.seq),
          writers.map((each) => each + 1),
        );
        assert.equal(new Set(decisions.map((each) => each.candidate?.artifacts[0]?.sha256)).size, writers.length);
        // Each was decided against the champion it found, never against an older one.
        for (const [index, decision] of decisions.entries()) {
          assert.deepEqual(decision.from, decisions[index - 1]?.to ?? null);
        }
        assert.equal((await registry.view('spam-filter')).champion?.version, decisions.at(-1)?.to?.version);
        assert.deepEqual(await registry.verify(), []);
        assert.equal(await repository.status(), '');
      }));

    test(`of different models (seed ${seed}): no decision is lost`, () =>
      inRepository(async (repository) => {
        await together(seed, (each) => promote(repository, `model-${each}`, 'candidate'));
        const registry = await repository.registry();
        assert.equal((await registry.models()).length, writers.length);
        for (const each of writers) assert.equal((await registry.log(`model-${each}`)).length, 1);
        assert.deepEqual(await registry.verify(), []);
        assert.equal(await repository.status(), '');
      }));
  }

  test('of the same decision: it is recorded once, and the others say so', () =>
    inRepository(async (repository) => {
      const registry = await repository.registry();
      const results = await Promise.all(
        writers.map(() => registry.record({ model: 'm', decide: judged('m', 'same', 'reject'), evidence: [] })),
      );
      const recorded = results.filter((each) => each.status === 'recorded');
      assert.equal(recorded.length, 1);
      assert.ok(results.every((each) => each.commit === recorded[0]?.commit));
      assert.equal((await registry.log('m')).length, 1);
    }));
});

test('a commit that another program makes between decision and record is kept, and the decision made anew', () =>
  inRepository(async (repository) => {
    await repository.git('branch', 'registry');
    const registry = await repository.registry('registry', 'registry');
    const other = await repository.registry('registry', 'registry');
    let calls = 0;
    const decide = judged('m', 'b', 'promote');
    // git moves the branch during the first attempt.
    const tree = await repository.git('rev-parse', 'registry^{tree}');
    const foreign = await repository.git('commit-tree', tree, '-p', 'registry', '-m', 'Foreign');
    const { execFileSync } = await import('node:child_process');
    const result = await registry.record({
      model: 'm',
      decide: (view) => {
        if (calls++ === 0) execFileSync('git', ['-C', repository.folder, 'update-ref', 'refs/heads/registry', foreign]);
        return decide(view);
      },
      evidence: [],
    });
    assert.equal(calls, 2);
    assert.equal(await repository.git('rev-parse', `${result.commit}^`), foreign);
    assert.deepEqual(await other.verify(), []);
  }));

async function promote(repository: TemporaryRepository, model: string, candidate: string): Promise<void> {
  await run(process.execPath, [program, repository.folder, 'registry', '', model, candidate, 'promote']);
}

/** Every one at once, or in what order and how soon after one another the seed says. */
async function together(seed: number, work: (item: number) => Promise<void>): Promise<void> {
  const random = splitmix32(seed);
  const spread = seed === 1 ? 0 : random() % 3000;
  const delays = writers.map(() => (spread === 0 ? 0 : random() % spread));
  await Promise.all(
    writers.map(async (each) => {
      await sleep(delays[each]);
      await work(each);
    }),
  );
}
