import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openDataset, type Dataset } from '../../../src/data/dataset.ts';
import type { Artifact, Check } from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import { judgeExperiment } from '../../../src/stages/ab-test/ab-test.ts';
import { planOf, usersFor } from '../../../src/stages/ab-test/plan.ts';
import type { AbTest, ExperimentMetric } from '../../../src/stages/ab-test/schema.ts';
import { abTest } from '../../../src/stages/ab-test/stage.ts';
import type { StageResult } from '../../../src/stages/stage.ts';
import { cupedDifference, meanDifference, ratioDifference, type Moments } from '../../../src/statistics/experiment.ts';
import { randomFrom } from '../../../src/statistics/random.ts';
import type { ConfiguredModel } from '../../support/configured-model.ts';
import { inTemporaryFolder } from '../../support/project.ts';

const artifact = (digit: string): Artifact => ({
  role: 'model',
  uri: 'file:m.onnx',
  sha256: digit.repeat(64),
  size: 1,
});
const conversion: ExperimentMetric = { name: 'conversion', kind: 'conversion', require: 'superior' };
const base: AbTest = {
  assignments: 'a.csv',
  columns: { user: 'user', arm: 'arm', time: 'at' },
  arms: { champion: 'A', candidate: 'B' },
  users: 4000,
  metrics: [conversion],
};

/** What the stage says of logs that are written as lines of CSV. */
function judged(
  settings: Partial<AbTest>,
  assignments: readonly string[],
  outcomes?: readonly string[],
): Promise<StageResult & { check(name: string): Check }> {
  const ab_test: AbTest = { ...base, ...settings };
  const config: ConfiguredModel = {
    task: 'binary-classification',
    candidate: 'm.onnx',
    columns: { id: 'id', label: 'label' },
    data: { evaluation: 'e.csv' },
    policy: { primary: { metric: 'recall', margin: 0.01 } },
    ab_test,
  };
  return inTemporaryFolder(async (folder) => {
    const datasets: Record<string, Dataset> = {};
    const files = { assignments, ...(outcomes === undefined ? {} : { outcomes }) };
    for (const [name, lines] of Object.entries(files)) {
      const path = join(folder, `${name}.csv`);
      await writeFile(path, `${lines.join('\n')}\n`);
      datasets[name] = await openDataset({ name, uri: `${name}.csv`, path });
    }
    try {
      const result = await judgeExperiment({
        model: 'm',
        task: config.task,
        columns: config.columns,
        config,
        datasets,
        profiles: {},
        root: folder,
        folder,
        pathOf: (file) => Promise.resolve(file),
        log: silentLog,
        candidate: artifact('b'),
        champion: artifact('a'),
      });
      const check = (name: string): Check => {
        const found = result.checks.find(({ id }) => id === `ab-test/${name}`);
        assert.ok(found !== undefined, name);
        return found;
      };
      return { ...result, check };
    } finally {
      for (const dataset of Object.values(datasets)) dataset.close();
    }
  });
}

/** Users alternately in both arms, and the outcomes of those that a seeded draw makes convert. */
function experiment(users: number, rates: { A: number; B: number }): { assignments: string[]; outcomes: string[] } {
  const random = randomFrom(7);
  const assignments = ['user,arm,at,country'];
  const outcomes = ['user,at,event,amount'];
  for (let user = 0; user < users; user += 1) {
    const arm = user % 2 === 0 ? 'A' : 'B';
    assignments.push(`u${user},${arm},2026-03-01T10:00:00Z,${user % 3 === 0 ? 'FR' : 'DE'}`);
    if (random.uniform() < rates[arm]) outcomes.push(`u${user},2026-03-01T11:00:00Z,e${user},10`);
  }
  return { assignments, outcomes };
}

function near(actual: number | undefined, expected: number, digits = 8): void {
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= 0.5000001 * 10 ** -digits,
    `${actual} is not ${expected}`,
  );
}

function momentsOf(y: readonly number[], x: readonly number[]): Moments {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const covariance = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, value, index) => sum + (value - mean(a)) * ((b[index] as number) - mean(b)), 0) / (a.length - 1);
  const of = { mean: mean(x), variance: covariance(x, x), withY: covariance(y, x) };
  return { users: y.length, y: mean(y), yy: covariance(y, y), x: of, d: of };
}

describe('the estimates of an experiment', () => {
  const champion = momentsOf([3, 5, 2, 8, 6, 7, 4, 9], [2, 4, 3, 7, 5, 8, 3, 9]);
  const candidate = momentsOf([4, 7, 3, 9, 8, 6, 5, 10], [3, 5, 2, 7, 6, 5, 4, 8]);

  it('are those of the reference with and without the covariate', () => {
    const { delta, standardError, cuped } = cupedDifference(champion, candidate);
    near(cuped?.theta, 1.00083403);
    near(delta, 1.12510425);
    near(standardError, 0.37497642);
    const raw = meanDifference(champion, candidate);
    near(raw.delta, 1);
    near(raw.standardError, 1.22474487);
  });

  it('take the user as the unit of a ratio: sessions of one user are not independent', () => {
    // Each user has two sessions that end alike: as good as one session each.
    const arm = (rate: number): Moments => ({
      users: 1000,
      y: 2 * rate,
      yy: 4 * rate * (1 - rate),
      d: { mean: 2, variance: 0, withY: 0 },
    });
    const { delta, standardError } = ratioDifference(arm(0.1), arm(0.12));
    near(delta, 0.02);
    near(standardError, Math.sqrt((0.09 + 0.1056) / 1000));
  });
});

describe('an experiment that is judged from its logs', () => {
  it('passes a candidate that is better, at any look, and says by how much', async () => {
    const { assignments, outcomes } = experiment(4000, { A: 0.1, B: 0.2 });
    const { check, checks, details } = await judged(
      { outcomes: 'o.csv', segments: ['country'] },
      assignments,
      outcomes,
    );
    assert.deepEqual(
      checks.map(({ verdict }) => verdict),
      checks.map(() => 'pass'),
    );
    const { comparison, message } = check('conversion');
    assert.equal(comparison?.n, 4000);
    assert.equal(comparison.state, 'superior');
    assert.equal(comparison.method, 'difference-in-means, asymptotic-confidence-sequence');
    assert.match(message, /^Conversion is 0\.\d+, [\d.]+ points above the champion's/u);
    assert.equal((details['segments'] as unknown[]).length, 2);
  });

  it('rejects harm on a guardrail, and the guardrails share the level', async () => {
    const { assignments, outcomes } = experiment(4000, { A: 0.3, B: 0.15 });
    const guardrail = { ...conversion, require: 'not-inferior', margin: '1pp' } as const;
    const other = { name: 'orders', kind: 'count', require: 'not-inferior', margin: 0.5 } as const;
    const { check } = await judged({ outcomes: 'o.csv', metrics: [guardrail, other] }, assignments, outcomes);
    assert.equal(check('conversion').verdict, 'fail');
    assert.equal(check('conversion').comparison?.alpha, 0.025);
    assert.equal(check('orders').verdict, 'pass');
  });

  it('holds where users did not arrive as planned, whatever the metrics say', async () => {
    const { assignments, outcomes } = experiment(4000, { A: 0.1, B: 0.3 });
    const lost = assignments.filter((line, index) => !line.includes(',A,') || index % 4 !== 1);
    const { check } = await judged({ outcomes: 'o.csv' }, lost, outcomes);
    assert.equal(check('sample-ratio').verdict, 'inconclusive');
    assert.match(check('sample-ratio').message, /50% were planned .* start a new experiment/u);
    assert.equal(check('conversion').verdict, 'inconclusive');
    assert.match(check('conversion').message, /is not judged: the experiment cannot be trusted/u);
  });

  it('holds where the arms differed before the exposure, which CUPED would take for chance', async () => {
    const lines = (shift: number): string[] =>
      Array.from({ length: 2000 }, (_, user) => {
        const before = (user * 7919) % 100;
        return `u${user},${user % 2 === 0 ? 'A' : 'B'},2026-03-01T10:00:00Z,${before + (user % 13)},${before + (user % 2) * shift}`;
      });
    const metrics: ExperimentMetric[] = [
      { name: 'spend', kind: 'sum', column: 'spend', covariate: 'before', require: 'not-inferior', margin: 3 },
    ];
    const head = 'user,arm,at,spend,before';
    assert.equal((await judged({ metrics }, [head, ...lines(0)])).check('covariate').verdict, 'pass');
    const { check } = await judged({ metrics }, [head, ...lines(20)]);
    assert.equal(check('covariate').verdict, 'inconclusive');
    assert.match(check('covariate').message, /covariate of spend differs between the arms/u);
    assert.equal(check('spend').verdict, 'inconclusive');
  });

  it('says how many more users would show a gain, and nothing of what the numbers show where it judges nothing', async () => {
    const { assignments, outcomes } = experiment(1000, { A: 0.1, B: 0.14 });
    const open = (await judged({ outcomes: 'o.csv' }, assignments, outcomes)).check('conversion');
    assert.equal(open.verdict, 'inconclusive');
    assert.match(open.comparison?.outlook ?? '', /^about [\d,]+ more users would show it/u);
    assert.ok(Number(open.comparison?.rowsNeeded) > 1000);
    assert.equal(open.comparison?.requirement, 'superior');
    const few = (await judged({ outcomes: 'o.csv', min_users: 900 }, assignments, outcomes)).check('conversion');
    assert.equal(few.comparison?.finding, 'not judged: the smaller arm has 500 users, fewer than min_users 900');
    assert.equal(few.comparison.rowsNeeded, undefined);
  });

  it('judges outcomes that cancel each other out', async () => {
    const lines = Array.from(
      { length: 400 },
      (_, user) => `u${user},${user % 2 === 0 ? 'A' : 'B'},2026-03-01T10:00:00Z,${user % 4 < 2 ? 1 : -1}`,
    );
    const metrics = [
      { name: 'balance', kind: 'sum', column: 'balance', require: 'not-inferior', margin: 0.5 } as const,
    ];
    const { check } = await judged({ metrics }, ['user,arm,at,balance', ...lines]);
    assert.equal(check('balance').verdict, 'pass', check('balance').message);
  });

  it('says of an outcome that nobody has in time that it is 0 for everybody', async () => {
    const { assignments, outcomes } = experiment(400, { A: 0.5, B: 0.5 });
    const late = outcomes.map((line) => line.replace('2026-03-01T11', '2026-03-19T11'));
    const { check } = await judged({ outcomes: 'o.csv', window: '7d' }, assignments, late);
    assert.match(
      check('conversion').message,
      /it is 0 for every user of both arms: no outcome was recorded within 7d/u,
    );
  });

  it('takes a split of 90 to 10 for what was planned', async () => {
    const lines = Array.from(
      { length: 1000 },
      (_, user) => `u${user},${user % 10 === 0 ? 'B' : 'A'},2026-03-01T10:00:00Z,${user % 7}`,
    );
    const metrics: ExperimentMetric[] = [
      { name: 'spend', kind: 'sum', column: 'spend', require: 'not-inferior', margin: 3 },
    ];
    const { check } = await judged({ candidate_share: 0.1, metrics }, ['user,arm,at,spend', ...lines]);
    assert.equal(check('sample-ratio').verdict, 'pass');
    assert.equal(check('spend').verdict, 'pass');
  });

  it('looks once where the analysis is fixed: before the planned users are there nothing is decided', async () => {
    const { assignments, outcomes } = experiment(3000, { A: 0.1, B: 0.3 });
    const early = await judged({ outcomes: 'o.csv', analysis: 'fixed' }, assignments, outcomes);
    assert.equal(early.check('conversion').verdict, 'inconclusive');
    assert.match(early.check('conversion').message, /done once, at 4,000 users, and there are 3,000 so far/u);
    const planned = await judged({ outcomes: 'o.csv', analysis: 'fixed', users: 3000 }, assignments, outcomes);
    assert.equal(planned.check('conversion').verdict, 'pass');
  });

  it('counts what follows the first exposure within the window, and takes what came before it as the covariate', async () => {
    const assignments = ['user,arm,at'];
    const outcomes = ['user,at,amount'];
    for (let user = 0; user < 400; user += 1) {
      const spend = user % 20;
      assignments.push(`${user},${user % 2 === 0 ? 'A' : 'B'},2026-03-02T00:00:00Z`);
      // A second exposure, logged first: the earliest counts.
      assignments.push(`${user},${user % 2 === 0 ? 'A' : 'B'},2026-03-03T00:00:00Z`);
      outcomes.push(`${user},2026-03-01T00:00:00Z,${spend}`, `${user},2026-03-02T12:00:00+02:00,${spend + (user % 3)}`);
      outcomes.push(`${user},2026-03-20T00:00:00Z,1000`, `${user},2026-01-01T00:00:00Z,500`);
    }
    const metrics: ExperimentMetric[] = [{ name: 'spend', kind: 'sum', column: 'amount' }];
    const settings = { outcomes: 'o.csv', window: '7d', lookback: '14d', metrics };
    const { details, check } = await judged(settings, assignments, outcomes);
    const [spend] = details['metrics'] as { champion: number; cuped: { theta: number; varianceLeft: number } }[];
    near(spend?.champion, 10, 1);
    assert.ok(spend !== undefined && spend.cuped.varianceLeft < 0.05 && Math.abs(spend.cuped.theta - 1) < 0.05);
    assert.match(check('logs').message, /800 outcomes came before the exposure/u);
  });

  it('leaves users out whose window is not over', async () => {
    const { assignments, outcomes } = experiment(1000, { A: 0.5, B: 0.5 });
    assignments.push('late1,A,2026-03-08T10:00:00Z,DE', 'late2,B,2026-03-08T10:00:00Z,DE');
    const { check } = await judged({ outcomes: 'o.csv', window: '5d' }, assignments, outcomes);
    assert.match(check('logs').message, /2 users are excluded until their window is over/u);
    assert.equal(check('conversion').comparison?.n, 1000);
  });

  it('takes no window for complete because of a time in the future', async () => {
    const { assignments, outcomes } = experiment(1000, { A: 0.5, B: 0.5 });
    assignments.push('late1,A,2026-03-08T10:00:00Z,DE', 'wrong,B,2099-01-01T00:00:00Z,DE');
    const { check } = await judged({ outcomes: 'o.csv', window: '5d' }, assignments, outcomes);
    assert.match(check('logs').message, /2 users are excluded until.*times in the future/u);
    assert.equal(check('logs').verdict, 'fail');
  });

  it('says what makes outcomes of no use: an event nobody logs, other ids, a clock', async () => {
    const { assignments, outcomes } = experiment(400, { A: 0.5, B: 0.5 });
    const logs = async (settings: Partial<AbTest>, change: (line: string) => string): Promise<Check> => {
      const changed = outcomes.map((line, index) => (index === 0 ? line : change(line)));
      const { check } = await judged({ outcomes: 'o.csv', ...settings }, assignments, changed);
      return check('logs');
    };
    const misspelt = await logs(
      { columns: { ...base.columns, name: 'event' }, metrics: [{ ...conversion, event: 'purchase' }] },
      (line) => line,
    );
    assert.match(misspelt.message, /No outcome is named "purchase"/u);
    const others = await logs({}, (line) => line.toUpperCase());
    const early = await logs({}, (line) => line.replace('T11', 'T08'));
    assert.deepEqual([misspelt.verdict, others.verdict, early.verdict], ['fail', 'fail', 'fail']);
  });

  it('refuses numbers whose squares are none', async () => {
    const { assignments, outcomes } = experiment(400, { A: 0.5, B: 0.5 });
    outcomes.push('u0,2026-03-01T12:00:00Z,e,1e300');
    const metrics: ExperimentMetric[] = [{ name: 'spend', kind: 'sum', column: 'amount', require: 'superior' }];
    await assert.rejects(
      judged({ outcomes: 'o.csv', metrics }, assignments, outcomes),
      /values of spend are too large/u,
    );
  });

  it('holds where an arm has no outcome of any kind, and the other has so many that this is no chance', async () => {
    const { assignments, outcomes } = experiment(1000, { A: 0.1, B: 0.2 });
    // Of the heading none.
    const armOf = (line: string): number => Number(/^u(\d+)/u.exec(line)?.[1]) % 2;
    for (const [arm, name] of ['champion', 'candidate'].entries()) {
      const lost = outcomes.filter((line) => armOf(line) !== arm);
      const late = outcomes.map((line) => (armOf(line) === arm ? line.replace('T11', 'T08') : line));
      for (const logged of [lost, late]) {
        const { check } = await judged({ outcomes: 'o.csv' }, assignments, logged);
        assert.equal(check('outcomes').verdict, 'inconclusive');
        assert.match(check('outcomes').message, new RegExp(`no outcome of any kind was logged of the ${name}`, 'u'));
        assert.equal(check('conversion').verdict, 'inconclusive');
      }
      const visit = `u${arm},2026-03-01T12:00:00Z,visit,0`;
      const none = await judged({ outcomes: 'o.csv' }, assignments, [...lost, visit]);
      assert.equal(none.check('outcomes').verdict, 'pass', 'it is known of then');
    }
    const rare = await judged({ outcomes: 'o.csv' }, assignments, outcomes.slice(0, 15));
    assert.equal(rare.check('outcomes').verdict, 'pass');
  });

  it('keeps users in both arms out, and holds where they are many', async () => {
    const { assignments, outcomes } = experiment(1000, { A: 0.5, B: 0.5 });
    const crossed = [...assignments, 'u1,A,2026-03-01T12:00:00Z,DE', 'u2,B,2026-03-01T12:00:00Z,DE'];
    const few = await judged({ outcomes: 'o.csv' }, crossed, outcomes);
    assert.equal(few.check('one-arm').verdict, 'pass');
    assert.equal(few.check('conversion').comparison?.n, 998);
    const strict = await judged({ outcomes: 'o.csv', max_crossover: 0 }, crossed, outcomes);
    assert.equal(strict.check('one-arm').verdict, 'inconclusive');
    assert.equal(strict.check('conversion').verdict, 'inconclusive');
  });

  it('counts an outcome once that was logged twice, and tells of ids that stand for two things', async () => {
    const { assignments, outcomes } = experiment(1000, { A: 0.5, B: 0.5 });
    const metrics: ExperimentMetric[] = [{ name: 'orders', kind: 'count' }];
    const settings = { outcomes: 'o.csv', metrics, columns: { ...base.columns, event: 'event' } };
    const once = await judged(settings, assignments, outcomes);
    const twice = await judged(settings, assignments, [...outcomes, ...outcomes.slice(1).reverse()]);
    assert.deepEqual(twice.details['metrics'], once.details['metrics']);
    assert.match(twice.check('logs').message, /were logged more than once and count once/u);
    const clash = [...outcomes, (outcomes[1] as string).replace(/10$/u, '99')];
    const spend: ExperimentMetric[] = [{ name: 'spend', kind: 'sum', column: 'amount' }];
    const other = await judged({ ...settings, metrics: spend }, assignments, clash);
    assert.match(other.check('logs').message, /1 outcome ids are used for different outcomes/u);
    assert.equal(other.check('logs').verdict, 'fail');
  });

  it('refuses an arm that nobody planned, and says which there are', async () => {
    const { assignments, outcomes } = experiment(100, { A: 0.5, B: 0.5 });
    const third = [...assignments, 'x,C,2026-03-01T10:00:00Z,DE'];
    await assert.rejects(judged({ outcomes: 'o.csv' }, third, outcomes), /has the arm "C".*ab_test\.arms/su);
    const arms = { ...base.arms, ignore: ['C'] };
    assert.equal((await judged({ outcomes: 'o.csv', arms }, third, outcomes)).check('sample-ratio').verdict, 'pass');
    const onlyA = assignments.filter((line) => !line.includes(',B,'));
    await assert.rejects(judged({ outcomes: 'o.csv' }, onlyA, outcomes), /no user is in the arm "B"/u);
  });

  it('holds where an arm was answered by two versions, or by other bytes than are judged', async () => {
    const versions = async (a: string, b: (user: number) => string): Promise<Check> => {
      const lines = Array.from({ length: 400 }, (_, user) =>
        [`u${user}`, user % 2 === 0 ? 'A' : 'B', '2026-03-01T10:00:00Z', user % 7, user % 2 === 0 ? a : b(user)].join(
          ',',
        ),
      );
      const metrics: ExperimentMetric[] = [{ name: 'spend', kind: 'sum', column: 'spend' }];
      const columns = { ...base.columns, version: 'version' };
      return (await judged({ metrics, columns }, ['user,arm,at,spend,version', ...lines])).check('versions');
    };
    assert.equal((await versions('a'.repeat(12), () => 'b'.repeat(64))).verdict, 'pass');
    assert.equal((await versions('v1', () => 'v2')).verdict, 'pass');
    assert.match(
      (await versions('v1', (user) => (user < 200 ? 'v2' : 'v3'))).message,
      /answered by 2 versions \(v2, v3\)/u,
    );
    assert.equal((await versions('a'.repeat(12), () => 'c'.repeat(12))).verdict, 'inconclusive');
  });

  it('says what is wrong with a time, with its row', async () => {
    const lines = ['user,arm,at,x', 'u1,A,2026-03-01T10:00:00Z,1', 'u2,B,yesterday,1'];
    const metrics: ExperimentMetric[] = [{ name: 'x', kind: 'sum', column: 'x' }];
    await assert.rejects(judged({ metrics }, lines), /column "at", row 2 is "yesterday".*ISO 8601/su);
  });
});

describe('a plan of an experiment', () => {
  it('gives the users of the textbook for one look, and more for many', () => {
    const perUser = Math.sqrt((0.1 * 0.9 + 0.12 * 0.88) / 2) * 2;
    const question = { gap: 0.02, perUser, alpha: 0.025, power: 0.8 };
    // 3,841 an arm: two-sided 5%, unpooled variance.
    assert.ok(Math.abs(usersFor({ ...question, sequential: false }) - 2 * 3839) <= 4);
    const many = usersFor({ ...question, sequential: true });
    assert.ok(many > 1.4 * 7678 && many < 2.2 * 7678, String(many));
  });

  it('plans each metric at the level that it is judged at', () => {
    const model = { policy: { primary: { metric: 'recall', margin: 0 } } } as unknown as ConfiguredModel;
    const expected = { value: 0.1, effect: '2pp' };
    const guardrail = { ...conversion, require: 'not-inferior', margin: '1pp', expected } as const;
    const usersOf = (metrics: ExperimentMetric[]): string | undefined =>
      planOf({ ...base, metrics }, model).rows[0]?.[3]?.text;
    const alone = usersOf([{ ...conversion, expected }]);
    assert.equal(usersOf([{ ...guardrail, severity: 'warn' }, guardrail]), alone, 'a warning shares nothing');
    const { require: _, ...advice } = { ...conversion, expected };
    const two = usersOf([guardrail, guardrail]);
    assert.equal(usersOf([advice, advice]), two, 'advice shares as guardrails do');
    assert.notEqual(two, alone);
  });

  it('refuses a plan without what is expected', () => {
    const model = { policy: { primary: { metric: 'recall', margin: 0 } } } as unknown as ConfiguredModel;
    assert.throws(() => planOf(base, model), /has the setting expected/u);
    const expected = { value: 0.1, effect: '2pp' };
    const plan = planOf({ ...base, users_per_day: 1000, metrics: [{ ...conversion, expected }] }, model);
    assert.equal(plan.rows.length, 1);
    assert.match(plan.rows[0]?.[4]?.text ?? '', /^\d+$/u);
  });
});

describe('the configuration of an experiment', () => {
  it('names what does not go together', () => {
    const of = (settings: Partial<AbTest>): string[] =>
      (abTest.problems?.({ ab_test: { ...base, ...settings } } as unknown as ConfiguredModel) ?? []).map(
        ({ message }) => message,
      );
    assert.deepEqual(of({ outcomes: 'o.csv' }), []);
    assert.match(of({ arms: { champion: 'A', candidate: 'A' } }).join(), /the same arm/u);
    assert.match(of({ window: '7d' }).join(), /window applies to outcomes/u);
    assert.match(of({ metrics: [{ name: 'x', kind: 'sum' }] }).join(), /sum needs a column/u);
    assert.match(
      of({ outcomes: 'o.csv', metrics: [{ name: 'x', kind: 'count', require: 'non-inferior' }] }).join(),
      /needs a margin/u,
    );
  });
});
