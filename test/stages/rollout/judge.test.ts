import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judgeRollout, type Looked } from '../../../src/stages/rollout/judge.ts';
import { type Judgement, type StepObservation } from '../../../src/stages/guardrails.ts';
import type { Rollout } from '../../../src/stages/rollout/schema.ts';
import { rollout } from '../../../src/stages/rollout/stage.ts';
import type { ConfiguredModel } from '../../support/configured-model.ts';

const minute = 60_000;
const base: Rollout = {
  steps: [1, 10, 50],
  step_time: '10m',
  max_step_time: '60m',
  min_requests: 100,
  weights: { server: 'http://127.0.0.1:1' },
  observe: { server: true },
  guardrails: [
    { name: 'errors', failure: 'error' },
    { name: 'slow', failure: 'slow', over_ms: 300 },
  ],
};
const limits = { stepMs: 10 * minute, maxStepMs: 60 * minute, noDataMs: 10 * minute };

function step(
  weight: number,
  failed: Record<string, [champion: number, candidate: number]>,
  users = 10_000,
): StepObservation {
  const candidate = Math.round((users * weight) / 100);
  const counts = { champion: users - candidate, candidate };
  const failures = Object.fromEntries(
    Object.entries(failed).map(([name, [champion, ours]]) => [name, { champion, candidate: ours }]),
  );
  return { weight, from: 0, to: 0, requests: counts, users: counts, inBoth: 0, failures };
}

function judged(steps: StepObservation[], more: Partial<Looked> = {}, settings: Partial<Rollout> = {}): Judgement {
  const looked = { steps, now: 10 * minute, alpha: 0.05, fault: null, blindSince: null, void: null, ...more };
  return judgeRollout({ ...base, ...settings }, limits, looked);
}

describe('a look at a rollout', () => {
  it('advances once the time and the floor of requests are there and no harm is shown', () => {
    const quiet = step(1, { errors: [50, 1], slow: [20, 0] });
    assert.equal(judged([quiet]).verdict, 'advance');
    assert.equal(judged([quiet], { now: 9 * minute }).verdict, 'hold');
    const few = judged([step(1, { errors: [5, 0] }, 5000)]);
    assert.equal(few.verdict, 'hold');
    assert.match(few.reason, /50 of 100 requests of the candidate have arrived/u);
  });

  it('rolls back on harm at any look, before the time is over, with alpha divided among the guardrails', () => {
    // 12 of 40 failures at a share of 10%: evidence 134.7, which is enough for one guardrail (20) and for two (40).
    const harm = judged([step(10, { errors: [28, 12] })], { now: minute });
    assert.equal(harm.verdict, 'roll-back');
    assert.match(
      harm.reason,
      /12 of 40 users with errors were the candidate's at 10% .* evidence 135 of 40 over all steps/u,
    );
    // 5 of 10: evidence 80.4, which is not enough for six guardrails (120).
    const names = ['a', 'b', 'c', 'd', 'e', 'errors'];
    const guardrails = names.map((name) => ({ name, failure: 'error' as const }));
    assert.equal(judged([step(10, { errors: [5, 5] })], {}, { guardrails }).verdict, 'advance');
    assert.equal(judged([step(10, { errors: [5, 5] })]).verdict, 'roll-back');
  });

  it('joins the evidence of steps with different weights inside one test', () => {
    const steps = [step(1, { errors: [10, 2] }), step(5, { errors: [34, 6] })];
    const [errors] = judged(steps).guardrails;
    assert.ok(errors !== undefined && Math.abs(Math.exp(errors.logEvidence) - 57.5510072) < 1e-6);
    assert.equal(judged(steps).verdict, 'roll-back');
  });

  it('lets a sound candidate replace a champion that fails, and needs no failure of the champion to see harm', () => {
    assert.equal(judged([step(10, { errors: [5400, 4] })]).verdict, 'advance');
    const { verdict, reason } = judged([step(50, { errors: [0, 16] })]);
    assert.equal(verdict, 'roll-back');
    assert.match(reason, /16 of 16 users with errors were the candidate's/u);
    const plain = judged([step(10, { errors: [700, 690] })]);
    assert.match(plain.reason, /evidence above 1,000,000 of 40 over all steps/u);
  });

  it('tolerates the ratio that the guardrail allows', () => {
    const guardrails = [{ name: 'errors', failure: 'error' as const, max_ratio: 5 }];
    assert.equal(judged([step(10, { errors: [28, 12] })], {}, { guardrails }).verdict, 'advance');
  });

  it('rolls back on a mean that is shown to be worse, whichever way that is, and proves one that is not', () => {
    const of = (mean: number): { n: number; mean: number; variance: number } => ({ n: 1000, mean, variance: 4 });
    const means = (champion: number, candidate: number): StepObservation => ({
      ...step(50, {}),
      means: { spent: { champion: of(champion), candidate: of(candidate) } },
    });
    const spent = { name: 'spent', failure: 'mean' as const, value: 'spent' };
    const higher = judged([means(5, 6)], { now: minute }, { guardrails: [spent] });
    assert.equal(higher.verdict, 'roll-back');
    assert.match(
      higher.reason,
      /^The mean of spent is shown to be higher with the candidate than with the champion: 6 over 1,000 users of the candidate and 5 over/u,
    );
    assert.equal(judged([means(6, 5)], {}, { guardrails: [spent] }).verdict, 'advance');
    const lower = { ...spent, worse: 'lower' as const };
    assert.equal(judged([means(6, 5)], {}, { guardrails: [lower] }).verdict, 'roll-back');
    assert.equal(judged([means(6, 5)], {}, { guardrails: [{ ...lower, max_ratio: 1.5 }] }).verdict, 'advance');
    const proof = [{ ...spent, prove_below: 1.1 }];
    assert.equal(judged([means(5, 5)], {}, { guardrails: proof, steps: [50] }).verdict, 'advance');
    const closer = [{ ...spent, prove_below: 1.05 }];
    assert.equal(judged([means(5, 5)], {}, { guardrails: closer, steps: [50] }).verdict, 'hold');
    assert.equal(judged([step(50, {})], {}, { guardrails: proof, steps: [50] }).verdict, 'hold');
  });

  it('asks for the proof before everybody gets the candidate, and not before', () => {
    const guardrails = [{ name: 'errors', failure: 'error' as const, prove_below: 1.5 }];
    assert.equal(judged([step(1, { errors: [50, 1] })], {}, { guardrails }).verdict, 'advance');
    const last = (failed: [number, number]): Judgement =>
      judged([step(1, {}), step(10, {}), step(50, { errors: failed })], {}, { guardrails });
    assert.equal(last([20, 20]).verdict, 'hold');
    assert.match(last([20, 20]).reason, /not shown to be below 1\.5 times the champion's/u);
    assert.equal(last([400, 400]).verdict, 'advance');
    const late = { now: 61 * minute };
    assert.equal(
      judged([step(1, {}), step(10, {}), step(50, { errors: [20, 20] })], late, { guardrails }).verdict,
      'roll-back',
    );
  });

  it('rolls back where users did not arrive in the share that was set', () => {
    const lost = { ...step(10, {}), users: { champion: 9000, candidate: 700 } };
    const { verdict, reason } = judged([lost]);
    assert.equal(verdict, 'roll-back');
    assert.match(reason, /700 of 9,700 users got the candidate \(7\.216%\), but the weight is 10%/u);
    const crossing = { ...step(10, {}), inBoth: 200 };
    assert.match(judged([crossing]).reason, /200 users were answered by both versions/u);
  });

  it('holds without data and then rolls back, whatever the numbers so far: it never passes', () => {
    const quiet = step(1, { errors: [50, 1] });
    const blind = judged([quiet], { fault: 'http://prometheus: it cannot be reached. Wait.', blindSince: 5 * minute });
    assert.equal(blind.verdict, 'hold');
    assert.equal(
      blind.reason,
      'http://prometheus: it cannot be reached. Wait (no data for 5 min of the 10 min that are tolerated).',
    );
    assert.equal(judged([quiet], { fault: 'it is down', blindSince: 0 }).verdict, 'roll-back');
    assert.equal(judged([step(1, {}, 0)], { blindSince: 0 }).verdict, 'roll-back');
  });

  it('rolls back on harm that was seen before the source went away', () => {
    const harm = step(10, { errors: [28, 12] });
    assert.equal(judged([harm], { fault: 'it is down', blindSince: 10 * minute }).verdict, 'roll-back');
  });

  it('ends where somebody else acts', () => {
    assert.equal(judged([step(1, {})], { void: 'The weight is 30%.' }).verdict, 'roll-back');
  });
});

describe('the configuration of a rollout', () => {
  const of = (settings: Partial<Rollout>): string =>
    (rollout.problems?.({ rollout: { ...base, ...settings } } as unknown as ConfiguredModel) ?? [])
      .map(({ message }) => message)
      .join('\n');

  it('names what does not go together', () => {
    assert.equal(of({}), '');
    assert.match(of({ steps: [10, 5] }), /larger than the one before/u);
    assert.match(of({ max_step_time: '10m' }), /must be longer than step_time/u);
    assert.match(of({ poll: '10m' }), /at least three times as long/u);
    assert.match(of({ weights: { url: 'http://127.0.0.1:1' } }), /needs weights: \{server: URL\}/u);
    assert.match(of({ guardrails: [{ name: 'slow', failure: 'slow' }] }), /failure: slow needs over_ms/u);
    assert.match(
      of({ guardrails: [{ name: 'e', failure: 'error', worse: 'lower' }] }),
      /value and worse are allowed only with failure/u,
    );
  });

  it('asks for the unit of times whose name says seconds', () => {
    const slow = { guardrails: [{ name: 'slow', failure: 'slow' as const, over_ms: 100 }] };
    const named = (ms: string, unit?: 's'): string =>
      of({ ...slow, observe: { log: 'l.jsonl', columns: { ms }, ...(unit && { unit }) } });
    assert.match(named('request_time'), /request_time is usually a time in seconds: .* observe\.unit: s or ms/u);
    assert.match(named('duration_seconds'), /state the unit/u);
    assert.equal(named('request_time', 's') + named('latency_ms') + named('times'), '');
  });

  it('wants a query for each guardrail, with the arm in it: else both versions would get one number', () => {
    const arms = { champion: 'v1', candidate: 'v2' };
    const observe = {
      prometheus: 'http://127.0.0.1:9090',
      arms,
      requests: 'sum(r{v="$arm"})',
      failures: { errors: 'sum(e)' },
    };
    const text = of({ observe, guardrails: [...base.guardrails, { name: 'latency', failure: 'mean' }] });
    assert.match(text, /mean is available only in a rollout with a log/u);
    assert.match(text, /no query for slow/u);
    assert.match(text, /query of errors has no \$arm/u);
  });
});
