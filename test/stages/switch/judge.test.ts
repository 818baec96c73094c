import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { randomFrom, type Random } from '../../../src/statistics/random.ts';
import type { ByArm, Judgement, StepObservation } from '../../../src/stages/guardrails.ts';
import { judgeSwitch, type Switched } from '../../../src/stages/switch/judge.ts';
import { switchOver } from '../../../src/stages/switch/stage.ts';
import type { Guardrail } from '../../../src/stages/traffic.ts';
import type { ConfiguredModel } from '../../support/configured-model.ts';

const errors: Guardrail = { name: 'errors', failure: 'error' };
const limits = { watchMs: 300_000, noDataMs: 30_000, minRequests: 100 };
const poll = 10_000;

function look(index: number, requests: Partial<ByArm>, failures: Partial<ByArm> = {}): StepObservation {
  const none = { champion: 0, candidate: 0 };
  return {
    weight: (requests.candidate ?? 0) > 0 ? 100 : 0,
    from: index * poll,
    to: (index + 1) * poll,
    requests: { ...none, ...requests },
    users: null,
    inBoth: 0,
    failures: { errors: { ...none, ...failures } },
  };
}

function judged(
  before: StepObservation[],
  after: StepObservation[],
  change: Partial<Switched> = {},
  guardrails = [errors],
): Judgement {
  const now = after.length * poll;
  const seen = { now, since: 0, alpha: 0.05, fault: null, blindSince: now, void: null };
  return judgeSwitch(guardrails, limits, { before, after, ...seen, ...change });
}

const looks = (count: number, of: (index: number) => StepObservation): StepObservation[] =>
  Array.from({ length: count }, (_, index) => of(index));
const blue = looks(30, (index) => look(index, { champion: 100 }, { champion: 1 }));
const green = (failures: number, count = 30): StepObservation[] =>
  looks(count, (index) => look(index, { candidate: 100 }, { candidate: failures }));

describe('a look at a switch', () => {
  it('holds while green is watched, and advances where no harm was shown by the end', () => {
    assert.match(judged(blue, green(1, 10)).reason, /100 s of 5 min have passed/u);
    const { verdict, reason } = judged(blue, green(1));
    assert.deepEqual([verdict, reason], ['advance', 'No harm was shown in 5 min with all of the traffic.']);
  });

  it('goes back at once on harm, and says what green and blue did', () => {
    const { verdict, reason } = judged(blue, green(10, 3));
    assert.equal(verdict, 'roll-back');
    assert.match(
      reason,
      /more errors than the champion: 30 requests with errors in 300 requests of green, 3 in 300 of blue before/u,
    );
  });

  it('takes rates of other hours with other traffic for what they are', () => {
    // Four times the traffic, and four times the failures.
    const busy = looks(30, (index) => look(index, { candidate: 400 }, { candidate: 4 }));
    assert.equal(judged(blue, busy).verdict, 'advance');
  });

  it('never passes without data: of green, of blue, or of a source that is down', () => {
    const silent = looks(30, (index) => look(index, {}));
    assert.equal(judged(blue, silent, { blindSince: 0 }).verdict, 'roll-back');
    assert.equal(judged(blue, green(1, 5), { fault: 'the log is empty' }).verdict, 'hold');
    const unseen = judged(silent, green(1));
    assert.equal(unseen.verdict, 'roll-back');
    assert.match(unseen.reason, /0 requests of green are compared with 0 of blue, at least 100 each needed/u);
    assert.equal(judged(blue, green(1), { void: 'The weight is 30%.' }).verdict, 'roll-back');
  });

  it('goes back where blue goes on answering', () => {
    const split = looks(30, (index) => look(index, { candidate: 70, champion: 30 }));
    assert.match(judged(blue, split.slice(0, 4)).reason, /90 of 300 requests were still answered by blue/u);
    // What was under way when the weight was set.
    const late = [look(0, { candidate: 50, champion: 50 }), ...green(1).slice(1)];
    assert.equal(judged(blue, late).verdict, 'advance');
  });

  it('takes equal versions back in at most 5 of 100 switches looked at 30 times, and finds ten times the errors', () => {
    const random = randomFrom(11);
    const alarms = (rate: number, switches: number): number => {
      let found = 0;
      for (let each = 0; each < switches; each += 1) {
        const drawn = (arm: keyof ByArm, p: number): StepObservation[] =>
          looks(30, (index) => look(index, { [arm]: 50 }, { [arm]: binomial(random, 50, p) }));
        const [before, after] = [drawn('champion', 0.01), drawn('candidate', rate)];
        found += Number(after.some((_, index) => judged(before, after.slice(0, index + 1)).verdict === 'roll-back'));
      }
      return found / switches;
    };
    const equal = alarms(0.01, 100);
    assert.ok(equal <= 0.05, String(equal));
    assert.ok(alarms(0.1, 15) >= 0.99);
  });
});

function binomial(random: Random, n: number, p: number): number {
  let hits = 0;
  for (let each = 0; each < n; each += 1) hits += Number(random.uniform() < p);
  return hits;
}

describe('the configuration of a switch', () => {
  it('names what does not go together', () => {
    const model = {
      switch: {
        green: { url: 'http://green' },
        watch_time: '10s',
        min_requests: 1,
        keep_blue: '1h',
        weights: { url: 'http://w' },
        observe: { server: true },
        guardrails: [{ ...errors, prove_below: 1.5 }],
      },
      rollout: {},
    } as unknown as ConfiguredModel;
    const told = (switchOver.problems?.(model) ?? []).map(({ message }) => message).join('\n');
    for (const part of [
      /a rollout or a switch, not both/u,
      /three times poll/u,
      /prove_below cannot be used/u,
      /needs weights: \{server/u,
    ])
      assert.match(told, part);
  });
});
