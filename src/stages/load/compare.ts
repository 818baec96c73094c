import { milliseconds as durationMs } from '../../config/index.ts';
import type { Check } from '../../evidence/index.ts';
import type { Staging } from '../../config/schema.ts';
import { ConfigError } from '../../errors.ts';
import { normalQuantile } from '../../statistics/distributions.ts';
import { meanBounds } from '../../statistics/log-ratio.ts';
import { brief, percent } from '../../wording.ts';
import { atMost } from '../comparison.ts';
import { loadCheck, mostTimes } from './check.ts';
import { errorsIn, type Samples, type WindowResult } from './driver.ts';
import type { Loader } from './loader.ts';
import { judgeGenerator } from './judge.ts';
import { percentile, sampleFloor } from './latency.ts';
import { nominalRate, type Profile } from './profile.ts';
import { uniform } from '../../statistics/splitmix.ts';
import { schedule } from './schedule.ts';
import type { Load } from './schema.ts';
import { seed } from './session.ts';
import { partOf } from './window.ts';
import { uniformPairs } from './pairs.ts';

export type CompareSettings = NonNullable<Load['compare']>;

export interface ComparedPercentile {
  /** p50, p95, p99 */
  name: string;
  /** Candidate over champion, with a two-sided interval; null: too few requests. */
  ratio: number | null;
  lower: number;
  upper: number;
  /** Stretches of time that the interval is of. */
  slices: number;
  gates: boolean;
}

export interface Comparison {
  rate: number;
  seconds: number;
  design: 'live' | 'blocks';
  percentiles: ComparedPercentile[];
  errors: { candidate: number; champion: number; of: number };
  generator: { overloaded: boolean; message: string };
}

const rateByDefault = 50;
const mostSlices = 15;
const leastSlices = 5;
const blockMs = 2000;
/** Of one look at the data, one-sided; the run is extended once where nothing is settled. */
const level = 0.025;
const looks = 2;
const shares = { p50: 0.5, p95: 0.95, p99: 0.99 } as const;
type PercentileName = keyof typeof shares;
/**
 * Two processes of one image differ for as long as they live (their cores, how their memory lies), which no slice of one run can
 * tell: the highest level of repetition in Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time" (ISMM 2013). This is the
 * standard deviation of the logarithm of their ratio beyond that of the slices, over the 20 runs of docs/benchmarks.md.
 */
const betweenProcesses = 0.006;

/**
 * Candidate and champion under load at the same time, each request to one of both at random, with the same rows and at the same rate:
 * what disturbs the machine disturbs both (the duet method, arXiv:2001.05811). The ratio is taken in each of some slices of time, and
 * its interval is that of Student's t over their logarithms: requests follow one another in a queue, so that any interval of single
 * requests would be far too narrow.
 */
export async function compareLive(input: {
  settings: CompareSettings;
  profile: Profile;
  candidate: Loader;
  champion: Loader;
  signal: AbortSignal;
  progress(done: number, of: number): void;
}): Promise<Comparison> {
  const { settings, profile, signal } = input;
  const rate = settings.rate ?? nominalRate(profile) ?? rateByDefault;
  const design = settings.design ?? 'live';
  const eachMs = durationMs(settings.duration ?? '60s');
  const gating: readonly string[] = settings.percentiles ?? ['p50', 'p95'];
  const arms = armsOf(input, rate, eachMs);
  const pairs: ArmPair[] = [];
  const results: WindowResult[] = [];
  let generator = { overloaded: false, message: '' };
  try {
    await arms.warmUp(profile.warmupMs);
    for (let look = 0; look < looks && !signal.aborted; look += 1) {
      const found = await arms[design](look);
      pairs.push(...found.pairs);
      results.push(...found.results);
      for (const result of found.results) {
        const judged = judgeGenerator(result, Number.POSITIVE_INFINITY);
        if (judged.overloaded || generator.message === '')
          generator = { overloaded: judged.overloaded, message: judged.message };
      }
      input.progress(look + 1, looks);
      const bounds = comparedPercentiles(pairs, gating);
      if (bounds.every(({ gates, ...each }) => !gates || atMost(each, settings.max_ratio) !== 'inconclusive')) break;
    }
  } finally {
    await Promise.all([input.candidate.close(), input.champion.close()]).catch(() => {}); // it was ended
  }
  const failed = (arm: keyof ArmPair): number => pairs.reduce((sum, pair) => sum + errorsIn(pair[arm]), 0);
  return {
    rate,
    seconds:
      pairs.length === 0
        ? 0
        : (results.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0) / 1000) * (design === 'live' ? 0.5 : 1),
    design,
    percentiles: comparedPercentiles(pairs, gating),
    errors: {
      candidate: failed('candidate'),
      champion: failed('champion'),
      of: pairs.reduce((sum, { candidate }) => sum + candidate.latency.length, 0),
    },
    generator,
  };
}

/** A check for each percentile that is held to the ratio, and for the others what is seen. */
export function comparisonChecks(
  { percentiles, generator, rate, design, seconds }: Comparison,
  { max_ratio: most }: CompareSettings,
): Check[] {
  return percentiles.map(({ gates, ...each }) => {
    const { name, ratio, lower, upper, slices } = each;
    const found = atMost(each, most);
    const verdict = found === 'fail' && generator.overloaded ? 'inconclusive' : found;
    const how = `${design === 'live' ? 'both live' : 'in turns'}, ${brief(rate)}/s each for ${brief(seconds)} s`;
    const message =
      ratio === null
        ? `${name} of candidate and champion cannot be compared: each of ${leastSlices} time slices needs ${sampleFloor(shares[name as PercentileName])} requests (${how})`
        : `${name} of the candidate is ${brief(ratio)} times that of the champion (between ${brief(lower)} and ${brief(upper)}, ${slices} slices; ${how}); at most ${most} allowed${verdict !== found ? `, but the load generator was the limit: ${generator.message}` : ''}${verdict === 'inconclusive' && verdict === found ? wayOut(ratio, most) : ''}`;
    const finding = { verdict, severity: gates ? 'block' : 'info', observed: ratio, required: most, message } as const;
    return loadCheck(`${name}-ratio`, `${name} against the champion`, mostTimes, finding);
  });
}

/** What both arms answered in one slice of time. */
interface ArmPair {
  candidate: Samples;
  champion: Samples;
}

function comparedPercentiles(pairs: readonly ArmPair[], gating: readonly string[]): ComparedPercentile[] {
  return (Object.keys(shares) as PercentileName[]).flatMap((name) => {
    const gates = gating.includes(name);
    const found = ratioOf(pairs, shares[name]);
    if (found === null && !gates) return [];
    return [{ name, ...(found ?? { ratio: null, lower: 0, upper: Number.MAX_VALUE, slices: 0 }), gates }];
  });
}

/** The ratio of a percentile; slices are joined until each has requests enough. */
function ratioOf(
  pairs: readonly ArmPair[],
  p: number,
): Pick<ComparedPercentile, 'ratio' | 'lower' | 'upper' | 'slices'> | null {
  const floor = Math.max(10, sampleFloor(p));
  for (let joined = 1; pairs.length / joined >= leastSlices; joined += 1) {
    const slices = Array.from({ length: Math.floor(pairs.length / joined) }, (_, index) =>
      pairs.slice(index * joined, (index + 1) * joined),
    );
    const latencies = (slice: readonly ArmPair[], arm: keyof ArmPair): Float64Array =>
      Float64Array.from(slice.flatMap((pair) => [...pair[arm].latency])).toSorted();
    const logs: number[] = [];
    for (const slice of slices) {
      const [candidate, champion] = [latencies(slice, 'candidate'), latencies(slice, 'champion')];
      if (candidate.length < floor || champion.length < floor) break;
      logs.push(Math.log(percentile(candidate, p) / percentile(champion, p)));
    }
    if (logs.length < slices.length) continue;
    const { value, upper } = meanBounds(logs, level);
    const reach = Math.hypot(upper - value, leastReach());
    const [lower, most] = [Math.exp(value - reach), Math.exp(value + reach)];
    return { ratio: Math.exp(value), lower, upper: most, slices: logs.length };
  }
  return null;
}

/** Half the interval of a measurement without end, as a logarithm. */
function leastReach(): number {
  return normalQuantile(1 - level) * betweenProcesses;
}

function wayOut(ratio: number, most: number): string {
  return Math.abs(Math.log(ratio / most)) > leastReach()
    ? ': a longer compare.duration may settle it'
    : `: a longer compare.duration cannot settle it, because two processes of the same model differ by up to ${percent(Math.expm1(leastReach()))}. Set a larger compare.max_ratio`;
}

/** Loads both for one look. */
type Look = (look: number) => Promise<{ pairs: ArmPair[]; results: WindowResult[] }>;

interface Arms {
  warmUp(ms: number): Promise<void>;
  live: Look;
  blocks: Look;
}

function armsOf(input: Parameters<typeof compareLive>[0], rate: number, ms: number): Arms {
  const { signal } = input;
  const { connections, timeoutMs, rowsPerRequest } = input.profile;
  const link = { connections: Math.max(10, connections), timeoutMs, rowsPerRequest };
  const sent = { candidate: 0, champion: 0 };
  const send = async (name: keyof ArmPair, offsets: Float64Array): Promise<WindowResult> => {
    const first = sent[name];
    sent[name] += offsets.length;
    return (await input[name].run({ link, offsets, first, judged: true }, signal)).window;
  };
  return {
    async warmUp(durationMs) {
      if (durationMs === 0) return;
      const offsets = schedule({ rate, durationMs, arrivals: 'constant', seed });
      await Promise.all([send('candidate', offsets), send('champion', offsets)]);
      // Both ask about the same rows in the same order from here on.
      sent.candidate = sent.champion = offsets.length;
    },
    async live(look) {
      const all = schedule({ rate: 2 * rate, durationMs: ms, arrivals: 'poisson', seed: seed + look });
      const { first, second } = uniformPairs(all, seed + 100 + look);
      const [candidate, champion] = await Promise.all([send('candidate', first), send('champion', second)]);
      const width = ms / mostSlices;
      const pairs = Array.from({ length: mostSlices }, (_, index) => ({
        candidate: partOf(candidate, index * width, (index + 1) * width),
        champion: partOf(champion, index * width, (index + 1) * width),
      }));
      return { pairs, results: [candidate, champion] };
    },
    async blocks(look) {
      const next = uniform(seed + 200 + look);
      const block = Math.min(blockMs, ms / (4 * mostSlices));
      const quads = Math.max(leastSlices, Math.floor(ms / (4 * block)));
      const pairs: ArmPair[] = [];
      const results: WindowResult[] = [];
      for (let quad = 0; quad < quads && !signal.aborted; quad += 1) {
        const [outer, inner] =
          next() < 0.5 ? (['candidate', 'champion'] as const) : (['champion', 'candidate'] as const);
        const found: Record<keyof ArmPair, WindowResult[]> = { candidate: [], champion: [] };
        for (const [index, name] of [outer, inner, inner, outer].entries()) {
          const own = seed + 1000 * look + 4 * quad + index;
          const result = await send(name, schedule({ rate, durationMs: block, arrivals: 'poisson', seed: own }));
          found[name].push(result);
          results.push(result);
        }
        pairs.push({ candidate: joined(found.candidate), champion: joined(found.champion) });
      }
      return { pairs, results };
    },
  };
}

function joined(results: readonly Samples[]): Samples {
  const of = (key: 'offsets' | 'latency' | 'lag'): Float64Array =>
    Float64Array.from(results.flatMap((result) => [...result[key]]));
  return {
    offsets: of('offsets'),
    latency: of('latency'),
    lag: of('lag'),
    outcome: Uint8Array.from(results.flatMap(({ outcome }) => [...outcome])),
  };
}

/** How the champion is served beside the candidate. @throws ConfigError where the configuration does not say */
export function championStaging(staging: Staging, { champion }: CompareSettings): Staging {
  const { url, image } = champion ?? {};
  if (url !== undefined) return { ...shared(staging), url };
  if (image !== undefined) return 'image' in staging ? { ...staging, image } : { ...shared(staging), image };
  const fault = (found: string, remedy: string): ConfigError =>
    new ConfigError({
      found,
      expected: 'a way to serve the champion beside the candidate',
      where: 'load.compare.champion',
      remedy,
    });
  if ('url' in staging)
    throw fault('staging.url serves one model', 'Name the address of the champion: champion: {url}');
  if ('image' in staging && staging.mount_model === undefined) {
    throw fault(
      'the image brings its model',
      'Name the image of the champion: champion: {image}, or mount models with staging.mount_model',
    );
  }
  if (!('image' in staging) && 'port' in staging && (staging.port ?? 0) !== 0) {
    throw fault(`both would listen on port ${staging.port}`, 'Leave staging.port out: each gets a free one');
  }
  return staging;
}

function shared(staging: Staging): object {
  if ('target' in staging) return {};
  const { protocol, path, health, request, answer, inputs, outputs, headers, start_timeout } = staging;
  const given = { protocol, path, health, request, answer, inputs, outputs, headers, start_timeout };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
