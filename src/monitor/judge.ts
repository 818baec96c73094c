import { judgeColumns, type DriftLimits } from '../profile/drift.ts';
import { normalCdf, tCdf } from '../statistics/distributions.ts';
import { harmOf, harmStep, startOfHarm, type HarmDetector } from './harm-detector.ts';
import { rateDropP, type Rate } from './moving-average.ts';
import { fitBaseline } from './baseline.ts';
import type { ChampionBaseline, WindowRecord } from './record.ts';
import type { Kpi } from './schema.ts';
import { watch, type Watched } from './watch.ts';
import { day } from './windows.ts';
import { percent, rounded, unitOf } from '../wording.ts';
import { mean, sum } from '../statistics/sums.ts';

/** What a finding is of, the worst first. */
export const ranks = ['harm', 'estimated', 'kpi', 'latency', 'data', 'drift'] as const;
export type Rank = (typeof ranks)[number];

/** An alarm wants a person now; advice a look; a note nothing. */
export type Level = 'alarm' | 'advice' | 'note';

/** What one signal shows in one window. */
export interface Observation {
  /** Stable, without value and date: kpi/conversion, drift/word_free. */
  signal: string;
  rank: Rank;
  level: Level;
  state: 'ok' | 'alarm' | 'learning' | 'inconclusive' | 'missing';
  title: string;
  message: string;
  value: number | null;
  limit: number | null;
  unit?: string | undefined;
}

export interface JudgeSettings {
  /** Length of a window, in milliseconds. */
  length: number;
  alarmsPerYear: number;
  learning: number;
  minRows: number;
  inconclusiveAfter: number;
  maxLoss: number;
  regression: boolean;
  labels: { maturity: number; minCoverage: number } | null;
  drift: Pick<DriftLimits, 'maxPsi' | 'maxMissing' | 'maxNewCategories'>;
  kpis: Readonly<Record<string, Kpi>>;
  cost: { max?: number | undefined; unit?: string | undefined } | null;
  /** Is there a reference to hold columns against? */
  reference: boolean;
  /** Are there scores to estimate performance from? */
  estimates: boolean;
}

/** The signals that share the budget, and what each may alarm in one window. */
export function ratePerSignal(settings: JudgeSettings): { signals: string[]; rate: number } {
  const signals = [
    'volume',
    ...(settings.reference ? ['drift'] : []),
    ...(settings.estimates ? ['estimated'] : []),
    ...(settings.labels === null ? [] : ['harm']),
    ...Object.keys(settings.kpis).map((name) => `kpi/${name}`),
  ];
  return { signals, rate: settings.alarmsPerYear / signals.length / ((365.25 * day) / settings.length) };
}

/**
 * Every observation of every window. A fold over what is recorded: the same windows give the same observations, whenever and however
 * often they are judged.
 * @param records in order of time, consecutive windows
 */
export function observe(
  records: readonly WindowRecord[],
  champions: readonly ChampionBaseline[],
  settings: JudgeSettings,
): Observation[][] {
  const { rate } = ratePerSignal(settings);
  const found: Observation[][] = records.map(() => []);
  const add = (series: readonly (Observation | null)[]): void => {
    for (const [index, observation] of series.entries()) if (observation !== null) found[index]?.push(observation);
  };
  add(volume(records, settings, rate));
  add(missing(records, champions, settings));
  for (const [name, kpi] of Object.entries(settings.kpis)) add(kpiSeries(name, kpi, records, settings, rate));
  if (settings.cost !== null) add(costSeries(records, settings.cost));
  if (settings.labels !== null) for (const series of harm(records, champions, settings, rate)) add(series);
  if (settings.estimates) add(estimated(records, champions, settings, rate));
  for (const [index, record] of records.entries()) {
    if (settings.reference) found[index]?.push(...drift(record, settings, rate));
    found[index]?.push(...notes(record, records[index - 1]));
  }
  return found;
}

function placeOf(records: readonly WindowRecord[], length: number): number {
  const first = records[0];
  // The first day of 1970 was a Thursday: places only need to repeat every week.
  return first === undefined ? 0 : Math.floor(Date.parse(first.start) / length);
}

function periodsOf(length: number): number[] {
  const [week, oneDay] = [(7 * day) / length, day / length];
  return [week, oneDay].filter((each) => Number.isInteger(each) && each >= 2);
}

function volume(records: readonly WindowRecord[], settings: JudgeSettings, rate: number): Observation[] {
  const values = records.map(({ rows }) => (rows === 0 ? null : Math.log(rows)));
  const watched = watch(values, placeOf(records, settings.length), {
    rate,
    learning: settings.learning,
    periods: periodsOf(settings.length),
    bad: 'both',
  });
  return watched.map((each, index) => ({
    signal: 'data/volume',
    rank: 'drift',
    level: 'advice',
    title: 'Rows a window',
    value: (records[index] as WindowRecord).rows,
    ...told(each, Math.exp, 'rows', (records[index] as WindowRecord).rows),
    limit: 'expected' in each ? Math.round(Math.exp(each.expected)) : null,
    unit: 'rows',
  }));
}

function told(
  watched: Watched,
  shownAs: (expected: number) => number,
  what: string,
  value: number,
): Pick<Observation, 'state' | 'message'> {
  switch (watched.state) {
    case 'learning':
      return { state: 'learning', message: `learning: window ${watched.of}` };
    case 'missing':
      return { state: 'missing', message: 'no value' };
    default: {
      const { state, sum: found, limit, expected } = watched;
      const change = state === 'alarm' ? 'has changed' : 'as expected';
      return {
        state,
        message: `${rounded(value)} ${what}, about ${rounded(shownAs(expected))} expected: ${change} (CUSUM ${found.toFixed(1)}, limit ${limit.toFixed(1)})`,
      };
    }
  }
}

/** Windows without rows, with too few, or without a score are no news by themselves: several in a row are. */
function missing(
  records: readonly WindowRecord[],
  champions: readonly ChampionBaseline[],
  { minRows, inconclusiveAfter, estimates }: JudgeSettings,
): Observation[] {
  const scored = new Set(
    champions.flatMap(({ sha256, calibration, table }) => (calibration === null && table === null ? [] : [sha256])),
  );
  let inRow = 0;
  return records.map(({ rows, others, estimate, champion, changed }) => {
    const isScoreless = estimates && estimate === null && !changed && scored.has(champion?.sha256 ?? '');
    const isMissing = rows < minRows || isScoreless;
    inRow = isMissing ? inRow + 1 : 0;
    const beside = sum(Object.values(others));
    const of = beside === 0 ? '' : ` of the champion (${rounded(beside)} are of ${modelsOf(others)})`;
    const what = `${rounded(rows)} ${unitOf(rows, 'rows')}${of}`;
    const why = rows < minRows ? `${what}, fewer than ${minRows}` : `${what}, but none has a score`;
    return {
      signal: 'data/missing',
      rank: 'data',
      level: 'alarm',
      state: inRow >= inconclusiveAfter ? 'alarm' : isMissing ? 'inconclusive' : 'ok',
      title: 'Windows without enough rows',
      message: isMissing
        ? `${why}: this window cannot be evaluated${inRow === 1 ? '' : `, as ${inRow - 1 === 1 ? 'the one' : `the ${inRow - 1}`} before it`}`
        : what,
      value: inRow,
      limit: inconclusiveAfter,
      unit: 'windows',
    };
  });
}

function kpiSeries(
  name: string,
  kpi: Kpi,
  records: readonly WindowRecord[],
  settings: JudgeSettings,
  rate: number,
): (Observation | null)[] {
  const key = `kpi/${name}`;
  const rank = kpi.rank ?? 'kpi';
  const bad = kpi.bad ?? (rank === 'latency' ? 'up' : 'down');
  const values = records.map((record) => record.values[key] ?? null);
  const positive = values.every((value) => value === null || value > 0);
  const scaled = values.map((value) => (value === null ? null : positive ? Math.log(value) : value));
  const place = placeOf(records, settings.length);
  const periods = periodsOf(settings.length);
  // Half of the share for the chart, a quarter for each comparison.
  const compares = kpi.max_change !== undefined;
  const watched = watch(scaled, place, { rate: compares ? rate / 2 : rate, learning: settings.learning, periods, bad });
  const rates = records.map((record) => record.rates[key] ?? null);
  const allowed = { bad, level: rate / 4, maxChange: kpi.max_change ?? 0, positive };
  const changes = compares ? weekChanges(scaled, rates, place, periods, settings, allowed) : null;
  const back = (expected: number): number => (positive ? Math.exp(expected) : expected);
  const unit = kpi.unit === undefined ? '' : ` ${kpi.unit}`;
  return records.map((record, index) => {
    const value = values[index] as number | null;
    const observation = { signal: key, rank, level: 'alarm', title: name, value, unit: kpi.unit } as const;
    if (value === null) {
      const fault = record.faults[key];
      return { ...observation, state: 'missing', message: fault ?? 'no value in this window', limit: null };
    }
    const { min = -Infinity, max = Infinity } = kpi;
    if (value < min || value > max) {
      const [word, limit] = value < min ? ['least', min] : ['most', max];
      return {
        ...observation,
        state: 'alarm',
        message: `${name} ${rounded(value)}${unit}, at ${word} ${limit}`,
        limit,
      };
    }
    const change = changes?.[index];
    const compared = change === null || change === undefined ? null : `${name} ${change.message}`;
    if (change?.state === 'alarm')
      return { ...observation, state: 'alarm', message: compared ?? '', limit: kpi.max_change ?? null };
    const chart = watched[index] as Watched;
    const text = told(chart, back, kpi.unit ?? name, value);
    const bounds = kpi.min !== undefined || kpi.max !== undefined;
    const state = text.state === 'learning' && (bounds || change?.state === 'ok') ? 'ok' : text.state;
    return {
      ...observation,
      state,
      message: compared === null || text.state === 'alarm' ? text.message : compared,
      limit: 'expected' in chart ? back(chart.expected) : null,
    };
  });
}

/** Today against the week before, and against the week a month before, which a slow decline cannot follow: effect and significance. */
function weekChanges(
  values: readonly (number | null)[],
  rates: readonly (Rate | null)[],
  place: number,
  periods: readonly number[],
  { length }: JudgeSettings,
  allowed: { bad: 'down' | 'up' | 'both'; level: number; maxChange: number; positive: boolean },
): (Pick<Observation, 'state' | 'message'> | null)[] {
  const { bad, level, maxChange, positive } = allowed;
  const week = Math.max(2, Math.round((7 * day) / length));
  return values.map((value, index) => {
    if (value === null) return null;
    let best: Pick<Observation, 'state' | 'message'> | null = null;
    for (const [name, lag] of [
      ['the week before', 1],
      ['the week a month before', 4 * week + 1],
    ] as const) {
      const end = index - lag + 1;
      const start = end - week;
      if (start < 0) continue;
      // What is normal is learnt from the month before the window that is compared.
      const from = Math.max(0, index - 8 * week);
      const until = Math.max(end, from + week);
      const learnt = values.slice(from, until);
      const period = periods.find((each) => learnt.length >= 4 * each) ?? 1;
      const baseline = fitBaseline(
        learnt,
        learnt.map((_, at) => (place + from + at) % period),
        period,
      );
      const season = (at: number): number =>
        baseline === null ? 0 : (baseline.season[(place + at) % period] as number) - mean(baseline.season);
      const before = values.slice(start, end).flatMap((each, at) => (each === null ? [] : [each - season(start + at)]));
      if (baseline === null || before.length < 2 || before.length < week / 2) continue;
      const { spread, phi, degreesOfFreedom } = baseline;
      const average = mean(before);
      const difference = value - season(index) - average;
      const se = spread * Math.sqrt(1 + (1 + phi) / (1 - phi) / before.length);
      const sided = bad === 'down' ? -difference : bad === 'up' ? difference : Math.abs(difference);
      const sampling = bad === 'down' ? samplingP(rates, start, end, index) : 0;
      const pValue = se > 0 ? 1 - tCdf(sided / se, degreesOfFreedom) : sided > 0 ? 0 : 1;
      const p = Math.max(sampling, bad === 'both' ? 2 * pValue : pValue);
      const change = positive ? Math.exp(difference) - 1 : difference / Math.abs(average || 1);
      const beyond = (bad === 'down' ? -change : bad === 'up' ? change : Math.abs(change)) > maxChange;
      const message = `${change > 0 ? '+' : ''}${percent(change, 3)} against ${name}, at most ${percent(maxChange, 3)} allowed (p = ${p < 1e-4 ? '< 0.0001' : p.toPrecision(2)}, level ${level.toPrecision(2)})`;
      const state = beyond && p < level ? 'alarm' : 'ok';
      if (best === null || (state === 'alarm' && best.state !== 'alarm')) best = { state, message };
    }
    return best;
  });
}

/** A drop of a rate may be sampling alone. */
function samplingP(rates: readonly (Rate | null)[], start: number, end: number, index: number): number {
  const now = rates[index] ?? null;
  const before = rates.slice(start, end).filter((each) => each !== null);
  return now === null ? 0 : rateDropP(before, now);
}

function costSeries(records: readonly WindowRecord[], cost: NonNullable<JudgeSettings['cost']>): Observation[] {
  return records.map((record) => {
    const value = record.values['cost'] ?? null;
    const unit = cost.unit === undefined ? '' : ` ${cost.unit}`;
    const beyond = value !== null && cost.max !== undefined && value > cost.max;
    return {
      signal: 'kpi/cost',
      rank: 'kpi',
      level: 'alarm',
      state: value === null ? 'missing' : beyond ? 'alarm' : 'ok',
      title: 'Cost of a prediction',
      message:
        value === null
          ? 'there were no predictions, so there is no cost per prediction'
          : `${rounded(value)}${unit} a prediction${cost.max === undefined ? '' : `, at most ${cost.max}`}`,
      value,
      limit: cost.max ?? null,
      unit: cost.unit,
    };
  });
}

/** Windows of one champion, as positions. */
function ofChampion(records: readonly WindowRecord[], baseline: ChampionBaseline): number[] {
  return [...records.keys()].filter((index) => {
    const { champion, changed } = records[index] as WindowRecord;
    return champion?.sha256 === baseline.sha256 && !changed;
  });
}

/** Real losses of mature windows: a bet against "no more than the evaluation set promised, and the margin". */
function harm(
  records: readonly WindowRecord[],
  champions: readonly ChampionBaseline[],
  settings: JudgeSettings,
  rate: number,
): (Observation | null)[][] {
  return champions.map((baseline) => {
    const tolerated = toleratedLoss(baseline, settings);
    const limit = Math.log(1 / rate);
    let detector: HarmDetector = startOfHarm;
    const series: (Observation | null)[] = records.map(() => null);
    const recent: { loss: number; rows: number }[] = [];
    let open = false;
    for (const index of ofChampion(records, baseline)) {
      const { performance, rows } = records[index] as WindowRecord;
      const observation = {
        signal: 'harm/loss',
        rank: 'harm',
        level: 'alarm',
        title: lossName(settings),
        unit: 'share',
      } as const;
      if (performance === null) continue;
      const covered = rows === 0 ? 0 : performance.rows / rows;
      const needed = settings.labels?.minCoverage ?? 0;
      if (performance.rows < settings.minRows || covered < needed) {
        const why =
          covered < needed
            ? `${percent(covered, 3)} of the rows have a label and a prediction, at least ${percent(needed, 3)} needed`
            : `${rounded(performance.rows)} labels, fewer than ${settings.minRows}`;
        series[index] = { ...observation, state: 'inconclusive', message: why, value: null, limit: tolerated };
        continue;
      }
      const { loss } = performance;
      detector = harmStep(detector, { wrong: loss * performance.rows, rows: performance.rows }, tolerated);
      const evidence = harmOf(detector);
      recent.push(performance);
      if (evidence >= limit) open = true;
      // What was lost long ago says nothing of recovery: it is over where the last windows together are well within the margin.
      const last = recent.slice(-3);
      const lately = sum(last.map((each) => each.loss * each.rows)) / sum(last.map((each) => each.rows));
      if (open && lately < (tolerated + baseline.upper) / 2) {
        open = false;
        detector = startOfHarm;
      }
      series[index] = {
        ...observation,
        state: open ? 'alarm' : 'ok',
        message: `${amount(loss, settings, baseline)} on ${rounded(performance.rows)} labelled rows, ${amount(baseline.loss, settings, baseline)} on the evaluation set, at most ${amount(tolerated, settings, baseline)} tolerated (evidence ${evidence.toFixed(1)}, limit ${limit.toFixed(1)})`,
        value: loss,
        limit: tolerated,
      };
    }
    return series;
  });
}

/** What the evaluation set may have missed, and the margin. */
function toleratedLoss(baseline: ChampionBaseline, settings: JudgeSettings): number {
  return Math.min(0.999, Math.max(1e-3, baseline.upper + marginOf(baseline, settings)));
}

/** By how much the loss may be more than that of the evaluation set; of regression a share of that. */
function marginOf({ loss }: ChampionBaseline, { regression, maxLoss }: JudgeSettings): number {
  return regression ? maxLoss * loss : maxLoss;
}

function lossName({ regression }: JudgeSettings): string {
  return regression ? 'Mean absolute error' : 'Share of wrong predictions';
}

function amount(loss: number, { regression }: JudgeSettings, { scale }: ChampionBaseline): string {
  return regression ? `error ${rounded(loss * scale)}` : `${percent(loss, 3)} wrong`;
}

/** Estimated without labels; it has no vote once labels showed that it misses. */
function estimated(
  records: readonly WindowRecord[],
  champions: readonly ChampionBaseline[],
  settings: JudgeSettings,
  rate: number,
): (Observation | null)[] {
  const series: (Observation | null)[] = records.map(() => null);
  for (const baseline of champions) {
    const misses: { at: number; difference: number; se: number }[] = [];
    const margin = marginOf(baseline, settings);
    const own = expectedOn(baseline);
    for (const index of ofChampion(records, baseline)) {
      const { estimate, rows, performance, end } = records[index] as WindowRecord;
      const observation = {
        signal: 'estimated/loss',
        rank: 'estimated',
        level: 'alarm',
        title: `${lossName(settings)}, estimated without labels`,
        unit: 'share',
        limit: baseline.loss + margin,
      } as const;
      if (estimate !== null && performance !== null && performance.rows >= settings.minRows) {
        const se = Math.sqrt(estimate.se ** 2 + (performance.loss * (1 - performance.loss)) / performance.rows);
        misses.push({
          at: Date.parse(end) + (settings.labels?.maturity ?? 0),
          difference: performance.loss - estimate.value,
          se,
        });
      }
      if (estimate === null) {
        if (rows > 0 && (baseline.calibration !== null || baseline.table !== null))
          series[index] = { ...observation, state: 'inconclusive', message: 'no row has a score', value: null };
        continue;
      }
      if (rows < settings.minRows) {
        const message = `${rounded(rows)} ${unitOf(rows, 'rows')}`;
        series[index] = { ...observation, state: 'inconclusive', message, value: estimate.value };
        continue;
      }
      const missed = missedBy(
        misses.filter(({ at }) => at <= Date.parse(end)),
        margin / 2,
      );
      const difference = estimate.value - own.value;
      const p = 1 - normalCdf(difference / Math.sqrt(estimate.se ** 2 + own.se ** 2));
      const alarm = difference > margin && p < rate;
      const text = `about ${amount(estimate.value, settings, baseline)}, ${amount(own.value, settings, baseline)} on the evaluation set, at most ${amount(margin, settings, baseline).replace('error ', '')} more tolerated`;
      series[index] = {
        ...observation,
        value: estimate.value,
        ...(missed === null
          ? { state: alarm ? 'alarm' : 'ok', message: text }
          : {
              state: 'inconclusive',
              message: `${text}; this estimate is ignored, because labels showed ${amount(Math.abs(missed), settings, baseline)} ${missed > 0 ? 'more' : 'less'} than it estimated`,
            }),
      };
    }
  }
  return series;
}

/** By how much the estimate missed in its last mature windows, where that is more than chance and more than half of the margin. */
function missedBy(misses: readonly { difference: number; se: number }[], margin: number): number | null {
  const last = misses.slice(-7);
  if (last.length === 0) return null;
  const difference = mean(last.map((each) => each.difference));
  const se = Math.sqrt(sum(last.map((each) => each.se ** 2))) / last.length;
  return Math.abs(difference) > Math.max(margin, 3 * se) ? difference : null;
}

/** What the same estimate says of the evaluation set itself. */
function expectedOn(baseline: ChampionBaseline): { value: number; se: number } {
  const { confidence, rows, loss } = baseline;
  if (confidence === null) return { value: loss, se: 0 };
  return { value: 1 - confidence.mean, se: Math.sqrt(confidence.variance / rows) };
}

function drift(record: WindowRecord, { drift: limits, minRows }: JudgeSettings, rate: number): Observation[] {
  if (record.changed || record.rows < minRows) return [];
  const judged = judgeColumns(
    record.drift.map(({ column, values, tooFew, tests }) => ({
      name: column,
      values: values as [number, number],
      missing: [0, 0] as [number, number],
      drift: null,
      tests,
      tooFew,
    })),
    { ...limits, alpha: rate, minRows },
  );
  return judged.map(({ name, tests, verdict }, index) => {
    const worst = [...tests].sort((a, b) => b.effect / (b.threshold || 1e-9) - a.effect / (a.threshold || 1e-9))[0];
    const feature = record.drift[index]?.feature !== false;
    const what = {
      distribution: (effect: number) => `corrected PSI ${effect.toFixed(3)}`,
      missing: (effect: number) => `share of missing values changed by ${percent(effect, 3)}`,
      'new-categories': (effect: number) => `${percent(effect, 3)} of the rows in new categories`,
    };
    return {
      signal: `drift/${name}`,
      rank: 'drift',
      level: feature ? 'advice' : 'note',
      state: worst === undefined ? 'inconclusive' : verdict === 'fail' ? 'alarm' : 'ok',
      title: `Drift of ${name}`,
      message:
        worst === undefined
          ? 'too few values to compare'
          : `${what[worst.of](worst.effect)}, at most ${worst.threshold}${feature ? '' : '; the model does not use this column'}`,
      value: worst?.effect ?? null,
      limit: worst?.threshold ?? null,
    };
  });
}

/** Faults of a window that are told as they are. */
const noted = [
  ['labels', 'data/labels-join', 'Labels match rows', 'advice'],
  ['future', 'data/future', 'No events from the future', 'advice'],
  ['repeated', 'data/repeated', 'Rows are logged once', 'note'],
  ['late', 'data/late', 'Rows arrive on time', 'note'],
] as const;

function listed(names: readonly string[]): string {
  return `${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`;
}

/** Names of models as the log has them; a digest as people write it. */
function modelsOf(others: WindowRecord['others']): string {
  return listed(Object.keys(others).map((name) => (/^[0-9a-f]{64}$/u.test(name) ? name.slice(0, 12) : name)));
}

/** What is no fault of the model and yet should be known. */
function notes(record: WindowRecord, before: WindowRecord | undefined): Observation[] {
  const note = (signal: string, title: string, message: string | null, level: Level = 'note'): Observation => ({
    signal,
    rank: level === 'note' ? 'drift' : 'data',
    level,
    state: message === null ? 'ok' : 'alarm',
    title,
    message: message ?? 'no problem',
    value: null,
    limit: null,
  });
  const { alone, others, changed, performance, faults } = record;
  const fresh = before === undefined ? [] : alone.production.filter((name) => !before.alone.production.includes(name));
  const schema = [
    ...(alone.reference.length === 0 ? [] : [`production has no ${listed(alone.reference)}`]),
    ...(fresh.length === 0 ? [] : [`production has ${listed(fresh)}, which are new`]),
  ];
  const other = Object.entries(others);
  return [
    ...(record.rows === 0
      ? []
      : [
          note('data/schema', 'Columns of production', schema.length === 0 ? null : schema.join('; '), 'advice'),
          note(
            'data/models',
            'One champion per window',
            changed
              ? 'the champion changed within this window, so signals of the model are not evaluated'
              : other.length === 0
                ? null
                : `${rounded(sum(Object.values(others)))} rows are of ${modelsOf(others)}, which is not the champion: they are left out`,
          ),
        ]),
    ...(performance === null
      ? []
      : [
          note(
            'data/labels',
            'Labels agree',
            performance.contradictions === 0
              ? null
              : `${rounded(performance.contradictions)} rows have contradicting labels: they are excluded`,
            'advice',
          ),
        ]),
    ...noted.flatMap(([fault, signal, title, level]) =>
      faults[fault] === undefined ? [] : [note(signal, title, faults[fault], level)],
    ),
  ];
}
