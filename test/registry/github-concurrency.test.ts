import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { splitmix32 } from '../../src/statistics/splitmix.ts';
import { repositoryName, withGitHub } from '../github/with-github.ts';
import { faults, type Fault, type GitHubStandIn } from '../support/github-api/server.ts';
import { registryOn } from './github-store.ts';
import { evidence, judged } from './sample-decision.ts';

const writers = Array.from({ length: 50 }, (_, index) => index);
/** All twenty: CONTENDER_SEEDS=20. */
const asked = process.env['CONTENDER_SEEDS'];
const seeds = Array.from({ length: Number(asked ?? 1) }, (_, index) => index + 1);

const mishaps: Fault[] = [
  faults.serverError,
  faults.badGateway,
  faults.unavailable,
  faults.tooMany(0),
  faults.secondaryLimit(0),
  'reset',
  'reset-after',
  'stale',
  'hang-after',
];

for (const seed of seeds) {
  describe(`${writers.length} writers at once through an API that fails one request in eight (seed ${seed})`, () => {
    test('of one model: every decision is recorded once, in one chain, with one champion', () =>
      withGitHub(async (server) => {
        failAtRandom(server, seed);
        const results = await Promise.all(writers.map((each) => promote(server, 'spam-filter', `candidate-${each}`)));
        server.failBy(null);
        assert.deepEqual(new Set(results.map(({ status }) => status)), new Set(['recorded']));
        const registry = registryOn(server);
        const log = await registry.log('spam-filter');
        assert.deepEqual(
          log.map(({ seq }) => seq),
          writers.map((each) => each + 1),
        );
        assert.equal(new Set(log.map((each) => each.candidate?.artifacts[0]?.sha256)).size, writers.length);
        // Each was decided against the champion it found, never against an older one.
        for (const [index, decision] of log.entries()) assert.deepEqual(decision.from, log[index - 1]?.to ?? null);
        assert.equal((await registry.view('spam-filter')).champion?.version, log.at(-1)?.to?.version);
        assert.deepEqual(new Set(results.map(({ commit }) => commit)).size, writers.length);
        await sound(server);
      }));

    test('of different models: no decision is lost, and none is there twice', () =>
      withGitHub(async (server) => {
        failAtRandom(server, seed + 1000);
        await Promise.all(writers.map((each) => promote(server, `model-${each}`, 'candidate')));
        server.failBy(null);
        const registry = registryOn(server);
        assert.equal((await registry.models()).length, writers.length);
        for (const each of writers) assert.equal((await registry.log(`model-${each}`)).length, 1);
        await sound(server);
      }));
  });
}

test(`${writers.length} writers of the same decision: one records it, and the others say so`, () =>
  withGitHub(async (server) => {
    const registries = writers.map(() => registryOn(server));
    const results = await Promise.all(
      registries.map((registry) =>
        registry.record({ model: 'm', decide: judged('m', 'same', 'reject'), evidence: [] }),
      ),
    );
    const recorded = results.filter(({ status }) => status === 'recorded');
    assert.equal(recorded.length, 1);
    assert.ok(results.every(({ commit }) => commit === recorded[0]?.commit));
    assert.equal((await registryOn(server).log('m')).length, 1);
  }));

function promote(server: GitHubStandIn, model: string, candidate: string) {
  const proof = [evidence(candidate)];
  const registry = registryOn(server, { timeoutMs: 5000 });
  return registry.record({ model, decide: judged(model, candidate, 'promote', proof), evidence: proof });
}

function failAtRandom(server: GitHubStandIn, seed: number): void {
  const stream = splitmix32(seed);
  const random = (): number => stream() / 2 ** 32;
  // One that hangs costs the writer its whole time limit, so there are only a few of those.
  let hanging = 2;
  server.failBy(() => {
    if (random() >= 0.125) return null;
    const fault = mishaps[Math.floor(random() * mishaps.length)] ?? null;
    return fault === 'hang-after' && hanging-- <= 0 ? 'reset-after' : fault;
  });
}

/** One commit a decision on top of the first, objects and chain in order. */
async function sound(server: GitHubStandIn): Promise<void> {
  assert.deepEqual(await registryOn(server).verify(), []);
  const { git } = server.repository(repositoryName);
  assert.equal(await git.git('rev-list', '--count', 'main'), String(writers.length + 1));
  await git.git('fsck', '--strict', '--full');
}
