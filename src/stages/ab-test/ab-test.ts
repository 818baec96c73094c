import { alphaOf } from '../../config/defaults.ts';
import { quantityOf } from '../../config/quantity.ts';
import { inWorkspace } from '../../data/workspace.ts';
import { DataError } from '../../errors.ts';
import { statedSize, type Artifact, type Check, type Comparison, type Verdict } from '../../evidence/index.ts';
import { bisected } from '../../statistics/bisection.ts';
import { normalCdf, normalQuantile } from '../../statistics/distributions.ts';
import { sequenceFactor } from '../../statistics/anytime-means.ts';
import { differenceVariance } from '../../statistics/difference-variance.ts';
import { cupedDifference, meanDifference, ratioDifference } from '../../statistics/experiment.ts';
import type { Estimate, Moments } from '../../statistics/experiment.ts';
import { holm } from '../../statistics/multiplicity.ts';
import { sampleRatio, sharesDiffer } from '../../statistics/sample-ratio.ts';
import { capitalised, count, percent } from '../../wording.ts';
import { comparisonText, findingText, requirementText, stateOf, verdictOf } from '../comparison.ts';
import type { LogsContext, StageResult } from '../stage.ts';
import { usersFor } from './plan.ts';
import { readExperiment, type Arms, type LogFindings } from './read-logs.ts';
import { abTestSettings, levelsOf, scaleOf, type AbTest, type ExperimentMetric } from './schema.ts';

/** Level at which covariates of the arms differ, over all looks. */
const covariateAlarm = 0.001;
/** Fewer conversions in all show nothing by a normal approximation. */
const leastEvents = 10;
/** So many users with an outcome that are expected, and none seen, are no chance. */
const leastExpected = 20;

/** Judge an experiment from its logs. @throws DataError, ConfigError */
export async function judgeExperiment(context: LogsContext): Promise<StageResult> {
  const settings = abTestSettings(context.config) as AbTest;
  if (context.champion === null) {
    throw new DataError({
      found: 'there is no champion',
      expected: 'an experiment between a champion and the candidate',
      remedy: 'Register the model that serves the other arm: contender registry register --artifact FILE',
    });
  }
  const alpha = alphaOf(context.config.policy);
  const experiment = await inWorkspace((workspace) => readExperiment(workspace, context.datasets, settings), 1);
  const { findings } = experiment;
  const trust = [
    ...trustChecks(findings, settings, { champion: context.champion, candidate: context.candidate }),
    ...covariateChecks(experiment.whole, settings),
  ];
  const doubts = trust.filter(({ severity, verdict }) => severity === 'block' && verdict !== 'pass');
  const levels = levelsOf(settings.metrics, alpha);
  const analysed = (arms: readonly Arms[], levelOf: (index: number) => number): Analysis[] =>
    settings.metrics.map((metric, index) => analyse(metric, arms[index] as Arms, settings, levelOf(index), index));
  const rows = analysed(experiment.whole, (index) => levels[index] as number);
  const adjusted = adjustedP(settings.metrics, rows);
  const checks = settings.metrics.map((metric, index) =>
    metricCheck(metric, rows[index] as Analysis, { settings, doubts, p: adjusted[index] }),
  );
  const nameOf = (index: number): string => settings.metrics[index]?.name as string;
  const segments = experiment.segments.map(({ segment, metrics }) => ({
    segment,
    metrics: analysed(metrics, () => alpha / experiment.segments.length).map((shown, index) => {
      return { name: nameOf(index), users: shown.users, ...numbersOf(shown) };
    }),
  }));
  const ratio = sampleRatio(findings.assigned, sharesOf(settings));
  return {
    checks: [...trust, ...checks],
    details: {
      analysis: isSequential(settings) ? 'sequential' : 'fixed',
      findings,
      sampleRatio: { ...ratio, planned: sharesOf(settings) },
      metrics: rows.map((row, index) => {
        const { users, p, estimate } = row;
        return { name: nameOf(index), users, p, adjusted: adjusted[index], cuped: estimate?.cuped, ...numbersOf(row) };
      }),
      segments,
    },
  };
}

/** Standard errors from the estimate to a bound, at the users there are. */
function boundFactor(settings: AbTest, users: number, alpha: number): number {
  return isSequential(settings) ? sequenceFactor(users, settings.users, alpha, 1) : normalQuantile(1 - alpha);
}

function isSequential({ analysis = 'sequential' }: AbTest): boolean {
  return analysis === 'sequential';
}

function sharesOf({ candidate_share: share = 0.5 }: AbTest): [champion: number, candidate: number] {
  return [1 - share, share];
}

export interface Analysis {
  /** Users with a value, champion first. */
  users: [champion: number, candidate: number];
  /** Absent: there is too little to compute anything. */
  estimate?: Estimate;
  comparison?: Comparison;
  /** Two-sided p-value of no difference: at this look, or always valid. */
  p?: number;
  /** Why nothing is shown, whatever the numbers are. */
  unknown?: string;
}

/** One metric with its bounds. @param alpha level of each bound @param index place of the metric, for messages */
export function analyse(
  metric: ExperimentMetric,
  { champion, candidate }: Arms,
  settings: AbTest,
  alpha: number,
  index: number,
): Analysis {
  const users: [number, number] = [champion?.users ?? 0, candidate?.users ?? 0];
  const least = settings.min_users ?? 100;
  if (champion === null || candidate === null || Math.min(...users) < 2) {
    return { users, unknown: `there are ${users[0]} and ${users[1]} users with a value, too few to compare` };
  }
  const estimate =
    metric.kind === 'ratio'
      ? ratioDifference(champion, candidate)
      : champion.x === undefined
        ? meanDifference(champion, candidate)
        : cupedDifference(champion, candidate);
  const isZero = ({ y, yy }: Moments): boolean => y === 0 && yy === 0;
  if (metric.kind !== 'ratio' && isZero(champion) && isZero(candidate)) {
    const where = settings.outcomes === undefined ? '' : ` within ${settings.window ?? 'the window'} of the exposure`;
    return { users, unknown: `it is 0 for every user of both arms: no outcome was recorded${where}` };
  }
  if (!Number.isFinite(estimate.delta) || !(estimate.standardError > 0)) {
    return { users, unknown: 'the metric has the same value for every user, or a denominator of 0' };
  }
  const total = users[0] + users[1];
  const sequential = isSequential(settings);
  const factor = boundFactor(settings, total, alpha);
  const sign = metric.better === 'lower' ? -1 : 1;
  const delta = sign * estimate.delta;
  const radius = factor * estimate.standardError;
  const [lower, upper] = [delta - radius, delta + radius];
  const told = { title: metric.name.replaceAll('_', ' '), scale: scaleOf(metric) };
  const margin =
    metric.margin === undefined ? 0 : quantityOf(metric.margin, told, 'difference', `ab_test.metrics[${index}].margin`);
  const comparison: Comparison = {
    metric: metric.name,
    scale: scaleOf(metric),
    champion: estimate.champion,
    candidate: estimate.candidate,
    delta,
    lower,
    upper,
    margin,
    alpha,
    state: stateOf(lower, upper, margin),
    ...(metric.require === undefined ? {} : { requirement: metric.require }),
    ...(lower > -margin && upper < 0 ? { worseWithinMargin: true } : {}),
    method: methodOf(metric, estimate, sequential),
    n: total,
  };
  const size = statedSize(margin, scaleOf(metric));
  comparison.finding = findingText(metric.require ?? 'superior', comparison, size);
  const z = Math.abs(estimate.delta) / estimate.standardError;
  const p = sequential ? alwaysValidP(z, total, settings.users) : 2 * normalCdf(-z);
  const hits = metric.kind === 'conversion' ? champion.users * champion.y + candidate.users * candidate.y : null;
  const unknown =
    Math.min(...users) < least
      ? `the smaller arm has ${count(Math.min(...users))} users, fewer than min_users ${least}`
      : hits !== null && Math.min(hits, total - hits) < leastEvents
        ? `${Math.round(Math.min(hits, total - hits))} users differ from the rest, too few to compare (at least ${leastEvents} needed)`
        : !sequential && total < settings.users
          ? `the fixed analysis is done once, at ${count(settings.users)} users, and there are ${count(total)} so far`
          : undefined;
  return { users, estimate, comparison, p, ...(unknown === undefined ? {} : { unknown }) };
}

function methodOf({ kind }: ExperimentMetric, { cuped }: Estimate, sequential: boolean): string {
  const estimate = kind === 'ratio' ? 'delta-method' : cuped === undefined ? 'difference-in-means' : 'cuped';
  return `${estimate}, ${sequential ? 'asymptotic-confidence-sequence' : 'normal'}`;
}

/** The level at which a two-sided confidence sequence just reaches no difference. */
function alwaysValidP(z: number, n: number, tuned: number): number {
  if (z <= sequenceFactor(n, tuned, 0.999)) return 1;
  // The boundary is tuned at one level, 5%: its shape must not depend on what is tested.
  const [low, high] = bisected(Math.log(1e-12), 0, 60, (log) => z > sequenceFactor(n, tuned, Math.exp(log)));
  return Math.exp((low + high) / 2);
}

/** Holm's p-values over the metrics that are advice; undefined for those that are judged by their bounds. */
function adjustedP(metrics: readonly ExperimentMetric[], rows: readonly Analysis[]): (number | undefined)[] {
  const advice = metrics.flatMap(({ require }, index) => {
    const p = rows[index]?.p;
    return require === undefined && p !== undefined ? [{ index, p }] : [];
  });
  const adjusted = holm(advice.map(({ p }) => p));
  return metrics.map((_, index) => adjusted[advice.findIndex((each) => each.index === index)]);
}

function metricCheck(
  metric: ExperimentMetric,
  { comparison, unknown }: Analysis,
  { settings, doubts, p }: { settings: AbTest; doubts: readonly Check[]; p: number | undefined },
): Check {
  const title = metric.name.replaceAll('_', ' ');
  const shown = { title, better: metric.better ?? 'higher', scale: scaleOf(metric) };
  const size = statedSize(comparison?.margin ?? 0, shown.scale);
  const required =
    metric.require === undefined ? null : requirementText(metric.require, size, metric.margin !== undefined);
  const severity = metric.require === undefined ? 'info' : (metric.severity ?? 'block');
  const base = { id: `ab-test/${metric.name}`, title: capitalised(title), severity, required } as const;
  if (comparison === undefined) {
    const message = `There is no result for ${title}: ${unknown ?? 'no users'}.`;
    return { ...base, verdict: severity === 'info' ? 'skipped' : 'inconclusive', message, observed: unknown ?? null };
  }
  const numbers = `${capitalised(comparisonText(shown, comparison))}, over ${count(comparison.n)} users.`;
  const observed = comparison.finding ?? comparison.state;
  if (metric.require === undefined) {
    const corrected = p === undefined ? '' : ` Corrected for the number of advisory metrics: p = ${p.toPrecision(2)}.`;
    return {
      ...base,
      verdict: unknown === undefined ? 'pass' : 'skipped',
      message: numbers + corrected,
      observed,
      comparison,
    };
  }
  const [doubt] = doubts;
  const why =
    doubt === undefined ? unknown : `the experiment cannot be trusted: the check "${doubt.title}" did not pass`;
  const { lower, upper, margin } = comparison;
  const verdict: Verdict = why === undefined ? verdictOf(metric.require, lower, upper, margin) : 'inconclusive';
  // What the bounds seem to show must not stand beside a verdict that says they show nothing.
  const told = {
    ...comparison,
    ...(why === undefined ? outlookOf(metric, comparison, verdict, settings) : { finding: `not judged: ${why}` }),
  };
  const message =
    why === undefined
      ? `${numbers}${told.outlook === undefined ? '' : ` ${capitalised(told.outlook)}.`}`
      : `${capitalised(title)} is not judged: ${why}. ${numbers}`;
  return { ...base, verdict, message, observed: told.finding ?? observed, comparison: told };
}

/** How many more users would settle what is open. */
function outlookOf(
  { require }: ExperimentMetric,
  comparison: Comparison,
  verdict: Verdict,
  settings: AbTest,
): Pick<Comparison, 'outlook' | 'rowsNeeded'> {
  const { delta, lower, margin, n, scale, alpha } = comparison;
  const gap = require === 'superior' ? delta : delta + margin;
  if (verdict !== 'inconclusive' || !(gap > 0)) return {};
  const perUser = ((delta - lower) / boundFactor(settings, n, alpha)) * Math.sqrt(n);
  const sequential = isSequential(settings);
  const needed = usersFor({ gap, perUser, alpha, power: 0.8, sequential, tuned: settings.users });
  if (!(needed > n)) return {};
  const more = count(Number((needed - n).toPrecision(2)));
  return {
    rowsNeeded: Math.ceil(needed),
    outlook: `about ${more} more users would show it if the difference truly is ${statedSize(Number(delta.toPrecision(2)), scale)}`,
  };
}

function numbersOf({ comparison, unknown }: Analysis): Record<string, unknown> {
  if (comparison === undefined) return { unknown };
  const { champion, candidate, delta, lower, upper, alpha, method } = comparison;
  const relative = champion === 0 ? null : (candidate - champion) / Math.abs(champion);
  const why = unknown === undefined ? {} : { unknown };
  return { champion, candidate, delta, lower, upper, alpha, method, relative, ...why };
}

/** May the logs be believed? What speaks against them is no fault of the candidate: it holds, and does not reject. */
function trustChecks(
  findings: LogFindings,
  settings: AbTest,
  artifacts: { champion: Artifact; candidate: Artifact },
): Check[] {
  return [
    ratioCheck(findings, settings),
    crossoverCheck(findings, settings),
    ...outcomesCheck(findings),
    logCheck(findings),
    ...(settings.columns.version === undefined ? [] : [versionCheck(findings, artifacts)]),
  ];
}

function ratioCheck({ assigned }: LogFindings, settings: AbTest): Check {
  const shares = sharesOf(settings);
  const ratio = sampleRatio(assigned, shares);
  const { p, logBayesFactor, statistic } = ratio;
  const alarm = sharesDiffer(ratio, !isSequential(settings));
  const total = assigned[0] + assigned[1];
  const share = total === 0 ? 0 : assigned[1] / total;
  const counts = `${count(assigned[1])} of ${count(total)} users are in the candidate's arm`;
  const evidence = `log Bayes factor ${logBayesFactor.toFixed(2)}, chi-squared ${statistic.toFixed(2)}, p = ${p.toPrecision(2)}`;
  return {
    id: 'ab-test/sample-ratio',
    title: 'Users arrived in the planned shares',
    severity: 'block',
    verdict: total === 0 ? 'inconclusive' : alarm ? 'inconclusive' : 'pass',
    message: alarm
      ? `${counts} (${percent(share)}), and ${percent(shares[1])} were planned (${evidence}): assignment or logging loses users of one arm, so no metric can be trusted. Find the cause and start a new experiment.`
      : `${counts}, as planned (${evidence}).`,
    observed: share,
    required: shares[1],
    unit: 'share',
  };
}

/** Arms that differed before anybody was exposed were not drawn at random, or the covariate is of after the exposure: CUPED would shift the effect. */
function covariateChecks(arms: readonly Arms[], settings: AbTest): Check[] {
  const before = arms.map(({ champion, candidate }): number | null => {
    if (champion?.x === undefined || candidate?.x === undefined) return null;
    if (Math.min(champion.users, candidate.users) < (settings.min_users ?? 100)) return null;
    const variance = differenceVariance(
      { n: champion.users, variance: champion.x.variance },
      { n: candidate.users, variance: candidate.x.variance },
    );
    const z = Math.abs(candidate.x.mean - champion.x.mean) / Math.sqrt(variance);
    return variance > 0 ? alwaysValidP(z, champion.users + candidate.users, settings.users) : null;
  });
  const known = before.filter((p) => p !== null);
  if (known.length === 0) return [];
  const p = Math.min(...known);
  const name = settings.metrics[before.indexOf(p)]?.name.replaceAll('_', ' ') ?? '';
  const alarm = p < covariateAlarm / known.length;
  return [
    {
      id: 'ab-test/covariate',
      title: 'Arms were equal before the exposure',
      severity: 'block',
      verdict: alarm ? 'inconclusive' : 'pass',
      message: alarm
        ? `The covariate of ${name} differs between the arms (always-valid p = ${p.toPrecision(2)}): users were not assigned at random, or the covariate was measured after the exposure.`
        : `No covariate differs between the arms (smallest always-valid p = ${p.toPrecision(2)}).`,
      observed: p,
      required: covariateAlarm / known.length,
      limit: 'at least',
    },
  ];
}

function crossoverCheck({ inBoth, assigned }: LogFindings, { max_crossover: most = 0.01 }: AbTest): Check {
  const users = inBoth + assigned[0] + assigned[1];
  const share = users === 0 ? 0 : inBoth / users;
  return {
    id: 'ab-test/one-arm',
    title: 'Users stayed in one arm',
    severity: 'block',
    verdict: share <= most ? 'pass' : 'inconclusive',
    message:
      inBoth === 0
        ? 'Every user was in one arm.'
        : `${count(inBoth)} of ${count(users)} users were in both arms and are excluded.${share <= most ? '' : ' Assignment must be sticky: route by a hash of the user.'}`,
    observed: share,
    required: most,
    limit: 'at most',
    unit: 'share',
  };
}

/** An arm without a single outcome, of whatever kind, where the other has many: its log is not there, or knows its users by other names. */
function outcomesCheck({ heard }: LogFindings): Check[] {
  const [champion, candidate] = heard ?? [];
  if (champion === undefined || candidate === undefined) return [];
  const isSilent = (one: typeof champion, other: typeof champion): boolean =>
    one.withOutcome === 0 && (other.withOutcome / Math.max(1, other.users)) * one.users >= leastExpected;
  const silent = isSilent(champion, candidate) ? 'champion' : isSilent(candidate, champion) ? 'candidate' : null;
  const counts = `${count(champion.withOutcome)} of ${count(champion.users)} users of the champion and ${count(candidate.withOutcome)} of ${count(candidate.users)} of the candidate have an outcome`;
  return [
    {
      id: 'ab-test/outcomes',
      title: 'Outcomes were logged of both arms',
      severity: 'block',
      verdict: silent === null ? 'pass' : 'inconclusive',
      message:
        silent === null
          ? `${capitalised(counts)}.`
          : `${capitalised(counts)}: no outcome of any kind was logged of the ${silent}, so its log is missing or has other ids or times. Log another outcome of every user too, such as a visit, if it is true that there are none.`,
      observed: `${count(champion.withOutcome)} and ${count(candidate.withOutcome)}`,
      required: 'some of both',
    },
  ];
}

function logCheck(findings: LogFindings): Check {
  const { exposures, incomplete, repeated, contradicting, strangers, before, early, outcomes, unknownEvents } =
    findings;
  const said = [
    incomplete > 0
      ? `${count(incomplete)} of ${count(exposures)} exposures have no user or no arm and are excluded`
      : null,
    contradicting > 0
      ? `${count(contradicting)} outcome ids are used for different outcomes; the earliest counts`
      : null,
    repeated > 0 ? `${count(repeated)} of ${count(outcomes)} outcomes were logged more than once and count once` : null,
    unknownEvents.length > 0
      ? `no outcome is named ${unknownEvents.map((name) => JSON.stringify(name)).join(', ')}`
      : null,
    strangers > 0 ? `${count(strangers)} outcomes belong to users who were not exposed` : null,
    before > 0 ? `${count(before)} outcomes came before the exposure and do not count as its effect` : null,
    early > 0 ? `${count(early)} users are excluded until their window is over` : null,
    findings.end !== null && findings.end > Date.now() + 600_000 ? 'the logs have times in the future' : null,
  ].filter((each) => each !== null);
  // Most outcomes of strangers: the ids of the two logs are not the same. Most of them before the exposure: a clock or a zone is wrong.
  const unjoined = Math.max(strangers, before) > (outcomes - repeated) / 2;
  const bad =
    contradicting > 0 ||
    incomplete > exposures / 100 ||
    unknownEvents.length > 0 ||
    unjoined ||
    (findings.end ?? 0) > Date.now() + 600_000;
  return {
    id: 'ab-test/logs',
    title: 'The logs are complete',
    severity: 'warn',
    verdict: bad ? 'fail' : 'pass',
    message: said.length === 0 ? 'Every row of the logs was used.' : `${capitalised(said.join('; '))}.`,
    observed: bad ? said.join('; ') : 'usable',
    required: 'usable',
  };
}

function versionCheck({ versions }: LogFindings, artifacts: Record<'champion' | 'candidate', Artifact>): Check {
  const faults = (['champion', 'candidate'] as const).flatMap((arm, index) => {
    const found = versions[index] ?? [];
    const [only] = found;
    if (only === undefined) return [`the log has no version for the arm of the ${arm}`];
    if (found.length > 1)
      return [`the arm of the ${arm} was answered by ${found.length} versions (${found.join(', ')})`];
    const digest = /^(?:sha256:)?(?<hex>[0-9a-f]{12,64})$/u.exec(only)?.groups?.['hex'];
    if (digest !== undefined && !artifacts[arm].sha256.startsWith(digest)) {
      return [
        `the arm of the ${arm} was answered by ${digest.slice(0, 12)}, but the ${arm} is ${artifacts[arm].sha256.slice(0, 12)}`,
      ];
    }
    return [];
  });
  return {
    id: 'ab-test/versions',
    title: 'Each arm was one model',
    severity: 'block',
    verdict: faults.length === 0 ? 'pass' : 'inconclusive',
    message:
      faults.length === 0
        ? 'Each arm was answered by one version.'
        : `${capitalised(faults.join('; '))}. The measured model is not the one that would be promoted.`,
    observed: faults.length === 0 ? 'one version per arm' : faults.join('; '),
    required: 'one version per arm',
  };
}
