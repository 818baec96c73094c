import type { Check, Verdict } from '../../evidence/index.ts';
import type { AnswerSummary } from './answers.ts';
import type { WindowResult } from './driver.ts';
import {
  countOutcomes,
  defaultErrorRate,
  judgeErrors,
  latencyLimits,
  type ObjectiveResult,
  type WindowFindings,
  type Slo,
} from './judge.ts';
import { defaults } from '../../config/index.ts';
import { percent } from '../../wording.ts';

/** A window and what it says. */
export interface MeasuredWindow {
  result: WindowResult;
  findings: WindowFindings;
}

/** What is known of the target beside its answers. */
export interface TargetWatch {
  /** Why it is not alive; null while it is. */
  exit: string | null;
  peakMemoryBytes: number | null;
  peakCpuPercent: number | null;
}

/** What the load did to the target. */
export interface LoadOutcome {
  windows: readonly MeasuredWindow[];
  answers: AnswerSummary;
  watch: TargetWatch;
}

/**
 * The checks of a load test: load/alive, load/p50 and so on for every objective that is set, load/throughput,
 * load/error-rate, load/parity or load/accuracy, and load/generator for information.
 * Timing is judged on the window that settled it, errors and answers over all windows.
 */
export function loadChecks({ windows, answers, watch }: LoadOutcome, slo: Slo): Check[] {
  const alive: Check = {
    id: 'load/alive',
    title: 'Availability during the test',
    verdict: watch.exit === null ? 'pass' : 'fail',
    severity: 'block',
    message:
      watch.exit === null
        ? 'The target stayed up during the test'
        : `The target stopped during the test: ${watch.exit}`,
    observed: watch.exit ?? 'alive',
    required: 'alive',
  };
  const decisive = decisiveWindow(windows);
  if (watch.exit !== null || decisive === undefined) return [alive, ...skipped(slo)];
  const { findings } = decisive;
  const note = windows.length === 1 ? '' : ` (measured ${windows.length} times)`;
  return [
    alive,
    ...findings.latency.map((finding) =>
      check(
        `load/${finding.name}`,
        latencyTitle(finding.name),
        { ...finding, message: finding.message + note },
        mostMilliseconds,
      ),
    ),
    check(
      'load/throughput',
      'Requests answered in time',
      { ...findings.throughput, message: findings.throughput.message + note },
      leastShare,
    ),
    check(
      'load/error-rate',
      'Errors under load',
      judgeErrors(countOutcomes(windows.map(({ result }) => result)), slo, findings.generator),
      mostShare,
    ),
    answersCheck(answers, slo),
    generatorCheck(findings),
  ];
}

/** The last window with the verdict that prevails: two misses, or more windows that pass than miss. */
function decisiveWindow(windows: readonly MeasuredWindow[]): MeasuredWindow | undefined {
  const having = (verdict: ObjectiveResult['verdict']): MeasuredWindow[] =>
    windows.filter(({ findings }) => findings.verdict === verdict);
  const passes = having('pass');
  const misses = having('fail');
  if (passes.length > misses.length) return passes.at(-1);
  if (misses.length >= 2 || windows.length === misses.length) return misses.at(-1);
  return having('inconclusive').at(-1) ?? windows.at(-1);
}

/** Trouble of the generator matters only where an objective was missed: it makes a server look slower, never faster. */
function generatorCheck({ generator, verdict }: WindowFindings): Check {
  const trouble = generator.overloaded || generator.late;
  const message = !trouble
    ? `The load generator kept its schedule: ${generator.message}`
    : verdict === 'pass'
      ? `The load generator was busy (${generator.message}); latencies include that, and still meet the objectives`
      : `The load generator was busy: ${generator.message}`;
  return {
    id: 'load/generator',
    title: 'Load generator',
    verdict: trouble && verdict !== 'pass' ? 'inconclusive' : 'pass',
    severity: 'info',
    message,
    observed: generator.overloaded ? 'overloaded' : generator.late ? 'late' : 'on time',
    required: 'on time',
  };
}

function answersCheck(answers: AnswerSummary, slo: Slo): Check {
  if (typeof slo.accuracy === 'number') {
    const share = answers.judged === 0 ? 0 : answers.correct / answers.judged;
    const finding = {
      verdict: answers.judged === 0 ? 'inconclusive' : share >= slo.accuracy ? 'pass' : 'fail',
      observed: share,
      required: slo.accuracy,
      message:
        answers.judged === 0
          ? 'No answer could be compared with a label'
          : `${answers.correct} of ${answers.judged} answers are right (${percent(share)}, at least ${percent(slo.accuracy)} required)`,
    } as const;
    return check('load/accuracy', 'Accuracy under load', finding, leastShare);
  }
  const { compared, mismatched, mismatches } = answers;
  const first = mismatches[0];
  const example =
    first === undefined ? '' : `, first row ${first.row}: offline ${first.offline}, served ${first.served}`;
  const finding = {
    verdict: compared === 0 ? 'inconclusive' : mismatched === 0 ? 'pass' : 'fail',
    observed: mismatched,
    required: 0,
    message:
      compared === 0
        ? 'No answer could be compared with the offline predictions'
        : mismatched === 0
          ? `All ${compared} answers equal the offline predictions`
          : `${mismatched} of ${compared} answers differ from the offline predictions${example}`,
  } as const;
  return check('load/parity', 'Served answers that differ from the offline predictions', finding, mostAnswers);
}

/** A target that died cannot be judged on its speed. */
function skipped(slo: Slo): Check[] {
  const skip = (id: string, title: string, required: number, limit: Limit): Check =>
    check(id, title, { verdict: 'skipped', observed: 0, required, message: 'The target stopped' }, limit);
  return [
    ...latencyLimits(slo).map(({ name, ms }) => skip(`load/${name}`, latencyTitle(name), ms, mostMilliseconds)),
    skip('load/throughput', 'Requests answered in time', slo.throughput ?? defaults.throughput, leastShare),
    skip('load/error-rate', 'Errors under load', slo.error_rate ?? defaultErrorRate, mostShare),
    typeof slo.accuracy === 'number'
      ? skip('load/accuracy', 'Accuracy under load', slo.accuracy, leastShare)
      : skip('load/parity', 'Served answers that differ from the offline predictions', 0, mostAnswers),
  ];
}

type Limit = Required<Pick<Check, 'limit' | 'unit'>>;
const mostMilliseconds: Limit = { limit: 'at most', unit: 'ms' };
const mostShare: Limit = { limit: 'at most', unit: 'share' };
const leastShare: Limit = { limit: 'at least', unit: 'share' };
const mostAnswers: Limit = { limit: 'at most', unit: 'answers' };

function latencyTitle(name: string): string {
  return `${name} latency`;
}

function check(
  id: string,
  title: string,
  { verdict, observed, required, message }: Omit<ObjectiveResult, 'verdict'> & { verdict: Verdict },
  limit: Limit,
): Check {
  return {
    id,
    title,
    verdict,
    severity: 'block',
    message,
    observed: verdict === 'skipped' ? null : Number(observed.toPrecision(6)),
    required,
    ...limit,
  };
}
