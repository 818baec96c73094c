import { defaults } from '../../config/index.ts';
import { latencyLimits, type LatencyLimit } from './objectives.ts';
import type { Slo } from './schema.ts';
import { counted, percent } from '../../wording.ts';
import { outcomes, type Outcome, type WindowResult } from './driver.ts';
import { judgeShare, percentile, sampleFloor } from './latency.ts';

export interface ObjectiveResult {
  verdict: 'pass' | 'fail' | 'inconclusive';
  observed: number;
  required: number;
  message: string;
  /** Why an inconclusive finding is one: another window can settle all but too few samples. */
  because?: 'generator' | 'samples' | 'close';
}

export interface LatencyResult extends ObjectiveResult {
  /** p50, p90, p95, p99, p99.9, max */
  name: string;
}

/** Is the load generator, not the server, the limit? */
export interface GeneratorResult {
  /** Too busy to time answers rightly: an answer may have waited here before it was read. */
  overloaded: boolean;
  /** Too late in sending: known for each request, and so taken off before a server is blamed. */
  late: boolean;
  message: string;
}

export interface WindowFindings {
  latency: LatencyResult[];
  throughput: ObjectiveResult;
  errors: ObjectiveResult;
  /** Requests by outcome. */
  counts: Record<Outcome, number>;
  generator: GeneratorResult;
  /** All timing objectives together. */
  verdict: ObjectiveResult['verdict'];
}

/** Errors tolerated where the configuration is silent. */
export const defaultErrorRate = 0.01;

/**
 * Judge the timing of a window. Latency counts from the intended send time, so whatever the generator adds makes a
 * server look slower, never faster: a pass is a pass on any machine. A miss is held against the server only if it
 * remains when the generator's own lag is taken off and the generator had time to read answers as they came;
 * else it is inconclusive.
 */
export function judgeWindow(result: WindowResult, slo: Slo): WindowFindings {
  const limits = latencyLimits(slo);
  const generator = judgeGenerator(result, Math.min(...limits.map((limit) => limit.ms)));
  const latency = limits.map((limit) => judgeLatency(result, limit, generator));
  const throughput = judgeThroughput(result, slo, generator);
  const counts = countOutcomes([result]);
  const verdicts = [...latency, throughput].map((finding) => finding.verdict);
  return {
    latency,
    throughput,
    errors: judgeErrors(counts, slo, generator),
    counts,
    generator,
    verdict: verdicts.includes('fail') ? 'fail' : verdicts.includes('inconclusive') ? 'inconclusive' : 'pass',
  };
}

/** Whether nothing is held against the server, as what was missed may be the generator's. */
export function generatorWasLimit({ generator, latency, throughput, errors }: WindowFindings): boolean {
  if (generator.overloaded) return true;
  const all: readonly Pick<ObjectiveResult, 'verdict' | 'because'>[] = [...latency, throughput, errors];
  return all.every(({ verdict }) => verdict !== 'fail') && all.some(({ because }) => because === 'generator');
}

function judgeLatency(result: WindowResult, limit: LatencyLimit, generator: GeneratorResult): LatencyResult {
  const { p } = limit;
  const total = result.latency.length;
  const over = countOver(result.latency, limit.ms);
  const overWithoutLag = countOver(
    result.latency.map((latency, index) =>
      outcomes[result.outcome[index] as number] === 'unsent' ? 0 : latency - (result.lag[index] as number),
    ),
    limit.ms,
  );
  const observed = percentile(result.latency.toSorted(), p);
  const { name } = limit;
  const finding = (
    verdict: ObjectiveResult['verdict'],
    message: string,
    because?: ObjectiveResult['because'],
  ): LatencyResult => {
    return { name, verdict, observed, required: limit.ms, message, ...(because === undefined ? {} : { because }) };
  };
  const numbers = `${name} is ${milliseconds(observed)} against ${milliseconds(limit.ms)} (${over} of ${total} requests over it)`;
  if (judgeShare({ over, total, p }) === 'met') return finding('pass', numbers);
  if (judgeShare({ over: overWithoutLag, total, p }) === 'missed') {
    return generator.overloaded
      ? finding('inconclusive', blamed(numbers, generator), 'generator')
      : finding('fail', numbers);
  }
  const floor = sampleFloor(p);
  if (p < 1 && total < floor) {
    return finding(
      'inconclusive',
      `${name} cannot be tested with ${total} requests: at least ${floor} are needed`,
      'samples',
    );
  }
  return judgeShare({ over, total, p }) === 'missed'
    ? finding('inconclusive', blamed(numbers, generator), 'generator')
    : finding('inconclusive', `${numbers}: too close to call`, 'close');
}

/**
 * The share of requests answered, with any status, by the end of the schedule and the slowest latency that the
 * objectives allow: a server that keeps up has no more than that in flight.
 */
function judgeThroughput(result: WindowResult, slo: Slo, generator: GeneratorResult): ObjectiveResult {
  const required = slo.throughput ?? defaults.throughput;
  const planned = result.offsets.length;
  const end = (result.offsets.at(-1) ?? 0) + Math.max(500, ...latencyLimits(slo).map((limit) => limit.ms));
  const share = (withoutGenerator: boolean): number => {
    let answered = 0;
    for (let index = 0; index < planned; index += 1) {
      const outcome = outcomes[result.outcome[index] as number];
      const lag = withoutGenerator ? (result.lag[index] as number) : 0;
      const done = (result.offsets[index] as number) + (result.latency[index] as number) - lag;
      if (outcome === 'refused' || (outcome === 'accepted' && done <= end)) answered += 1;
      else if (withoutGenerator && outcome === 'unsent') answered += 1;
    }
    return answered / planned;
  };
  const observed = share(false);
  const message = `${percent(observed)} of ${planned} requests were answered in time, at least ${percent(required)} required`;
  if (observed >= required) return { verdict: 'pass', observed, required, message };
  if (!generator.overloaded && share(true) < required) return { verdict: 'fail', observed, required, message };
  return { verdict: 'inconclusive', observed, required, message: blamed(message, generator), because: 'generator' };
}

/** The share of requests without a usable answer. Of those sent, only time-outs can be the fault of an overloaded generator. */
export function judgeErrors(counts: Record<Outcome, number>, slo: Slo, generator: GeneratorResult): ObjectiveResult {
  const required = slo.error_rate ?? defaultErrorRate;
  const total = outcomes.reduce((sum, outcome) => sum + counts[outcome], 0);
  const errors = total - counts.accepted;
  const observed = errors / total;
  const kinds = outcomes
    .filter((outcome) => outcome !== 'accepted' && counts[outcome] > 0)
    .map((outcome) => `${counts[outcome]} ${outcomeNames[outcome]}`);
  const message =
    errors === 0
      ? `No errors in ${total} requests`
      : `${errors} of ${total} requests failed (${percent(observed)}, at most ${percent(required)}): ${kinds.join(', ')}`;
  if (observed <= required) return { verdict: 'pass', observed, required, message };
  if ((errors - counts.unsent - (generator.overloaded ? counts.timeout : 0)) / total > required) {
    return { verdict: 'fail', observed, required, message };
  }
  // The generator is that of one window, and its requests may all have been sent.
  const why = counts.unsent > 0 ? { message: noneLeft(counts.unsent) } : generator;
  return { verdict: 'inconclusive', observed, required, message: blamed(message, why), because: 'generator' };
}

const outcomeNames: Record<Outcome, string> = {
  unfinished: 'unfinished',
  accepted: 'answered',
  refused: 'with an unusable answer',
  timeout: 'timed out',
  lost: 'with a lost connection',
  unsent: 'not sent',
};

/** Requests of some windows by outcome. */
export function countOutcomes(results: readonly WindowResult[]): Record<Outcome, number> {
  const counts: Record<Outcome, number> = { unfinished: 0, accepted: 0, refused: 0, timeout: 0, lost: 0, unsent: 0 };
  for (const result of results) for (const code of result.outcome) counts[outcomes[code] as Outcome] += 1;
  return counts;
}

function noneLeft(unsent: number): string {
  return `this machine ran out of file descriptors or ports for ${counted(unsent, 'requests')}`;
}

/** Fewer requests that could not be sent say nothing of the others. */
const mostUnsent = 0.01;
const busiestLoop = 0.7;
const mostSteal = 0.02;
const mostOthers = 0.2;
const mostThrottled = 0.05;

export function judgeGenerator(result: WindowResult, tightestMs: number): GeneratorResult {
  const { eventLoop, steal, others = null, throttled = null } = result.host;
  const lag = percentile(result.lag.toSorted(), 0.99);
  const { unsent } = countOutcomes([result]);
  const mostLag = Math.max(2, Number.isFinite(tightestMs) ? 0.05 * tightestMs : 0);
  const complaints = [
    ...(unsent > 0 ? [noneLeft(unsent)] : []),
    ...(lag > mostLag ? [`it sent ${milliseconds(lag)} late at p99 (at most ${milliseconds(mostLag)})`] : []),
    ...(eventLoop > busiestLoop
      ? [`its event loop was ${percent(eventLoop)} busy (at most ${percent(busiestLoop)})`]
      : []),
    ...(steal !== null && steal > mostSteal
      ? [`other machines took ${percent(steal)} of the CPU (at most ${percent(mostSteal)})`]
      : []),
    ...(others !== null && others > mostOthers
      ? [
          `other processes of this machine took ${percent(others)} of the CPU (at most ${percent(mostOthers)} when none is left)`,
        ]
      : []),
    ...(throttled !== null && throttled > mostThrottled
      ? [
          `the CPU limit of the container or group that this runs in held it back in ${percent(throttled)} of its periods (at most ${percent(mostThrottled)})`,
        ]
      : []),
  ];
  return {
    overloaded:
      unsent > mostUnsent * result.outcome.length ||
      eventLoop > busiestLoop ||
      (steal !== null && steal > mostSteal) ||
      (others !== null && others > mostOthers) ||
      (throttled !== null && throttled > mostThrottled),
    late: lag > mostLag || unsent > 0,
    message:
      complaints.length > 0
        ? complaints.join(', ')
        : `it sent ${milliseconds(lag)} late at p99, its event loop was ${percent(eventLoop)} busy`,
  };
}

function blamed(message: string, generator: Pick<GeneratorResult, 'message'>): string {
  return `${message}, but the load generator was the limit: ${generator.message}`;
}

function countOver(latency: Float64Array, limit: number): number {
  let over = 0;
  for (const value of latency) if (value > limit) over += 1;
  return over;
}

/** Three significant digits, enough for a person. */
export function milliseconds(value: number): string {
  return `${Number(value.toPrecision(3))} ms`;
}
