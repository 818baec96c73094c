/*
 * How often a rollout takes back a candidate that does no harm, and how soon one that does; and how often an experiment that is looked at
 * every day is wrong: simulations judged by the production code. Writes docs/rollout-levels.md. CONTENDER_RUNS sets the number of rollouts
 * a row (2,000); experiments are as many.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { analyse } from '../src/stages/ab-test/ab-test.ts';
import type { AbTest, ExperimentMetric } from '../src/stages/ab-test/schema.ts';
import { judgeRollout } from '../src/stages/rollout/judge.ts';
import { type StepObservation } from '../src/stages/guardrails.ts';
import type { Rollout } from '../src/stages/rollout/schema.ts';
import { binomial, randomFrom } from '../src/statistics/random.ts';
import { sampleRatio } from '../src/statistics/sample-ratio.ts';
import { projectRoot } from '../test/support/project.ts';

const runs = Number(process.env['CONTENDER_RUNS'] ?? 2000);
const minute = 60_000;
const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

interface Scenario {
  title: string;
  steps: number[];
  minutesPerStep: number;
  /** Requests of both arms by minute, each by a user of its own. */
  perMinute: number;
  /** How often a minute it is looked at; default: once. */
  looks?: number;
  base: number;
  /** Failure rate of the candidate as a multiple of the champion's, by guardrail. */
  ratios: number[];
}

/** Shares of rollouts that are taken back for harm and for anything else, and the median minute of the first. */
function simulate(scenario: Scenario, seed: number): { harm: number; other: number; median: number | null } {
  const { steps, minutesPerStep, perMinute, looks = 1, base, ratios } = scenario;
  const perLook = perMinute / looks;
  const lookMs = minute / looks;
  const random = randomFrom(seed);
  const guardrails = ratios.map((_, index) => ({ name: `g${index}`, failure: 'error' as const }));
  const settings: Rollout = {
    steps,
    step_time: '1m',
    max_step_time: '1000h',
    min_requests: 1,
    weights: { server: 'http://127.0.0.1' },
    observe: { server: true },
    guardrails,
  };
  const limits = {
    stepMs: minutesPerStep * minute,
    maxStepMs: Number.MAX_SAFE_INTEGER,
    noDataMs: Number.MAX_SAFE_INTEGER,
  };
  const times: number[] = [];
  let other = 0;
  rollouts: for (let run = 0; run < runs; run += 1) {
    const seen: StepObservation[] = [];
    let clock = 0;
    for (const weight of steps) {
      const arms = { champion: 0, candidate: 0 };
      const failures = Object.fromEntries(guardrails.map(({ name }) => [name, { champion: 0, candidate: 0 }]));
      const step: StepObservation = {
        weight,
        from: clock * lookMs,
        to: 0,
        requests: arms,
        users: arms,
        inBoth: 0,
        failures,
      };
      seen.push(step);
      for (let here = 0; here < minutesPerStep * looks; here += 1) {
        clock += 1;
        const candidate = binomial(random, perLook, weight / 100);
        arms.candidate += candidate;
        arms.champion += perLook - candidate;
        for (const [index, ratio] of ratios.entries()) {
          const counts = failures[`g${index}`] as { champion: number; candidate: number };
          counts.champion += binomial(random, perLook - candidate, base);
          counts.candidate += binomial(random, candidate, base * ratio);
        }
        const looked = { steps: seen, now: clock * lookMs, alpha: 0.05, fault: null, blindSince: null, void: null };
        const { verdict, checks } = judgeRollout(settings, limits, looked);
        if (verdict !== 'roll-back') continue;
        if (checks.some((check) => check.verdict === 'fail')) times.push(Math.ceil(clock / looks));
        else other += 1;
        continue rollouts;
      }
    }
  }
  const sorted = times.toSorted((a, b) => a - b);
  return { harm: times.length / runs, other: other / runs, median: sorted[Math.floor(sorted.length / 2)] ?? null };
}

const six = [1, 2, 5, 10, 25, 50];
const one = { steps: [50], minutesPerStep: 30, base: 0.01 };
const scenarios: Scenario[] = [
  { title: 'equal, six steps', steps: six, minutesPerStep: 30, perMinute: 100, base: 0.01, ratios: [1] },
  {
    title: 'equal, six steps, three guardrails',
    steps: six,
    minutesPerStep: 30,
    perMinute: 100,
    base: 0.02,
    ratios: [1, 1, 1],
  },
  {
    title: 'equal, six steps, many requests',
    steps: six,
    minutesPerStep: 30,
    perMinute: 2000,
    base: 0.05,
    ratios: [1],
  },
  { title: 'equal, one step of half', ...one, perMinute: 20, ratios: [1] },
  { title: '10 times the errors, 10 requests a minute and arm', ...one, perMinute: 20, ratios: [10] },
  { title: '5 times the errors, 10 requests a minute and arm', ...one, perMinute: 20, ratios: [5] },
  { title: 'twice the errors, 50 requests a minute and arm', ...one, perMinute: 100, ratios: [2] },
  { title: 'the same, looked at every 15 s', ...one, perMinute: 100, looks: 4, ratios: [2] },
  { title: '5 times the errors, six steps', steps: six, minutesPerStep: 30, perMinute: 100, base: 0.01, ratios: [5] },
  {
    title: '5 times on one of three guardrails, six steps',
    steps: six,
    minutesPerStep: 30,
    perMinute: 100,
    base: 0.01,
    ratios: [1, 1, 5],
  },
];

const days = 28;
const perDay = 1000;

/** Experiments of four weeks, looked at every day, on conversions of 10%. @param effect true difference of the shares */
function experiments(
  effect: number,
  seed: number,
  each = runs,
): { superior: number; uncovered: number; ratioAlarms: number } {
  const random = randomFrom(seed);
  const metric: ExperimentMetric = { name: 'conversion', kind: 'conversion', require: 'superior' };
  const settings: AbTest = {
    assignments: '',
    columns: { user: 'user', arm: 'arm' },
    arms: { champion: 'A', candidate: 'B' },
    users: (days * perDay) / 2,
    metrics: [metric],
  };
  let [superior, uncovered, ratioAlarms] = [0, 0, 0];
  for (let run = 0; run < each; run += 1) {
    const [users, hits] = [
      [0, 0],
      [0, 0],
    ] as [[number, number], [number, number]];
    const found = { superior: false, uncovered: false, ratio: false };
    for (let day = 0; day < days; day += 1) {
      const candidate = binomial(random, perDay, 0.5);
      users[0] += perDay - candidate;
      users[1] += candidate;
      hits[0] += binomial(random, perDay - candidate, 0.1);
      hits[1] += binomial(random, candidate, 0.1 + effect);
      const arm = (which: 0 | 1): { users: number; y: number; yy: number } => {
        const share = hits[which] / users[which];
        return { users: users[which], y: share, yy: (share * (1 - share) * users[which]) / (users[which] - 1) };
      };
      // Both bounds together at 5%.
      const { comparison } = analyse(metric, { champion: arm(0), candidate: arm(1) }, settings, 0.025, 0);
      const one = analyse(metric, { champion: arm(0), candidate: arm(1) }, settings, 0.05, 0).comparison;
      if (one?.state === 'superior') found.superior = true;
      if (comparison !== undefined && (comparison.lower > effect || comparison.upper < effect)) found.uncovered = true;
      if (sampleRatio(users, [1, 1]).logBayesFactor >= Math.log(1000)) found.ratio = true;
    }
    superior += Number(found.superior);
    uncovered += Number(found.uncovered);
    ratioAlarms += Number(found.ratio);
  }
  return { superior: superior / each, uncovered: uncovered / each, ratioAlarms: ratioAlarms / each };
}

const lines = [
  '# Levels of rollouts and experiments',
  '',
  `Simulations judged by the production code, with alpha 5%; ${runs} rollouts or experiments a row, fixed seeds.`,
  '`npm run bench -- rollout-levels` makes this page.',
  '',
  '## Rollouts',
  '',
  'Looked at every minute where nothing else is said (a rollout looks every 15 s); six steps are 1, 2, 5, 10, 25 and 50% of 30 minutes each. Errors of the champion: 1%, 2% with three guardrails, 5% with',
  'many requests. Each request is of a user of its own.',
  '',
  '| candidate | requests a minute, both arms | taken back for harm | for anything else | median minute |',
  '|---|---|---|---|---|',
];
for (const [index, scenario] of scenarios.entries()) {
  const { harm, other, median } = simulate(scenario, 100 + index);
  lines.push(`| ${scenario.title} | ${scenario.perMinute} | ${percent(harm)} | ${percent(other)} | ${median ?? ''} |`);
  console.log(lines.at(-1));
}
lines.push(
  '',
  '## Experiments',
  '',
  `${days} days with ${perDay} new users each, half of them with the candidate, looked at every day: conversions of 10%, bounds tightest at half of the users.`,
  '',
  '| true difference | ever shown to be better | interval ever missed the truth | sample ratio ever alarmed |',
  '|---|---|---|---|',
);
for (const effect of [0, 0.01, 0.02]) {
  const { superior, uncovered, ratioAlarms } = experiments(effect, 200 + Math.round(1000 * effect));
  lines.push(
    `| ${effect === 0 ? 'none' : `${100 * effect} points`} | ${percent(superior)} | ${percent(uncovered)} | ${percent(ratioAlarms)} |`,
  );
  console.log(lines.at(-1));
}
await writeFile(join(projectRoot, 'docs', 'rollout-levels.md'), `${lines.join('\n')}\n`);
