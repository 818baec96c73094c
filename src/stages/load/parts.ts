import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Static } from 'typebox';
import { Closed, Type } from '../../forms.ts';
import { ConfigError, DataError, UsageError } from '../../errors.ts';
import type { Check } from '../../evidence/index.ts';
import { firstFault, validatorOf } from '../../validator.ts';
import { outcomes, type WindowResult } from './driver.ts';
import type { Loader, LoadResult } from './loader.ts';
import { offsetsOf, type Profile } from './profile.ts';
import { readReplay } from './replay.ts';
import { schedule } from './schedule.ts';
import { seed } from './session.ts';
import { readBounded } from '../../data/read-file.ts';

/*
 * A load that several machines send to one target. Each sends every N-th request of one schedule, from an instant that all are told, and
 * writes its raw samples; put together they are the samples of the whole load, as if one machine had sent it.
 */

/** The `index`-th (from 1) of `count` parts. */
export interface Shard {
  index: number;
  count: number;
}

/** Numbers as the bytes of a Float64Array, little-endian, in base64. */
const Numbers = Type.String({ pattern: '^[A-Za-z0-9+/]*={0,2}$' });
const Count = Type.Integer({ minimum: 0 });
const Share = Type.Number({ minimum: 0 });
const Text = Type.String({ maxLength: 1000 });
const Digest = Type.String({ pattern: '^[0-9a-f]{64}$' });

const PartWindow = Closed({
  latency: Numbers,
  lag: Numbers,
  outcome: Numbers,
  answers: Closed({ at: Numbers, judged: Numbers, right: Numbers, differing: Numbers }),
  lost: Type.Record(Text, Count),
  queued: Count,
  resent: Count,
  opened: Count,
  /** From the agreed instant to the start, by the clock of the machine. */
  lateMs: Type.Number(),
  elapsedMs: Share,
  host: Closed({
    eventLoop: Share,
    cpu: Share,
    steal: Type.Union([Share, Type.Null()]),
    throttled: Type.Optional(Type.Union([Share, Type.Null()])),
  }),
});
type PartWindow = Static<typeof PartWindow>;

const schemaId = 'contender/load-part/v1';
const LoadPart = Closed({
  schema: Type.Literal(schemaId),
  shard: Closed({ index: Type.Integer({ minimum: 1 }), count: Type.Integer({ minimum: 1 }) }),
  candidate: Digest,
  dataset: Digest,
  /** Of the address that is loaded. */
  target: Digest,
  /** Of what answers are read and judged by. */
  judging: Digest,
  /** As they are in force: all parts are of one load. */
  profiles: Type.Array(Type.Record(Type.String(), Type.Unknown())),
  start: Text,
  exit: Type.Union([Text, Type.Null()]),
  windows: Type.Array(PartWindow),
  summary: Closed({
    compared: Count,
    mismatched: Count,
    greatestDifference: Share,
    mismatches: Type.Array(Closed({ row: Count, offline: Text, served: Text }), { maxItems: 5 }),
    judged: Count,
    correct: Count,
    faults: Type.Record(Text, Count),
    faultExamples: Type.Array(Closed({ kind: Text, message: Text, row: Count, body: Text }), {
      maxItems: 5,
    }),
  }),
});
export type LoadPart = Static<typeof LoadPart>;

/** What a part was sent for. */
export interface PartOf {
  of: Pick<LoadPart, 'candidate' | 'dataset' | 'target' | 'judging'>;
  /** Rows of the dataset. */
  rows: number;
  profiles: readonly Profile[];
  pathOf(file: string, key: string): Promise<string>;
}

/** Largest file, packed and unpacked: that of five million requests. */
const longest = 512 * 1024 * 1024;
/** Parts that begin further apart than this are not the load that the profile says. */
const mostApartMs = 1000;
/** Between the warm-up of a profile and its window, and between profiles: a slow machine catches up. */
const pauseMs = 3000;

/** Every request of the profiles is known beforehand, so that it can be shared out. @throws ConfigError */
function schedulesOf({ profiles, pathOf }: Pick<PartOf, 'profiles' | 'pathOf'>): Promise<Float64Array[]> {
  return Promise.all(
    profiles.map(async (profile) => {
      if (profile.kind === 'replay') return readReplay(await pathOf(profile.file, 'load.profile.file'), profile, seed);
      const offsets = ['constant', 'smoke', 'soak', 'spike', 'stages'].includes(profile.kind)
        ? offsetsOf(profile, seed)
        : null;
      if (offsets !== null) return offsets;
      throw new ConfigError({
        found: `a load test in parts cannot use a profile of kind ${profile.kind}`,
        expected: 'constant, smoke, soak, spike, stages or replay, whose requests are known in advance',
        where: 'load.profile',
        remedy: 'Send it from one machine, or choose another profile',
      });
    }),
  );
}

/** Send the requests of one part. @param start null: at once, since there is no other. @throws UsageError when the instant has passed */
export async function sendPart(
  loader: Loader,
  { of, shard, start: agreed, exit }: { of: PartOf; shard: Shard; start: Date | null; exit(): Promise<string | null> },
  signal: AbortSignal,
): Promise<LoadPart> {
  const { index, count } = shard;
  const schedules = await schedulesOf(of);
  const windows: PartWindow[] = [];
  let summary: LoadResult['summary'] | null = null;
  const start = agreed ?? new Date();
  let at = start.getTime();
  let first = index - 1;
  if (at < Date.now() - mostApartMs) {
    throw new UsageError({
      found: `--start ${start.toISOString()} is ${Math.round((Date.now() - at) / 1000)} s in the past`,
      expected: 'a time in the future, the same for all parts',
      remedy: 'Choose a later time: by then every part must have started, fetched the model and predicted',
    });
  }
  for (const [place, profile] of of.profiles.entries()) {
    const { connections, timeoutMs, rowsPerRequest, warmupMs } = profile;
    const link = { connections: Math.ceil(connections / count), timeoutMs, rowsPerRequest };
    const planned = schedules[place] as Float64Array;
    const offsets = planned.filter((_offset, request) => request % count === index - 1);
    await until(at, signal);
    if (warmupMs > 0) {
      const warm = schedule({ rate: 10 / count, durationMs: warmupMs, arrivals: 'constant', seed });
      await loader.run({ link, offsets: warm, first, step: count, judged: false }, signal);
    }
    at += warmupMs + pauseMs;
    await until(at, signal);
    const found = await loader.run({ link, offsets, first, step: count, judged: true }, signal);
    signal.throwIfAborted();
    windows.push(partOf(found, at));
    ({ summary } = found);
    first += planned.length;
    at += (planned.at(-1) ?? 0) + timeoutMs + pauseMs;
  }
  return {
    schema: schemaId,
    shard,
    ...of.of,
    profiles: plain(of.profiles),
    start: start.toISOString(),
    exit: await exit(),
    windows,
    summary: summary as LoadResult['summary'],
  };
}

async function until(at: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.max(0, at - Date.now()), undefined, { signal });
}

function partOf({ window, answers }: LoadResult, agreed: number): PartWindow {
  const { latency, lag, outcome, lost, queued, resent, opened, elapsedMs, host, startedAt } = window;
  return {
    latency: packed(latency),
    lag: packed(lag),
    outcome: packed(outcome),
    answers: {
      at: packed(answers.at.map((moment) => moment - startedAt)),
      judged: packed(answers.judged),
      right: packed(answers.right),
      differing: packed(answers.differing),
    },
    lost,
    queued,
    resent,
    opened,
    elapsedMs,
    host,
    lateMs: startedAt + Date.now() - performance.now() - agreed,
  };
}

export async function packedPart(part: LoadPart): Promise<Buffer> {
  return promisify<Buffer, Buffer>(gzip)(Buffer.from(JSON.stringify(part)));
}

/**
 * A loader that sends nothing and gives what the parts of one load found, window by window.
 * @returns also whether the target ended, and how far apart the parts began
 * @throws DataError for files that are not the parts of this load, each once
 */
export async function mergedLoader(
  files: readonly { path: string; uri: string }[],
  of: PartOf,
): Promise<{ loader: Loader; exit: string | null; check: Check }> {
  const schedules = await schedulesOf(of);
  const { of: own } = of;
  const parts: LoadPart[] = [];
  for (const { path, uri } of files) {
    const fault = (found: string, expected: string): DataError =>
      new DataError({ found, expected, where: uri, remedy: 'Send all parts again, with one contender.yml and model' });
    const part = await readPart(path, uri);
    const { index, count } = part.shard;
    if (count !== files.length || index > count)
      throw fault(`this is part ${index}/${count}`, `${files.length} parts, as many as load.parts names`);
    if (parts[index - 1] !== undefined) throw fault(`part ${index}/${count} is given twice`, 'each part once');
    if (part.candidate !== own.candidate || part.dataset !== own.dataset)
      throw fault('this part is for another model or dataset', `candidate ${own.candidate.slice(0, 12)}`);
    if (part.target !== own.target)
      throw fault('this part was sent to another address', 'staging.url of contender.yml');
    if (part.judging !== own.judging)
      throw fault(
        'this part was evaluated with other settings',
        'the task, columns, threshold, parity and staging of contender.yml',
      );
    if (JSON.stringify(part.profiles) !== JSON.stringify(plain(of.profiles)))
      throw fault('this part used another load profile', 'the load profile of contender.yml');
    if (parts.some((other) => other !== undefined && other.start !== part.start))
      throw fault(`this part started at ${part.start}, but another part did not`, 'the same start for all parts');
    const whole = part.windows.every(
      (window, place) =>
        sharesOf(schedules[place], count, index).every((size) =>
          [window.latency, window.lag, window.outcome].every((text) => unpacked(text).length === size),
        ) && unpacked(window.outcome).every((code) => code in outcomes),
    );
    if (part.windows.length !== schedules.length || !whole)
      throw fault('this part contains other requests than the load profile', 'a sample for each request of the part');
    const unsound = contradiction(part, of);
    if (unsound !== null)
      throw fault(`this contradicts itself: ${unsound}`, 'a file as contender load-test --shard writes it');
    parts[index - 1] = part;
  }
  const windows = schedules.map((offsets, place) => merged(offsets, parts, place));
  const summary = parts.map((part) => part.summary).reduce(addedUp);
  let next = 0;
  const late = parts.map((part) => part.windows.map(({ lateMs }) => lateMs));
  const apart = Math.max(
    ...schedules.map((_, place) => {
      const of = late.map((each) => each[place] as number);
      return Math.max(...of) - Math.min(...of);
    }),
  );
  return {
    exit: parts.find((part) => part.exit !== null)?.exit ?? null,
    check: partsCheck(parts.length, apart),
    loader: {
      run({ judged }) {
        const found = windows[next] as Omit<LoadResult, 'summary'>;
        if (judged) next += 1;
        return Promise.resolve({ ...found, summary });
      },
      close: () => Promise.resolve(),
    },
  };
}

/** What of a part cannot be: samples that are no times, or answers that are not those of its requests. Null: nothing. */
function contradiction({ windows, summary }: LoadPart, { profiles, rows }: PartOf): string | null {
  const sums = { compared: 0, judged: 0, right: 0, differing: 0 };
  for (const [place, { latency, lag, outcome, answers }] of windows.entries()) {
    const lists = Object.entries({ latency, lag, ...answers }).map(([name, text]) => [name, unpacked(text)] as const);
    for (const [name, values] of lists) {
      const wrong = values.find((value) => !(value >= 0 && Number.isFinite(value)));
      if (wrong !== undefined) return `${name} holds ${wrong}`;
    }
    const accepted = unpacked(outcome).filter((code) => outcomes[code] === 'accepted').length;
    const perRequest = Math.min(rows, (profiles[place] as Profile).rowsPerRequest);
    const values = Object.fromEntries(lists) as Record<keyof PartWindow['answers'], Float64Array>;
    for (const name of ['at', 'judged', 'right', 'differing'] as const) {
      const list = values[name];
      if (list.length !== accepted) return `${accepted} requests were accepted, and ${name} has ${list.length} answers`;
      if (name === 'at') continue;
      if (list.some((count) => count > perRequest)) return `${name} counts more rows than a request has`;
      sums[name] = list.reduce((sum, count) => sum + count, sums[name]);
    }
    sums.compared += accepted * perRequest;
  }
  const { compared, judged, correct: right, mismatched: differing } = summary;
  const told = { compared, judged, right, differing };
  const [name] = (Object.keys(sums) as (keyof typeof sums)[]).filter((each) => told[each] !== sums[each]);
  return name === undefined ? null : `its answers hold ${sums[name]} rows ${name}, and its summary says ${told[name]}`;
}

function partsCheck(count: number, apartMs: number): Check {
  const together = apartMs <= mostApartMs;
  return {
    id: 'load/parts',
    title: 'Parts of the load',
    verdict: together ? 'pass' : 'inconclusive',
    severity: 'block',
    message: `${count} parts began within ${Math.round(apartMs)} ms of each other, by their clocks${together ? '' : `: together they are not the load of the profile, which allows for ${mostApartMs} ms`}`,
    observed: Number(apartMs.toPrecision(6)),
    required: mostApartMs,
    limit: 'at most',
    unit: 'ms',
  };
}

/** How many requests a part has: none of a schedule that is not there. */
function sharesOf(offsets: Float64Array | undefined, count: number, index: number): [number] {
  return [Math.max(0, Math.ceil(((offsets?.length ?? 0) - (index - 1)) / count))];
}

function merged(offsets: Float64Array, parts: readonly LoadPart[], place: number): Omit<LoadResult, 'summary'> {
  const windows = parts.map((part) => part.windows[place] as PartWindow);
  /** Windows of one load are told apart by their moments. */
  const startedAt = place * 1e9;
  const samples = (of: (window: PartWindow) => string): Float64Array => {
    const each = windows.map((window) => unpacked(of(window)));
    return offsets.map((_, request) => each[request % parts.length]?.[Math.floor(request / parts.length)] as number);
  };
  const total = (of: (window: PartWindow) => number): number => windows.reduce((sum, window) => sum + of(window), 0);
  const most = (of: (window: PartWindow) => number): number => Math.max(...windows.map(of));
  const window: WindowResult = {
    offsets,
    latency: samples((each) => each.latency),
    lag: samples((each) => each.lag),
    outcome: Uint8Array.from(samples((each) => each.outcome)),
    lost: totals(windows.map(({ lost }) => lost)),
    queued: total((each) => each.queued),
    resent: total((each) => each.resent),
    opened: total((each) => each.opened),
    startedAt,
    elapsedMs: most((each) => each.elapsedMs),
    cutShort: false,
    // The busiest generator stands for all.
    host: {
      eventLoop: most((each) => each.host.eventLoop),
      cpu: most((each) => each.host.cpu),
      steal: windows.some((each) => each.host.steal !== null) ? most((each) => each.host.steal ?? 0) : null,
      throttled: windows.some((each) => typeof each.host.throttled === 'number')
        ? most((each) => each.host.throttled ?? 0)
        : null,
    },
  };
  const answers = windows
    .flatMap(({ answers: of }) => {
      const [judged, right, differing] = [unpacked(of.judged), unpacked(of.right), unpacked(of.differing)];
      return Array.from(unpacked(of.at), (at, index) => [
        startedAt + at,
        ...[judged, right, differing].map((each) => each[index] ?? 0),
      ]);
    })
    .toSorted(([left = 0], [right = 0]) => left - right);
  const column = (index: number): number[] => answers.map((each) => each[index] as number);
  return { window, answers: { at: column(0), judged: column(1), right: column(2), differing: column(3) } };
}

function addedUp(left: LoadPart['summary'], right: LoadPart['summary']): LoadPart['summary'] {
  return {
    compared: left.compared + right.compared,
    mismatched: left.mismatched + right.mismatched,
    greatestDifference: Math.max(left.greatestDifference, right.greatestDifference),
    mismatches: [...left.mismatches, ...right.mismatches].slice(0, 5),
    judged: left.judged + right.judged,
    correct: left.correct + right.correct,
    faults: totals([left.faults, right.faults]),
    faultExamples: [...left.faultExamples, ...right.faultExamples].slice(0, 5),
  };
}

/** Names come from the server or a file: one such as `constructor` is a name like every other. */
function totals(records: readonly Record<string, number>[]): Record<string, number> {
  const sums = new Map<string, number>();
  for (const [name, count] of records.flatMap(Object.entries<number>)) sums.set(name, (sums.get(name) ?? 0) + count);
  return Object.fromEntries(sums);
}

const isLoadPart = validatorOf<LoadPart>(LoadPart);

async function readPart(path: string, uri: string): Promise<LoadPart> {
  const fault = (found: string, cause?: unknown): DataError =>
    new DataError({
      found,
      expected: 'a part of a load test, written by contender load-test --shard',
      where: uri,
      remedy: 'Send all parts, and name their files in load.parts',
      cause,
    });
  const bytes = await readBounded(path, longest, fault);
  let value: unknown;
  try {
    const content = await promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip)(bytes, {
      maxOutputLength: longest,
    });
    value = JSON.parse(content.toString());
  } catch (cause) {
    throw fault(`this is not gzip-compressed JSON: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  if (!isLoadPart(value)) throw fault(`this is not a part of a load test: ${firstFault(isLoadPart)}`);
  return value;
}

/** As JSON has it, so that what was written and what is asked compare. */
function plain(profiles: readonly Profile[]): LoadPart['profiles'] {
  return JSON.parse(JSON.stringify(profiles)) as LoadPart['profiles'];
}

function packed(values: ArrayLike<number>): string {
  return Buffer.from(Float64Array.from(values).buffer).toString('base64');
}

function unpacked(text: string): Float64Array {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return new Float64Array(bytes.buffer, 0, Math.floor(bytes.length / 8));
}
