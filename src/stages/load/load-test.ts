import { setTimeout as sleep } from 'node:timers/promises';
import { defaults, milliseconds as durationMs, parityOf } from '../../config/index.ts';
import { labelColumns } from '../../config/columns.ts';
import { classPosition, classText } from '../../data/class-text.ts';
import { readColumns, type ColumnVector, type Dataset } from '../../data/dataset.ts';
import { ConfigError, ContenderError, ModelError, StagingError, UsageError } from '../../errors.ts';
import type { Check } from '../../evidence/index.ts';
import { planInputs } from '../../model/features.ts';
import { inspectModel } from '../../model/inspect.ts';
import type { Predictions } from '../../model/predictions.ts';
import { answerReader, type AnswerReader } from '../../model/read-outputs/answers.ts';
import { onnxTypeOf, type FeatureColumn } from '../../protocol/index.ts';
import { startStaging, type StagingTarget } from '../../staging/index.ts';
import type { ContestantsContext, LocalModel, StageResult } from '../stage.ts';
import { answerBook, type AnswerBook } from './answers.ts';
import { loadChecks, type LoadOutcome, type MeasuredWindow, type TargetWatch } from './checks.ts';
import { openGenerator, type Generator, type WindowResult } from './driver.ts';
import { judgeWindow, latencyLimits, type WindowFindings } from './judge.ts';
import { histogram, percentile } from './latency.ts';
import { planRequests, type RequestPlan } from './requests.ts';
import { schedule } from './schedule.ts';
import { loadSettings, type Load } from './schema.ts';

/** The context, and what is asked of the stage. */
interface Input extends ContestantsContext {
  load: Load;
  /** The candidate as the target serves it. */
  served: LocalModel;
  /** What the candidate predicts offline for the rows of the dataset. */
  offline: Predictions;
}

/** The load profile in force. */
export interface Profile {
  rate: number;
  durationMs: number;
  arrivals: 'constant' | 'poisson';
  warmupMs: number;
  connections: number;
  rowsPerRequest: number;
  timeoutMs: number;
}

const seed = 20240501;
/** A miss must be reproduced: latency on a shared machine is noise. */
const mostWindows = 3;
const watchEveryMs = 500;
const logCharacters = 4000;

/**
 * Serve the candidate, send it labelled rows at a constant rate and judge latency, errors, throughput and answers.
 * Whatever the target does is evidence; only a mistake of the configuration, or an abort, is thrown.
 * The target is stopped in every case.
 */
export async function loadTest(context: ContestantsContext): Promise<StageResult> {
  const input = inputOf(context);
  const profile = profileOf(input.load);
  refuseImpossible(input);
  const finish = (checks: Check[], details: Record<string, unknown>): StageResult => ({
    checks,
    details: { profile: { ...profile }, slo: input.load.slo, parity: parityOf(input.config), ...details },
  });
  let target: StagingTarget | null = null;
  try {
    target = await startStaging({
      staging: input.config.staging ?? { target: 'builtin' },
      candidate: input.served.artifact,
      columns: input.columns,
      task: input.task,
      modelName: input.model,
      workspace: input.root,
      log: input.log,
      ...(input.signal === undefined ? {} : { signal: input.signal }),
    });
    const read = answerReaderOf(target, input);
    const requests = await requestsFor(target, profile, input);
    const outcome = await underLoad(target, read, requests, profile, input);
    const checks = [startedCheck(target), ...loadChecks(outcome, input.load.slo)];
    return finish(checks, {
      target: target.kind,
      ...(target.artifact === undefined ? {} : { image: target.artifact }),
      ...detailsOf(outcome, profile, input),
      ...(outcome.watch.exit === null ? {} : { log: await logTail(target) }),
    });
  } catch (error) {
    input.signal?.throwIfAborted();
    if (!(error instanceof StagingError)) throw error;
    return finish([failedCheck(error)], target === null ? {} : { target: target.kind, log: await logTail(target) });
  } finally {
    await target?.stop();
  }
}

function inputOf(context: ContestantsContext): Input {
  const { candidate, config, model } = context;
  const where = `models.${model}.candidate`;
  if (!candidate.result.ok) {
    const { message } = candidate.result.fault;
    throw new ModelError({
      found: `the candidate cannot predict, so there is nothing to load test: ${message}`,
      where,
    });
  }
  if (candidate.model === null) {
    throw new UsageError({
      found: 'the candidate is a file of predictions',
      expected: 'a model that can be served',
      where,
      remedy: 'Remove the load section, or name the model',
    });
  }
  const load = loadSettings(config) as Load;
  return { ...context, load, served: candidate.model, offline: candidate.result.predictions };
}

async function underLoad(
  target: StagingTarget,
  read: AnswerReader,
  requests: RequestPlan,
  profile: Profile,
  input: Input,
): Promise<LoadOutcome> {
  const dead = new AbortController();
  const done = new AbortController();
  const watch: TargetWatch = { exit: null, peakMemoryBytes: null, peakCpuPercent: null };
  const watching = watchTarget(target, watch, done.signal, () => dead.abort());
  watching.catch(() => dead.abort()); // told when it is awaited
  const stop = AbortSignal.any([dead.signal, ...(input.signal === undefined ? [] : [input.signal])]);
  const url = new URL(target.inferPath, target.url).href;
  const generator = await openGenerator({ url, connections: profile.connections, timeoutMs: profile.timeoutMs });
  try {
    const { offline, task, columns } = input;
    const positive = task === 'binary-classification' ? positiveOf(offline, columns) : null;
    const book = answerBook({
      offline,
      read,
      positive,
      truth: await truthOf(input),
      tolerance: parityOf(input.config),
    });
    const sent = await warmUp(generator, requests, profile, stop);
    const windows = await measure(generator, requests, profile, sent, book, stop, input);
    done.abort();
    await watching;
    if (watch.exit === null) await observeOnce(target, watch);
    return { windows, answers: book.summary(), watch };
  } finally {
    done.abort();
    await generator.close();
    await watching;
    input.signal?.throwIfAborted();
  }
}

/** Send the rate for a while and forget the answers. Gives the number of requests sent. */
async function warmUp(
  generator: Generator,
  requests: RequestPlan,
  { rate, warmupMs }: Profile,
  signal: AbortSignal,
): Promise<number> {
  if (warmupMs === 0) return 0;
  const offsets = schedule({ rate, durationMs: warmupMs, arrivals: 'constant', seed });
  requests.prepare(0, offsets.length);
  await generator.run({ offsets, request: requests.message, accept: () => true, signal });
  return offsets.length;
}

/**
 * One window that meets the objectives is enough. A miss, or a window that the generator spoilt, is followed by another,
 * up to three; two misses settle it. Errors are no noise: with too many the first window is the last.
 */
async function measure(
  generator: Generator,
  requests: RequestPlan,
  profile: Profile,
  sent: number,
  book: AnswerBook,
  signal: AbortSignal,
  { load, log }: Input,
): Promise<MeasuredWindow[]> {
  const windows: MeasuredWindow[] = [];
  let first = sent;
  while (windows.length < mostWindows && !signal.aborted) {
    const start = first;
    const offsets = schedule({ ...profile, seed: seed + windows.length });
    requests.prepare(start, offsets.length);
    const result = await generator.run({
      offsets,
      request: (index) => requests.message(start + index),
      accept: (index, answer) => book.take(requests.rows(start + index), answer),
      signal,
      progress: (settled, planned) => log.progress('Load test', settled, planned),
    });
    first += offsets.length;
    const findings = judgeWindow(result, load.slo);
    windows.push({ result, findings });
    if (settled(windows)) break;
    if (windows.length < mostWindows && !signal.aborted) {
      log.info(`Measuring again, since this may be noise: ${missed(findings)}`);
    }
  }
  return windows;
}

/** Does another window make no difference? */
function settled(windows: readonly MeasuredWindow[]): boolean {
  const last = windows.at(-1) as MeasuredWindow;
  const count = (verdict: string): number => windows.filter(({ findings }) => findings.verdict === verdict).length;
  if (count('pass') > count('fail') || count('fail') >= 2) return true;
  if (last.findings.latency.some(({ because }) => because === 'samples')) return true;
  return last.findings.errors.verdict === 'fail';
}

function missed({ latency, throughput }: WindowFindings): string {
  const missing = [...latency, throughput].filter(({ verdict }) => verdict !== 'pass');
  return missing.map(({ message }) => message).join('; ');
}

/** Look at the target now and then until `done`; tells once if it died. */
async function watchTarget(
  target: StagingTarget,
  watch: TargetWatch,
  done: AbortSignal,
  died: () => void,
): Promise<void> {
  while (!done.aborted) {
    await observeOnce(target, watch);
    if (watch.exit !== null) return died();
    await sleep(watchEveryMs, undefined, { signal: done }).catch(() => {});
  }
}

async function observeOnce(target: StagingTarget, watch: TargetWatch): Promise<void> {
  let seen = await target.observe();
  // A server of somebody else is asked for its health, which one slow answer under load does not settle.
  if (!seen.alive && target.kind === 'url') seen = await target.observe();
  watch.peakMemoryBytes = greater(watch.peakMemoryBytes, seen.memoryBytes);
  watch.peakCpuPercent = greater(watch.peakCpuPercent, seen.cpuPercent);
  if (!seen.alive) watch.exit = seen.exit ?? 'it is not running any more';
}

function greater(left: number | null, right: number | null): number | null {
  return left === null ? right : right === null ? left : Math.max(left, right);
}

function profileOf({ profile, slo }: Load): Profile {
  const rate = profile?.rate ?? 50;
  const slowest = Math.max(0, ...latencyLimits(slo).map(({ ms }) => ms)) || 500;
  // Three times what is in flight if every request is as slow as it may be (Little's law), but so few
  // that each is used at least every two seconds: servers close idle connections after five.
  const wanted = Math.max(10, Math.ceil((3 * rate * slowest) / 1000));
  return {
    rate,
    durationMs: durationMs(profile?.duration ?? '10s'),
    arrivals: profile?.arrivals ?? 'constant',
    warmupMs: durationMs(profile?.warmup ?? '1s'),
    connections: profile?.connections ?? Math.max(1, Math.min(wanted, Math.floor(2 * rate), 500)),
    rowsPerRequest: profile?.rows_per_request ?? 1,
    timeoutMs: durationMs(profile?.timeout ?? defaults.requestTimeout),
  };
}

/** Mistakes of the configuration that can be found before anything is started. */
function refuseImpossible({ model, task, load, dataset, offline }: Input): void {
  const where = `models.${model}.load.slo`;
  const { slo } = load;
  if (typeof slo.accuracy === 'number' && !['binary-classification', 'multiclass-classification'].includes(task)) {
    throw new ConfigError({
      found: `accuracy: ${slo.accuracy} for ${task}`,
      expected: 'a task with one class a row',
      where,
      remedy: 'Use accuracy: parity, which compares with the offline predictions',
    });
  }
  const timeoutMs = durationMs(load.profile?.timeout ?? defaults.requestTimeout);
  const slow = latencyLimits(slo).find(({ ms }) => ms >= timeoutMs);
  if (slow !== undefined) {
    throw new ConfigError({
      found: `${slow.name}_ms: ${slow.ms} with a request time-out of ${timeoutMs} ms`,
      expected: 'an objective below the time-out',
      where,
      remedy: 'Raise load.profile.timeout',
    });
  }
  if (offline.rows !== dataset.rows) {
    throw new Error(`${offline.rows} offline predictions for ${dataset.rows} rows`);
  }
}

/** How the answers of a target are read: as the model was offline. @throws StagingError where its outputs do not allow it */
function answerReaderOf({ metadata }: StagingTarget, { task, offline, columns, served }: Input): AnswerReader {
  const outputs = metadata.outputs.map(({ name, datatype, shape }) => ({ name, type: onnxTypeOf(datatype), shape }));
  try {
    return answerReader(outputs, { task, columns, reading: served.reading, offline });
  } catch (error) {
    if (!(error instanceof ContenderError)) throw error;
    throw new StagingError({
      ...error.fault,
      where: `the served model ${JSON.stringify(metadata.name).slice(0, 100)}`,
    });
  }
}

/** Position of the positive class among those of the model. */
function positiveOf({ classes }: Predictions, columns: Input['columns']): number {
  const position = classes === null ? -1 : classPosition(columns.positive ?? 1, classes.map(classText));
  return position === -1 ? 1 : position;
}

async function requestsFor(
  target: StagingTarget,
  profile: Profile,
  { columns, dataset, served }: Input,
): Promise<RequestPlan> {
  // The same columns in the same order as the offline predictions were made from.
  const features =
    columns.features ??
    planInputs(await inspectModel(served.artifact.path), columns, dataset.columns).flatMap((input) => input.columns);
  const { inputs } = target.metadata;
  const names = inputs.map(({ name }) => name);
  const byOrder =
    names.length > 1 && names.length === features.length && !names.some((name) => features.includes(name));
  const datatypeOf = (feature: string, index: number): string | undefined => {
    const [only, ...others] = inputs;
    if (others.length === 0) return only?.datatype;
    return (byOrder ? inputs[index] : inputs.find(({ name }) => name === feature))?.datatype;
  };
  const vectors = await featureColumns(
    dataset,
    features.map((name, index) => ({ name, datatype: datatypeOf(name, index) })),
  );
  return planRequests({
    url: new URL(target.inferPath, target.url).href,
    columns: features.map((feature, index): FeatureColumn => {
      const column = vectors.get(feature) as ColumnVector;
      return byOrder ? { ...column, name: names[index] as string } : column;
    }),
    rows: dataset.rows,
    rowsPerRequest: profile.rowsPerRequest,
    model: target.metadata,
    seed,
  });
}

/** Features by name, as the inputs of the server want them: as texts, or as numbers (of booleans 1 and 0). */
async function featureColumns(
  dataset: Dataset,
  features: readonly { name: string; datatype: string | undefined }[],
): Promise<Map<string, ColumnVector>> {
  const named = (isText: boolean): string[] =>
    features.filter(({ datatype }) => (datatype === 'BYTES') === isText).map(({ name }) => name);
  const { texts, numbers } = await readColumns(dataset, { texts: named(true), numbers: named(false) });
  return new Map<string, ColumnVector>([...texts, ...numbers]);
}

/** The class of each row as a position among the classes of the model; null where rows have no single class. */
async function truthOf({ task, columns, dataset, offline }: Input): Promise<Int32Array | null> {
  const classes = offline.classes?.map(classText);
  const [label, ...others] = labelColumns(columns);
  if (task === 'regression' || task === 'ranking' || classes === undefined) return null;
  if (label === undefined || others.length > 0) return null;
  const texts = (await readColumns(dataset, { texts: [label] })).texts.get(label)?.values ?? [];
  const positions = new Map(
    [...new Set(texts)].map((text) => [text, text === null ? -1 : classPosition(text, classes)]),
  );
  return Int32Array.from(texts, (text) => positions.get(text) ?? -1);
}

function startedCheck(target: StagingTarget): Check {
  return {
    id: 'load/staging',
    title: 'Staging target',
    verdict: 'pass',
    severity: 'block',
    message: `The ${target.kind} target became healthy`,
    observed: 'healthy',
    required: 'healthy',
  };
}

function failedCheck(error: StagingError): Check {
  return {
    id: 'load/staging',
    title: 'Staging target',
    verdict: error.unavailable ? 'inconclusive' : 'fail',
    severity: 'block',
    message: error.message,
    observed: error.fault.found,
    required: error.fault.expected ?? 'a healthy target that serves the candidate',
  };
}

async function logTail(target: StagingTarget): Promise<string> {
  const text = await target.logs().catch((error: unknown) => `no log: ${String(error)}`);
  return text.slice(-logCharacters);
}

const reported = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

function detailsOf(
  { windows, answers, watch }: LoadOutcome,
  profile: Profile,
  { dataset }: Input,
): Record<string, unknown> {
  const last = windows.at(-1);
  return {
    requests: last?.result.offsets.length ?? 0,
    rowsCovered: Math.min(dataset.rows, answers.compared),
    answers: {
      compared: answers.compared,
      mismatched: answers.mismatched,
      mismatches: answers.mismatches,
      faults: answers.faults,
      faultExamples: answers.faultExamples,
    },
    timings: {
      greatestScoreDifference: answers.greatestDifference,
      peakMemoryBytes: watch.peakMemoryBytes,
      peakCpuPercent: watch.peakCpuPercent,
      windows: windows.map(({ result, findings }) => windowDetails(result, findings, profile)),
    },
  };
}

function windowDetails(result: WindowResult, findings: WindowFindings, profile: Profile): Record<string, unknown> {
  const sorted = result.latency.toSorted();
  return {
    verdict: findings.verdict,
    offeredRate: profile.rate,
    elapsedMs: result.elapsedMs,
    counts: findings.counts,
    lost: result.lost,
    queued: result.queued,
    percentiles: [
      ...reported.map((p) => ({ p, ms: percentile(sorted, p) })),
      { p: 1, ms: sorted.at(-1) ?? Number.NaN },
    ].filter(({ ms }) => Number.isFinite(ms)),
    histogram: histogram(result.latency),
    generator: { lagP99Ms: percentile(result.lag.toSorted(), 0.99), ...result.host, ...findings.generator },
  };
}
