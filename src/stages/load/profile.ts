import { defaults, milliseconds as durationMs } from '../../config/index.ts';
import { latencyLimits } from './objectives.ts';
import type { Load, ProfileSettings, Slo } from './schema.ts';
import { scheduleOf, type Arrivals, type Stretch } from './schedule.ts';

/** A load profile in force, with every default filled in. */
export type Profile = CommonProfile &
  (
    | { kind: 'constant'; rate: number; durationMs: number }
    | { kind: 'smoke'; rate: number; durationMs: number }
    | { kind: 'soak'; rate: number; durationMs: number }
    | { kind: 'closed'; users: number; durationMs: number }
    | { kind: 'ramp'; from: number; to: number; durationMs: number }
    | { kind: 'steps'; rates: number[]; eachMs: number }
    | { kind: 'spike'; base: number; factor: number; beforeMs: number; lengthMs: number; afterMs: number }
    | { kind: 'stages'; stretches: Stretch[] }
    | { kind: 'replay'; file: string; speed: number; scale: number }
    | { kind: 'capacity'; to: number; windowMs: number; budgetMs: number }
  );

export interface CommonProfile {
  name: string;
  arrivals: Arrivals;
  warmupMs: number;
  connections: number;
  rowsPerRequest: number;
  timeoutMs: number;
}

export type ProfileOf<K extends Profile['kind']> = Extract<Profile, { kind: K }>;

const rateByDefault = 50;
const mostSteps = 200;

/** The profiles of a configuration, each with a name of its own. */
export function profilesOf({ profile, slo }: Load): Profile[] {
  const settings = Array.isArray(profile) ? profile : [profile ?? { rate: rateByDefault, duration: '10s' }];
  const names = new Map<string, number>();
  return settings.map((each) => {
    const wanted = each.name ?? each.kind ?? 'constant';
    const count = (names.get(wanted) ?? 0) + 1;
    names.set(wanted, count);
    return { ...profileOf(each, slo), name: count === 1 ? wanted : `${wanted}-${count}` };
  });
}

function profileOf(settings: ProfileSettings, slo: Slo): Profile {
  const common = (rate: number, warmup: string): CommonProfile => ({
    name: '',
    arrivals: settings.arrivals ?? (settings.kind === 'capacity' ? 'poisson' : 'constant'),
    warmupMs: durationMs(settings.warmup ?? warmup),
    connections: settings.connections ?? connectionsFor(rate, slo),
    rowsPerRequest: settings.rows_per_request ?? 1,
    timeoutMs: durationMs(settings.timeout ?? defaults.requestTimeout),
  });
  const ms = (given: string | undefined, otherwise: string): number => durationMs(given ?? otherwise);
  switch (settings.kind) {
    case 'soak': {
      const { rate, duration } = settings;
      return { kind: 'soak', ...common(rate, '1s'), rate, durationMs: durationMs(duration) };
    }
    case 'smoke': {
      const rate = settings.rate ?? 5;
      return { kind: 'smoke', ...common(rate, '0s'), rate, durationMs: ms(settings.duration, '15s') };
    }
    case 'closed': {
      const { users, duration } = settings;
      return { kind: 'closed', ...common(1, '1s'), connections: users, users, durationMs: durationMs(duration) };
    }
    case 'ramp': {
      const { to, from = to / 10 } = settings;
      return { kind: 'ramp', ...common(Math.max(from, to), '1s'), from, to, durationMs: durationMs(settings.duration) };
    }
    case 'steps': {
      const rates = stepsOf(settings);
      return { kind: 'steps', ...common(Math.max(...rates), '1s'), rates, eachMs: ms(settings.each, '10s') };
    }
    case 'spike': {
      const { base, factor = 10 } = settings;
      return {
        kind: 'spike',
        ...common(base * factor, '1s'),
        base,
        factor,
        beforeMs: ms(settings.before, '10s'),
        lengthMs: ms(settings.length, '10s'),
        afterMs: ms(settings.after, '30s'),
      };
    }
    case 'stages': {
      const stretches = stretchesOf(settings.stages);
      const highest = Math.max(...stretches.flatMap(({ from, to }) => [from, to]));
      return { kind: 'stages', ...common(highest, '0s'), stretches };
    }
    case 'replay':
      return {
        kind: 'replay',
        ...common(1, '0s'),
        connections: settings.connections ?? mostConnections,
        file: settings.file,
        speed: settings.speed ?? 1,
        scale: settings.scale ?? 1,
      };
    case 'capacity':
      return {
        kind: 'capacity',
        ...common(1, '1s'),
        connections: settings.connections ?? mostConnections,
        to: settings.to ?? 100_000,
        windowMs: ms(settings.window, '4s'),
        budgetMs: ms(settings.budget, '180s'),
      };
    default: {
      const { rate, duration } = settings;
      return { kind: 'constant', ...common(rate, '1s'), rate, durationMs: durationMs(duration) };
    }
  }
}

const mostConnections = 500;

/**
 * As many as may be open at once: three times what is in flight if every request is as slow as it may be (Little's law). They are
 * opened only as they are needed.
 */
function connectionsFor(rate: number, slo: Slo): number {
  const slowest = Math.max(0, ...latencyLimits(slo).map(({ ms }) => ms)) || 500;
  return Math.min(mostConnections, Math.max(10, Math.ceil((3 * rate * slowest) / 1000)));
}

function stepsOf({ from, to, step, factor = 1.5 }: Extract<ProfileSettings, { kind: 'steps' }>): number[] {
  const rates: number[] = [];
  for (let rate = from; rate <= to * (1 + 1e-9) && rates.length < mostSteps;) {
    rates.push(Number(rate.toPrecision(6)));
    rate = step === undefined ? rate * factor : rate + step;
  }
  return rates.length === 0 ? [from] : rates;
}

function stretchesOf(stages: Extract<ProfileSettings, { kind: 'stages' }>['stages']): Stretch[] {
  let before = stages[0]?.rate ?? 0;
  return stages.map(({ rate, duration, jump = false }, index) => {
    const from = jump || index === 0 ? rate : before;
    before = rate;
    return { from, to: rate, durationMs: durationMs(duration) };
  });
}

/** The rate of a profile that has one throughout, else of its start. */
export function nominalRate(profile: Profile): number | null {
  return plannedStretches(profile)?.[0]?.from ?? null;
}

/** When a profile sends its requests; null where that follows from what happens, or from a file. */
export function offsetsOf(profile: Profile, seed: number): Float64Array | null {
  const stretches = plannedStretches(profile);
  return stretches === null ? null : scheduleOf(stretches, profile.arrivals, seed);
}

function plannedStretches(profile: Profile): readonly Stretch[] | null {
  const held = (rate: number, durationMs: number): Stretch => ({ from: rate, to: rate, durationMs });
  switch (profile.kind) {
    case 'constant':
    case 'smoke':
    case 'soak':
      return [held(profile.rate, profile.durationMs)];
    case 'ramp':
      return [profile];
    case 'steps':
      return profile.rates.map((rate) => held(rate, profile.eachMs));
    case 'spike': {
      const { base, factor, beforeMs, lengthMs, afterMs } = profile;
      return [held(base, beforeMs), held(base * factor, lengthMs), held(base, afterMs)];
    }
    case 'stages':
      return profile.stretches;
    default:
      return null;
  }
}
