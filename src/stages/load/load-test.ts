import { setTimeout as sleep } from 'node:timers/promises';
import { milliseconds as durationMs, parityOf, type Staging } from '../../config/index.ts';
import { defaults } from '../../config/defaults.ts';
import { labelColumns } from '../../config/columns.ts';
import { classPosition, classText } from '../../data/class-text.ts';
import { readColumns } from '../../data/dataset.ts';
import { ConfigError, ModelError, StagingError } from '../../errors.ts';
import { fileDigest } from '../../file-digest.ts';
import { isObject } from '../../json.ts';
import { digest } from '../../evidence/canonical.ts';
import type { Check } from '../../evidence/index.ts';
import type { Predictions } from '../../model/predictions.ts';
import { asksElsewhere } from '../../staging/health.ts';
import { startStaging, type StagingTarget } from '../../staging/index.ts';
import type { Contestant, ContestantsContext, LocalModel, StageResult } from '../stage.ts';
import { nothingAnswered, type AnswerSummary } from './answers.ts';
import { aliveCheck, answersCheck, busyCheck, greatest, usageChecks } from './checks.ts';
import { championStaging, compareLive, comparisonChecks, type Comparison } from './compare.ts';
import type { Exchange } from './exchange-plan.ts';
import { exchangeWith, untilAnswered } from './exchange.ts';
import { busyAccuracy, levelsOf } from './levels.ts';
import type { Loader, LoaderPlan } from './loader.ts';
import { startLoaders, type Loaders } from './loaders.ts';
import { latencyLimits } from './objectives.ts';
import { mergedLoader, packedPart, sendPart, type PartOf, type Shard } from './parts.ts';
import { profilesOf, type Profile } from './profile.ts';
import { runProfile, type ProfileFindings } from './run-profile.ts';
import { loadSettings, type Load } from './schema.ts';
import { observeOnce, seed, watchTarget, type Session, type TargetWatch } from './session.ts';
import { skippedChecks } from './constant.ts';
import { readSummary, summaryChecks } from './summary.ts';

/** The context, and what is asked of the stage. */
interface Input extends ContestantsContext {
  load: Load;
  asked: Profile[];
  /** The candidate as the target serves it; null: there is no file of it. */
  served: LocalModel | null;
  /** What the candidate predicts offline for the rows of the dataset. */
  offline: Predictions;
}

const logCharacters = 4000;
/** How long a target that refused connections may take to end. */
const endingMs = 2000;

/**
 * Serve the candidate, send it labelled rows as the profiles say and judge latency, errors, throughput and answers.
 * Whatever the target does is evidence; only a mistake of the configuration, or an abort, is thrown.
 * The target is stopped in every case.
 */
export async function loadTest(context: ContestantsContext): Promise<StageResult> {
  return withoutToken(await tested(context), context.targetToken);
}

/** What is ours alone, even if the token is such a word. */
const ownWords = new Set(['id', 'verdict', 'severity']);

/** A server may log or send back the token that it was given: it belongs into no evidence. */
function withoutToken<T>(value: T, token: string | undefined): T {
  if (token === undefined) return value;
  const visit = (part: unknown): unknown => {
    if (typeof part === 'string') return masked(part, token);
    if (Array.isArray(part)) return part.map(visit);
    if (!isObject(part) || ArrayBuffer.isView(part)) return part;
    const entries = Object.entries(part).map(([key, item]) => [key, ownWords.has(key) ? item : visit(item)]);
    return Object.fromEntries(entries);
  };
  return visit(value) as T;
}

/** The token may be cut where an excerpt or a log begins or ends. */
function masked(text: string, token: string): string {
  const least = Math.min(8, token.length);
  if (!text.includes(token.slice(0, least)) && !text.includes(token.slice(-least))) return text;
  let rest = text;
  for (let length = token.length; length >= least; length -= 1) {
    rest = rest.replaceAll(token.slice(0, length), '***').replaceAll(token.slice(-length), '***');
  }
  return rest;
}

async function tested(context: ContestantsContext): Promise<StageResult> {
  const input = inputOf(context);
  const { summary: given, slo } = input.load;
  if (given !== undefined) {
    const path = await input.pathOf(given, 'load.summary');
    const summary = await readSummary(path, given);
    const { tool, requests } = summary;
    const file = { path: given, sha256: await fileDigest(path) };
    return { checks: summaryChecks(summary, slo), details: { slo, summary: file, tool, requests } };
  }
  refuseImpossible(input);
  if (input.load.parts !== undefined) return ofParts(input, input.load.parts);
  const finish = (checks: Check[], details: Record<string, unknown>): StageResult => finished(input, checks, details);
  let target: StagingTarget | null = null;
  let loaders: Loaders | null = null;
  try {
    target = await start(stagingOf(input), input.served, input);
    loaders = startLoaders();
    const found = await underLoad(target, loaders, input);
    const { exit } = found.watch;
    const comparison = exit === null ? await compare(target, loaders, input) : [];
    const failed = found.checks.some(({ verdict }) => verdict === 'fail');
    const checks = [startedCheck(target), ...found.checks, ...comparison.flatMap(({ checks: each }) => each)];
    return finish(checks, {
      target: target.kind,
      ...(target.artifact === undefined ? {} : { image: target.artifact }),
      ...found.details,
      ...(exit === null && !failed ? {} : await logOf(target)),
      timings: { ...found.timings, ...Object.assign({}, ...comparison.map(({ timings }) => timings)) },
    });
  } catch (error) {
    input.signal?.throwIfAborted();
    if (!(error instanceof StagingError)) throw error;
    return finish([failedCheck(error)], target === null ? {} : { target: target.kind, ...(await logOf(target)) });
  } finally {
    await Promise.all([target?.stop(), loaders?.end()]);
  }
}

/** What several machines found, each of which sent a part of the load. */
async function ofParts(input: Input, names: readonly string[]): Promise<StageResult> {
  const { load, asked: profiles } = input;
  const files = await Promise.all(names.map(async (uri) => ({ uri, path: await input.pathOf(uri, 'load.parts') })));
  const { loader, exit, check } = await mergedLoader(files, partOf(input));
  const target = { kind: 'url', startedInMs: null, limits: { cpus: null, memoryBytes: null } } as StagingTarget;
  const session = sessionOf(target, loader, input, new AbortController().signal);
  session.watch.exit = exit;
  const findings: ProfileFindings[] = [];
  for (const profile of profiles) {
    // What was found cannot be measured again: the one window of a profile settles it.
    const once = new AbortController();
    const delivered: Loader = {
      ...loader,
      async run(order, signal) {
        const found = await loader.run(order, signal);
        if (order.judged) once.abort();
        return found;
      },
    };
    const own = { ...session, loader: delivered, signal: once.signal };
    findings.push(await runProfile(own, profile, load, { pathOf: input.pathOf, model: input.model }));
    session.summary = own.summary;
  }
  const { checks, details, timings } = foundOf(session, findings, input);
  const parts = await Promise.all(files.map(async ({ uri, path }) => ({ path: uri, sha256: await fileDigest(path) })));
  return finished(input, [check, ...checks], { target: 'url', parts, ...details, timings });
}

function finished({ asked, load, config }: Input, checks: Check[], details: Record<string, unknown>): StageResult {
  const settings = { profile: asked[0], profiles: asked, slo: load.slo, parity: parityOf(config) };
  return { checks, details: { ...settings, ...details } };
}

/**
 * Send the requests of one part of the load to a target that is there already.
 * @returns what is written for whoever puts the parts together
 * @throws UsageError when the instant has passed, ConfigError for a target that every part would start anew
 */
export async function loadPart(
  context: ContestantsContext,
  { shard, start: at }: { shard: Shard; start: Date | null },
): Promise<Buffer> {
  const input = inputOf(context);
  refuseImpossible(input);
  const staging = stagingOf(input);
  if (!('url' in staging)) {
    throw new ConfigError({
      found: `a load test in parts cannot use a target of kind ${Object.keys(staging)[0]}`,
      expected: 'staging: { url: ... }: one target that all parts can reach',
      where: 'staging',
      remedy: 'Serve the candidate at an address that all machines can reach, and name that address',
    });
  }
  const target = await start(staging, input.served, input);
  const loaders = startLoaders();
  try {
    const exchange = await exchangeWith(target, input, Math.max(...input.asked.map((each) => each.rowsPerRequest)));
    const loader = loaders.open(await loaderPlan(exchange, input));
    const exit = async (): Promise<string | null> => {
      const seen = await target.observe();
      return seen.alive ? null : (seen.exit ?? 'it is no longer running');
    };
    const signal = input.signal ?? new AbortController().signal;
    const part = await sendPart(loader, { of: partOf(input), shard, start: at, exit }, signal);
    // The rest is ours: digests, numbers in base64 and settings stay as they are.
    const { exit: ended, summary } = part;
    return await packedPart({ ...part, ...withoutToken({ exit: ended, summary }, input.targetToken) });
  } finally {
    await Promise.all([target.stop(), loaders.end()]);
  }
}

function partOf(input: Input): PartOf {
  const { candidate, dataset, asked, pathOf, model, task, columns, config, offline } = input;
  const { url, start_timeout: _wait, ...reading } = stagingOf(input) as Partial<Extract<Staging, { url: string }>>;
  const judging = { model, task, columns, reading, threshold: offline.threshold, parity: parityOf(config) };
  return {
    of: {
      candidate: candidate.artifact.sha256,
      dataset: dataset.sha256,
      target: digest(url ?? null),
      judging: digest(judging),
    },
    rows: dataset.rows,
    profiles: asked,
    pathOf,
  };
}

function sessionOf(target: StagingTarget, loader: Loader, { log }: Input, signal: AbortSignal): Session {
  return {
    target,
    loader,
    summary: nothingAnswered(),
    watch: { exit: null, samples: [] },
    answers: { at: [], judged: [], right: [], differing: [] },
    log,
    signal,
  };
}

function stagingOf({ config }: Input): Staging {
  return config.staging ?? { target: 'builtin' };
}

function start(staging: Staging, served: LocalModel | null, input: Input): Promise<StagingTarget> {
  return startStaging({
    staging,
    candidate: served?.artifact ?? null,
    modelName: input.model,
    workspace: input.root,
    folder: input.folder,
    token: input.targetToken,
    log: input.log,
    signal: input.signal,
  });
}

function inputOf(context: ContestantsContext): Input {
  const { candidate, config, model } = context;
  if (!candidate.result.ok) {
    const { message } = candidate.result.fault;
    throw new ModelError({
      found: `the candidate cannot predict, so there is nothing to load test: ${message}`,
      where: `models.${model}.candidate`,
    });
  }
  const load = loadSettings(config) as Load;
  return {
    ...context,
    load,
    asked: profilesOf(load),
    served: candidate.model,
    offline: candidate.result.predictions,
  };
}

interface Found {
  checks: Check[];
  watch: TargetWatch;
  details: Record<string, unknown>;
  timings: Record<string, unknown>;
}

async function underLoad(target: StagingTarget, loaders: Loaders, input: Input): Promise<Found> {
  const { load, asked: profiles } = input;
  const dead = new AbortController();
  const done = new AbortController();
  const rowsPerRequest = Math.max(...profiles.map((profile) => profile.rowsPerRequest));
  const exchange = await exchangeWith(target, input, rowsPerRequest);
  await untilAnswered(exchange, input, rowsPerRequest);
  const signal = AbortSignal.any([dead.signal, ...(input.signal === undefined ? [] : [input.signal])]);
  const session = sessionOf(target, loaders.open(await loaderPlan(exchange, input)), input, signal);
  const { watch } = session;
  const watching = watchTarget(target, watch, done.signal, () => dead.abort());
  watching.catch(() => dead.abort()); // told when it is awaited
  const findings: ProfileFindings[] = [];
  try {
    for (const profile of profiles) {
      if (profiles.length > 1) input.log.info(`Load profile ${profile.name}`);
      findings.push(await runProfile(session, profile, load, { pathOf: input.pathOf, model: input.model }));
      if (session.signal.aborted) break;
    }
    done.abort();
    await watching;
    if (watch.exit === null) await observeOnce(target, watch);
    // What ends refuses connections before it has ended.
    for (let wait = 0; watch.refused === true && watch.exit === null && wait < endingMs; wait += 100) {
      await sleep(100);
      await observeOnce(target, watch);
    }
  } finally {
    done.abort();
    await watching;
    input.signal?.throwIfAborted();
  }
  return foundOf(session, findings, input);
}

async function loaderPlan(exchange: Exchange, input: Input): Promise<LoaderPlan> {
  const { offline, task, columns, dataset, config } = input;
  return {
    exchange: exchange.plan,
    judging: {
      offline,
      positive: task === 'binary-classification' ? positiveOf(offline, columns) : null,
      truth: await truthOf(input),
      tolerance: parityOf(config),
    },
    rows: dataset.rows,
    seed,
  };
}

function foundOf(session: Session, findings: readonly ProfileFindings[], input: Input): Found {
  const { load, asked: profiles, dataset } = input;
  const { watch, target } = session;
  const { slo } = load;
  const answers = session.summary;
  const { compared, mismatched, mismatches, faults, faultExamples } = answers;
  const died = watch.exit !== null;
  if (!died) refuseOtherPlace(answers);
  const levels = levelsOf(session);
  const ofProfiles = profiles.flatMap((profile, index) => {
    const checks = died || findings[index] === undefined ? skippedChecks(slo) : findings[index].checks;
    const { name } = profile;
    if (profiles.length === 1) return checks;
    return checks.map((check) => ({ ...check, id: `${check.id}@${name}`, title: `${check.title} (${name})` }));
  });
  return {
    watch,
    checks: [
      aliveCheck(watch),
      ...ofProfiles,
      answersCheck(answers, slo, died),
      ...(died ? [] : usageChecks(slo, watch, target)),
      ...(died ? [] : busyCheck(busyAccuracy(levels), slo)),
    ],
    details: {
      requests: findings.at(-1)?.requests ?? 0,
      rowsCovered: Math.min(dataset.rows, compared),
      answers: { compared, mismatched, mismatches, faults, faultExamples },
    },
    timings: {
      greatestScoreDifference: answers.greatestDifference,
      startedInMs: target.startedInMs,
      peakMemoryBytes: greatest(watch.samples.map(({ memoryBytes }) => memoryBytes)),
      peakCpuPercent: greatest(watch.samples.map(({ cpuPercent }) => cpuPercent)),
      levels,
      profiles: findings.map((each, index) => ({
        name: profiles[index]?.name,
        kind: profiles[index]?.kind,
        ...each.timings,
      })),
    },
  };
}

/** @throws StagingError where every answer says that nobody was asked for a prediction: that says nothing about the candidate */
function refuseOtherPlace({ compared, faults, faultExamples }: AnswerSummary): void {
  const [example] = faultExamples;
  if (example === undefined || compared > 0) return;
  if (!Object.keys(faults).every((kind) => asksElsewhere(kind.replace('status ', '')))) return;
  throw new StagingError(
    {
      found: `No request was answered with a prediction: ${example.message}`,
      expected: 'predictions at the path of staging.protocol, or at staging.path',
      remedy: /40[137]/u.test(example.kind)
        ? 'Set CONTENDER_TARGET_TOKEN (input target-token) or staging.headers'
        : 'Correct staging.path and staging.protocol',
    },
    true,
  );
}

/** Candidate against champion, if that is asked for. */
async function compare(
  target: StagingTarget,
  loaders: Loaders,
  input: Input,
): Promise<{ checks: Check[]; timings: { comparison?: Comparison } }[]> {
  const { load, champion, log, signal } = input;
  const settings = load.compare;
  if (settings === undefined) return [];
  if (champion === null) {
    log.info('There is no champion yet: latency is not compared');
    return [];
  }
  const [profile] = input.asked as [Profile, ...Profile[]];
  const staging = championStaging(stagingOf(input), settings);
  const other = await startChampion(staging, champion, input);
  try {
    if (!champion.result.ok) throw new StagingError({ found: 'the champion cannot predict' }, true);
    const rowsPerRequest = profile.rowsPerRequest;
    const exchange = await exchangeWith(target, input, rowsPerRequest);
    const { predictions } = champion.result;
    const ofChampion = { ...input, config: { ...input.config, staging }, served: champion.model, offline: predictions };
    const championExchange = await exchangeWith(other, ofChampion, rowsPerRequest);
    await untilAnswered(championExchange, ofChampion, rowsPerRequest);
    log.info('Candidate and champion under load side by side');
    const comparison = await compareLive({
      settings,
      profile,
      candidate: loaders.open(await loaderPlan(exchange, input)),
      champion: loaders.open(await loaderPlan(championExchange, ofChampion)),
      signal: signal ?? new AbortController().signal,
      progress: (part, of) => log.progress('Comparison', part, of),
    });
    signal?.throwIfAborted();
    return [{ checks: comparisonChecks(comparison, settings), timings: { comparison } }];
  } finally {
    await other.stop();
  }
}

/** A champion that does not start says nothing of the candidate. */
async function startChampion(staging: Staging, champion: Contestant, input: Input): Promise<StagingTarget> {
  try {
    return await start(staging, champion.model, input);
  } catch (error) {
    if (!(error instanceof StagingError)) throw error;
    throw new StagingError({ ...error.fault, found: `The champion cannot be served: ${error.fault.found}` }, true);
  }
}

/** Mistakes of the configuration that can be found before anything is started. */
function refuseImpossible({ model, task, load, asked: profiles, dataset, offline, config }: Input): void {
  const where = `models.${model}.load.slo`;
  const { slo } = load;
  if (typeof slo.accuracy === 'number' && !['binary-classification', 'multiclass-classification'].includes(task)) {
    throw new ConfigError({
      found: `accuracy: ${slo.accuracy} for ${task}`,
      expected: 'a task with one class per row',
      where,
      remedy: 'Use accuracy: parity, which compares with the offline predictions',
    });
  }
  const timeoutMs = Math.min(
    ...profiles.map((profile) => profile.timeoutMs),
    durationMs(profiles.length === 0 ? defaults.requestTimeout : '24h'),
  );
  const slow = latencyLimits(slo).find(({ ms }) => ms >= timeoutMs);
  if (slow !== undefined) {
    throw new ConfigError({
      found: `${slow.key} is ${slow.ms}, but requests time out after ${timeoutMs} ms`,
      expected: 'an objective below the timeout',
      where,
      remedy: 'Raise load.profile.timeout',
    });
  }
  if (load.compare !== undefined) championStaging(config.staging ?? { target: 'builtin' }, load.compare);
  if (offline.rows !== dataset.rows) {
    throw new Error(`${offline.rows} offline predictions for ${dataset.rows} rows`);
  }
}

/** Position of the positive class among those of the model. */
function positiveOf({ classes }: Predictions, columns: Input['columns']): number {
  const position = classes === null ? -1 : classPosition(columns.positive ?? 1, classes.map(classText));
  return position === -1 ? 1 : position;
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

function startedCheck({ kind }: StagingTarget): Check {
  const message = `The ${kind} target became healthy`;
  return { ...stagingCheck, verdict: 'pass', message, observed: 'healthy', required: 'healthy' };
}

function failedCheck({ unavailable, message, fault }: StagingError): Check {
  const verdict = unavailable ? 'inconclusive' : 'fail';
  const required = fault.expected ?? 'a healthy target that serves the candidate';
  return { ...stagingCheck, verdict, message, observed: fault.found, required };
}

const stagingCheck = { id: 'load/staging', title: 'Staging target', severity: 'block' } as const;

/** The last lines of a target that failed, if it wrote any. */
async function logOf(target: StagingTarget): Promise<{ log?: string }> {
  const text = await target.logs().catch((error: unknown) => `no log: ${String(error)}`);
  return text === '' ? {} : { log: text.slice(-logCharacters) };
}
