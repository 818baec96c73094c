import type { Behaviour } from './schema.ts';
import { bytes as bytesOf, defaults } from '../../config/index.ts';
import type { Artifact, Check } from '../../evidence/index.ts';
import type { HostedModel } from '../../model/hosted-model.ts';
import { uniformsFor } from '../../model/perturbation.ts';
import { absentCheck, limitCheck } from './limit.ts';
import { median, ratioOf, type Ratio } from '../../statistics/log-ratio.ts';
import type { Examination } from './subject.ts';
import { significant } from '../../wording.ts';
import { atMost } from '../comparison.ts';

type Settings = NonNullable<Behaviour['efficiency']>;

/** One side of the comparison, its rows fed. */
export interface MeasuredSubject {
  artifact: Artifact;
  host: HostedModel;
  /** Another process of the same model, fed with one batch. It is the caller's to close. */
  start(): Promise<HostedModel>;
}

export interface EfficiencyInput extends Omit<Examination<Settings>, 'candidate' | 'champion' | 'scorer'> {
  candidate: MeasuredSubject;
  champion: MeasuredSubject | null;
  rows: number;
  /** Time that measuring latency may take, in milliseconds. */
  budgetMs: number;
}

/** Two looks may be taken at a ratio, each at half the level: together they keep it (Bonferroni). */
const looks = 2;
/** One arm of a block runs about this long, so that a clock tick or an interrupt is nothing. */
const armMs = 10;
const fewestBlocks = 20;

/** The quantities, in the order they are reported. */
const quantities = {
  latency: { title: 'Time for one row', gate: 'latency_ratio', unit: 'ms' },
  batch_latency: { title: 'Time for a batch', gate: 'batch_latency_ratio', unit: 'ms' },
  memory: { title: 'Peak resident memory', gate: 'memory_ratio', unit: 'MiB' },
  load: { title: 'Time to load the model', gate: 'load_ratio', unit: 'ms' },
} as const;
type Quantity = keyof typeof quantities;

interface Sides {
  candidate: number[];
  champion: number[];
}

/**
 * Measure what both models cost: each in processes of its own, turn about, so that what disturbs the machine disturbs both.
 * Timings stand in `timings`; the checks hold only the ratios that are gated.
 */
export async function measureEfficiency(
  input: EfficiencyInput,
): Promise<{ checks: Check[]; details: Record<string, unknown>; timings: Record<string, unknown> }> {
  const { settings, candidate, champion, alpha } = input;
  const measured = await measureProcesses(input);
  const rows = (Object.keys(quantities) as Quantity[]).flatMap((name) => {
    const sides = measured[name];
    if (sides === undefined) return [];
    const ratio = champion === null ? null : ratioOf(sides.candidate, sides.champion, alpha / looks);
    return [{ name, sides, ratio }];
  });
  const details = {
    size: { candidate: candidate.artifact.size, champion: champion?.artifact.size ?? null },
    parameters: {
      candidate: candidate.host.inspection.parameters,
      champion: champion?.host.inspection.parameters ?? null,
    },
    batch: batchOf(input),
  };
  return {
    checks: [
      ...sizeChecks(input),
      ...memoryLimit(settings, measured.memory?.candidate ?? []),
      ...(Object.keys(quantities) as Quantity[]).flatMap((name) =>
        ratioCheck(name, rows.find((row) => row.name === name) ?? null, input),
      ),
    ],
    details,
    timings: Object.fromEntries(
      rows.map(({ name, sides, ratio }) => [
        name,
        {
          title: quantities[name].title,
          unit: quantities[name].unit,
          candidate: shown(median(sides.candidate)),
          champion: champion === null ? null : shown(median(sides.champion)),
          ...(ratio === null
            ? {}
            : { ratio: shown(ratio.value), lower: shown(ratio.lower), upper: shown(ratio.upper) }),
          pairs: sides.candidate.length,
          ...(name === 'batch_latency'
            ? { rowsPerSecond: shown((1000 * batchOf(input)) / median(sides.candidate)) }
            : {}),
        },
      ]),
    ),
  };
}

function batchOf({ settings, rows }: EfficiencyInput): number {
  return Math.min(settings.batch ?? defaults.behaviour.batch, rows);
}

/** What is timed: how many rows at a time, and how often in one arm of a block, by model (candidate first). */
interface Timing {
  name: 'latency' | 'batch_latency';
  batch: number;
  runs: number[];
  /** Blocks with one pair of processes. */
  blocks: number;
}

/**
 * Every quantity by pair of fresh processes, champion and candidate at work side by side: how a process happens to lie in memory and
 * on the cores makes it faster or slower than the next for as long as it lives, so that pairs of processes are what is independent, and
 * not the blocks within one. Where a gate on latency is left open, as many pairs again are timed, once.
 */
async function measureProcesses(input: EfficiencyInput): Promise<Partial<Record<Quantity, Sides>>> {
  const { settings, champion, alpha, seed } = input;
  const timings = await planTimings(input);
  const found: Partial<Record<Quantity, Sides>> = {};
  const add = (name: Quantity, values: readonly number[]): void => {
    const sides = (found[name] ??= { candidate: [], champion: [] });
    for (const [side, value] of values.entries()) sides[side === 0 ? 'candidate' : 'champion'].push(value);
  };
  const uniform = uniformsFor(seed, 'blocks');
  await eachPair(input, 'Fresh processes', async (hosts) => {
    const memory: number[] = [];
    for (const host of hosts) {
      await host.time(batchOf(input), 3, 0);
      memory.push((await host.peakBytes()) / 2 ** 20);
    }
    add('memory', memory);
    add(
      'load',
      hosts.map(({ loadMs }) => loadMs),
    );
    for (const timing of timings) add(timing.name, await timePair(hosts, timing, uniform, input));
  });
  const open = timings.filter(({ name }) => {
    const max = settings[quantities[name].gate]?.max;
    const sides = found[name];
    if (champion === null || max === undefined || sides === undefined) return false;
    return atMost(ratioOf(sides.candidate, sides.champion, alpha / looks), max) === 'inconclusive';
  });
  if (open.length > 0) {
    await eachPair(input, 'Latency, once more', async (hosts) => {
      for (const timing of open) add(timing.name, await timePair(hosts, timing, uniform, input));
    });
  }
  return found;
}

/** Times that fit the budget, from the processes that run already. */
async function planTimings(input: EfficiencyInput): Promise<Timing[]> {
  const { settings, candidate, champion, budgetMs, log } = input;
  const hosts = [candidate.host, ...(champion === null ? [] : [champion.host])];
  const kinds = [
    { name: 'latency' as const, batch: 1 },
    { name: 'batch_latency' as const, batch: batchOf(input) },
  ];
  const timings: Timing[] = [];
  for (const { name, batch } of kinds) {
    const runs: number[] = [];
    let blockMs = 0;
    for (const host of hosts) {
      const warm = await warmTime(host, batch);
      runs.push(Math.max(1, Math.min(200, Math.round(armMs / warm))));
      blockMs += 2 * warm * (runs.at(-1) as number);
    }
    const affordable = Math.floor(budgetMs / kinds.length / looks / blockMs);
    if (affordable < fewestBlocks) {
      log.warning(
        `${quantities[name].title} is not measured: ${fewestBlocks} blocks would take ${significant((fewestBlocks * blockMs) / 1000)} s`,
      );
      continue;
    }
    const blocks = Math.min(settings.blocks ?? defaults.behaviour.blocks, affordable);
    timings.push({ name, batch, runs, blocks: Math.ceil(blocks / startsOf(input)) });
  }
  return timings;
}

/** Milliseconds of one run when caches are filled and clocks are up. */
async function warmTime(host: HostedModel, batch: number): Promise<number> {
  const [once = 0] = await host.time(batch, 1, 0);
  return median(await host.time(batch, Math.max(1, Math.min(20, Math.ceil(100 / once))), 1));
}

/** Work with fresh processes of both models, as often as the settings say. */
async function eachPair(
  input: EfficiencyInput,
  doing: string,
  work: (hosts: readonly HostedModel[]) => Promise<void>,
): Promise<void> {
  const { candidate, champion, log, signal } = input;
  const sides = champion === null ? [candidate] : [candidate, champion];
  const starts = startsOf(input);
  for (let start = 0; start < starts; start += 1) {
    signal?.throwIfAborted();
    const hosts: HostedModel[] = [];
    try {
      for (const side of start % 2 === 0 ? sides : sides.toReversed()) hosts.push(await side.start());
      await work(start % 2 === 0 ? hosts : hosts.toReversed());
    } finally {
      for (const host of hosts) host.close();
    }
    log.progress(doing, start + 1, starts);
  }
}

/**
 * Time of each model over the blocks of one pair of processes: the geometric mean of its medians. A block runs the models in the order
 * ABBA or BAAB, by lot: what drifts evenly falls out of it.
 */
async function timePair(
  hosts: readonly HostedModel[],
  { batch, runs, blocks }: Timing,
  uniform: () => number,
  { signal }: EfficiencyInput,
): Promise<number[]> {
  for (const host of hosts) await warmTime(host, batch);
  const logs = hosts.map(() => 0);
  for (let block = 0; block < blocks; block += 1) {
    signal?.throwIfAborted();
    const first = uniform() < 0.5 ? 0 : 1;
    const order = hosts.length === 1 ? [0, 0] : [first, 1 - first, 1 - first, first];
    const times = hosts.map((): number[] => []);
    for (const [turn, side] of order.entries()) {
      const host = hosts[side] as HostedModel;
      times[side]?.push(...(await host.time(batch, runs[side] as number, (2 * block + turn) * 7)));
    }
    for (const [side, each] of times.entries()) logs[side] = (logs[side] as number) + Math.log(median(each)) / blocks;
  }
  return logs.map(Math.exp);
}

function startsOf({ settings }: EfficiencyInput): number {
  return settings.starts ?? defaults.behaviour.starts;
}

function sizeChecks({ settings, candidate, champion, absence }: EfficiencyInput): Check[] {
  const checks: Check[] = [];
  const { size } = candidate.artifact;
  if (settings.size !== undefined) {
    const max = bytesOf(settings.size.max);
    checks.push(
      limitCheck({
        name: 'size',
        title: 'Size of the candidate',
        verdict: size <= max ? 'pass' : 'fail',
        severity: settings.size.severity,
        message: `The candidate has ${significant(size)} bytes, at most ${significant(max)} (${settings.size.max}) allowed`,
        observed: size,
        required: max,
        unit: 'bytes',
      }),
    );
  }
  if (settings.size_ratio !== undefined) {
    const { max, severity } = settings.size_ratio;
    const before = champion?.artifact.size;
    checks.push(
      before === undefined
        ? absentCheck('size-ratio', 'Size against the champion', absence, severity)
        : limitCheck({
            name: 'size-ratio',
            title: 'Size against the champion',
            verdict: size <= max * before ? 'pass' : 'fail',
            severity,
            message: `The candidate has ${significant(size)} bytes, ${significant(size / before)} times the ${significant(before)} of the champion, at most ${significant(max)} times allowed`,
            observed: size / before,
            required: max,
            unit: 'times',
          }),
    );
  }
  return checks;
}

/** The peaks of all fresh processes together: under the limit, over it, or on both sides of it. */
function memoryLimit({ memory }: Settings, peaks: readonly number[]): Check[] {
  if (memory === undefined) return [];
  const max = bytesOf(memory.max) / 2 ** 20;
  const [least, most] = [Math.min(...peaks), Math.max(...peaks)];
  return [
    limitCheck({
      name: 'memory',
      title: 'Peak resident memory of the candidate',
      verdict: atMost({ lower: least, upper: most }, max),
      severity: memory.severity,
      message: `${peaks.length} processes of the candidate took ${significant(least)} to ${significant(most)} MiB at their peak, at most ${significant(max)} MiB allowed`,
      observed: most,
      required: max,
      unit: 'MiB',
    }),
  ];
}

function ratioCheck(
  name: Quantity,
  measured: { ratio: Ratio | null; sides: Sides } | null,
  { settings, champion, absence, budgetMs }: EfficiencyInput,
): Check[] {
  const { title, gate, unit } = quantities[name];
  const asked = settings[gate];
  if (asked === undefined) return [];
  const id = gate.replaceAll('_', '-');
  const against = `${title} against the champion`;
  if (champion === null) return [absentCheck(id, against, absence, asked.severity)];
  if (measured?.ratio === undefined || measured.ratio === null) {
    const reason = `${fewestBlocks} blocks would take more than the ${significant(budgetMs / 1000)} s there are; raise limits.time, or make the batch smaller`;
    return [absentCheck(id, against, { verdict: 'inconclusive', reason }, asked.severity)];
  }
  const { value, lower, upper, pairs } = measured.ratio;
  const [mine, theirs] = [median(measured.sides.candidate), median(measured.sides.champion)];
  return [
    limitCheck({
      name: id,
      title: against,
      verdict: atMost({ lower, upper }, asked.max),
      severity: asked.severity,
      message: `${title} is ${significant(mine, 3)} ${unit} against the champion's ${significant(theirs, 3)} ${unit}: ${significant(value, 3)} times (bounds ${significant(lower, 3)} to ${significant(upper, 3)}, ${pairs} pairs), at most ${significant(asked.max)} times allowed`,
      observed: value,
      required: asked.max,
      unit: 'times',
    }),
  ];
}

function shown(value: number): number {
  return Number(value.toPrecision(5));
}
