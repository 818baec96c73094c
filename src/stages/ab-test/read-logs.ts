import type { DuckDBConnection } from '@duckdb/node-api';
import { milliseconds } from '../../config/units.ts';
import { quoteLiteral, requireColumns, type Dataset } from '../../data/relation.ts';
import { readingOfIds, withoutLeadingZeros } from '../../data/row-ids.ts';
import { DataError } from '../../errors.ts';
import type { Moments } from '../../statistics/experiment.ts';
import { asking, copyLog, partsBy, type Ask, type LogColumn } from '../log-table.ts';
import type { AbTest, ExperimentMetric } from './schema.ts';

/** What was found in the logs beside the outcomes. Counts of rows or users. */
export interface LogFindings {
  exposures: number;
  /** Rows that say no user or no arm. */
  incomplete: number;
  /** Of arms that the configuration ignores. */
  ignored: number;
  /** Users with exposures in both arms: they are in neither. */
  inBoth: number;
  /** Users in each arm, champion first, whether or not their window is over: how they were assigned. */
  assigned: [champion: number, candidate: number];
  /** Those whose window was not over at the end of the logs. */
  early: number;
  outcomes: number;
  /** Outcomes logged twice with one id, and those of them that say different things. */
  repeated: number;
  contradicting: number;
  /** Outcomes of users that were not exposed; and outcomes before the exposure. */
  strangers: number;
  before: number;
  /** By arm, champion first: users whose window is over, and those of them with any outcome since their exposure; null without outcomes. */
  heard: { users: number; withOutcome: number }[] | null;
  /** Versions by arm that the log names, champion first. */
  versions: [champion: string[], candidate: string[]];
  /** Events that metrics count, and no outcome is named. */
  unknownEvents: string[];
  /** The last time in the logs, in milliseconds since 1970. */
  end: number | null;
}

/** Users of both arms by metric: all of them, and by segment. */
export interface Experiment {
  findings: LogFindings;
  whole: Arms[];
  segments: { segment: string; metrics: Arms[] }[];
}

export interface Arms {
  champion: Moments | null;
  candidate: Moments | null;
}

/**
 * Read the logs of an experiment into moments by arm: one unit for each user, at the first exposure; outcomes count after it, for as
 * long as the window says; what came before it is the covariate.
 *
 * @param workspace a database of its own
 * @throws DataError
 */
export async function readExperiment(
  workspace: DuckDBConnection,
  datasets: Readonly<Record<string, Dataset>>,
  settings: AbTest,
): Promise<Experiment> {
  const assignments = datasets['assignments'] as Dataset;
  const outcomes = datasets['outcomes'];
  const { columns, metrics, segments = [], window, lookback } = settings;
  const numericIds = [assignments, outcomes].some(
    (each) => each !== undefined && readingOfIds(each, columns.user).numeric,
  );
  await copyAssignments(workspace, assignments, settings, outcomes === undefined, numericIds);
  if (outcomes !== undefined) await copyOutcomes(workspace, outcomes, settings, numericIds);
  const ask = asking(workspace);
  const numbers = async (query: string): Promise<number[]> => ((await ask(query))[0] ?? []).map(Number);

  await requireKnownArms(ask, settings, assignments.uri);
  const [champion, candidate] = [settings.arms.champion, settings.arms.candidate].map(quoteLiteral);
  await workspace.run(
    `create table exposed as select * from exposure where who is not null and arm in (${champion}, ${candidate})`,
  );
  await workspace.run('create table crossed as select who from exposed group by who having count(distinct arm) > 1');
  const kept = segments.map((_, index) => `arg_min(s${index}, coalesce(moment, 0)) as s${index}`);
  const given =
    outcomes === undefined ? metricColumns(settings).map((_, index) => `any_value(c${index}) as c${index}`) : [];
  await workspace.run(
    `create table assigned as select who, case when any_value(arm) = ${champion} then 0 else 1 end as arm, min(moment) as moment
     ${[...kept, ...given].map((each) => `, ${each}`).join('')}
     from exposed where who not in (select who from crossed) group by who`,
  );
  if (outcomes === undefined) await requireOneRow(ask, assignments.uri);
  const [[last = null, ended = null] = []] = await ask(
    // A time of the future makes no window complete.
    `select max(moment), max(moment) filter (where moment <= ${Date.now()})
     from (select moment from exposure${outcomes === undefined ? '' : ' union all select moment from outcome'})`,
  );
  const mature = window === undefined ? '' : `where moment + ${milliseconds(window)} <= ${Number(ended ?? 0)}`;
  await workspace.run(`create table unit as select * from assigned ${mature}`);
  const findings = await readFindings(ask, numbers, {
    settings,
    outcomes: outcomes !== undefined,
    ended: typeof last === 'number' ? last : null,
  });

  await workspace.run(outcomes === undefined ? givenValues(settings) : summedValues(settings));
  const covered = (metric: ExperimentMetric): boolean =>
    metric.kind !== 'ratio' && (lookback !== undefined || metric.covariate !== undefined);
  const whole = await moments(ask, metrics, covered, 'true');
  const bySegment: Experiment['segments'] = [];
  for (const { name, where } of await partsBy(ask, 'value', segments))
    bySegment.push({ segment: name, metrics: await moments(ask, metrics, covered, where) });
  return { findings, whole, segments: bySegment };
}

/** The columns of numbers that the metrics ask for, each once. */
function metricColumns({ metrics }: AbTest): string[] {
  return [...new Set(metrics.flatMap(({ column, denominator, covariate }) => [column, denominator, covariate]))].filter(
    (name) => name !== undefined,
  );
}

async function copyAssignments(
  workspace: DuckDBConnection,
  dataset: Dataset,
  settings: AbTest,
  withMetrics: boolean,
  numericIds: boolean,
): Promise<void> {
  const { columns, segments = [] } = settings;
  await copy(workspace, 'exposure', dataset, numericIds, columns.user, [
    { as: 'arm', name: columns.arm, use: 'text' },
    { as: 'moment', name: columns.time, use: 'time' },
    { as: 'version', name: columns.version, use: 'text' },
    ...segments.map((name, index) => ({ as: `s${index}`, name, use: 'text' as const })),
    ...(withMetrics
      ? metricColumns(settings).map((name, index) => ({ as: `c${index}`, name, use: 'number' as const }))
      : []),
  ]);
}

async function copyOutcomes(
  workspace: DuckDBConnection,
  dataset: Dataset,
  settings: AbTest,
  numericIds: boolean,
): Promise<void> {
  const { columns } = settings;
  await copy(workspace, 'logged', dataset, numericIds, columns.user, [
    { as: 'moment', name: columns.time, use: 'time' },
    { as: 'event', name: columns.event, use: 'text' },
    { as: 'name', name: columns.name, use: 'text' },
    ...metricColumns(settings).map((name, index) => ({ as: `c${index}`, name, use: 'number' as const })),
  ]);
  // What has no id cannot be known to be there twice.
  await workspace.run(
    `create table outcome as select * from logged
     qualify event is null or row_number() over (partition by event order by moment nulls last, who) = 1`,
  );
}

/** Copy the user and some columns of a log to a table of the workspace. @throws DataError where there is no such column */
async function copy(
  workspace: DuckDBConnection,
  table: string,
  dataset: Dataset,
  numericIds: boolean,
  user: string,
  wanted: readonly LogColumn[],
): Promise<void> {
  requireColumns(dataset, [user, ...wanted.flatMap(({ name }) => name ?? [])]);
  const ids = readingOfIds(dataset, user);
  const of = (written: string): string => (numericIds ? withoutLeadingZeros(ids.of(written)) : ids.of(written));
  await copyLog(workspace, table, dataset, [{ as: 'who', name: user, use: 'text', of }, ...wanted]);
}

/** An arm that nobody planned is a typing error, or another experiment. @throws DataError */
async function requireKnownArms(ask: Ask, { arms, columns }: AbTest, uri: string): Promise<void> {
  const found = await ask(
    `select arm, count(*)::double from exposure where arm is not null group by 1 order by 2 desc, 1 limit 20`,
  );
  const known = [arms.champion, arms.candidate, ...(arms.ignore ?? [])];
  const names = found.map(([arm]) => String(arm));
  const stranger = names.find((arm) => !known.includes(arm));
  const missing = [arms.champion, arms.candidate].find((arm) => !names.includes(arm));
  if (stranger === undefined && missing === undefined) return;
  throw new DataError({
    found:
      stranger !== undefined
        ? `column ${JSON.stringify(columns.arm)} has the arm ${JSON.stringify(stranger)}`
        : `no user is in the arm ${JSON.stringify(missing)}; the arms in the log are: ${names.map((each) => JSON.stringify(each)).join(', ') || 'none'}`,
    expected: `arms of ab_test.arms: ${known.map((each) => JSON.stringify(each)).join(', ')}`,
    where: uri,
    remedy: 'Correct ab_test.arms, or list arms to ignore in ab_test.arms.ignore',
  });
}

/** Where the metrics stand beside the assignment, a user has one row. @throws DataError */
async function requireOneRow(ask: Ask, uri: string): Promise<void> {
  const twice = await ask(
    `select who, count(*)::double from exposed where who not in (select who from crossed) group by 1 having count(*) > 1 order by 1 limit 3`,
  );
  if (twice.length === 0) return;
  const shown = twice.map(([who, rows]) => `${JSON.stringify(who)} (${Number(rows)} rows)`);
  throw new DataError({
    found: `users have several rows: ${shown.join(', ')}`,
    expected: 'one row per user, because the metrics are columns of the assignments',
    where: uri,
    remedy: 'Sum them by user, or write the outcomes to a separate file and name it in ab_test.outcomes',
  });
}

async function readFindings(
  ask: Ask,
  numbers: (query: string) => Promise<number[]>,
  { settings, outcomes, ended }: { settings: AbTest; outcomes: boolean; ended: number | null },
): Promise<LogFindings> {
  const ignore = (settings.arms.ignore ?? []).map(quoteLiteral).join(', ');
  const [exposures = 0, incomplete = 0, ignored = 0] = await numbers(
    `select count(*)::double, (count(*) filter (where who is null or arm is null))::double,
     (count(*) filter (where ${ignore === '' ? 'false' : `arm in (${ignore})`}))::double from exposure`,
  );
  const [inBoth = 0] = await numbers('select count(*)::double from crossed');
  const [inChampion = 0, inCandidate = 0] = await numbers(
    'select (count(*) filter (where arm = 0))::double, (count(*) filter (where arm = 1))::double from assigned',
  );
  const [units = 0] = await numbers('select count(*)::double from unit');
  const none = [0, 0, 0, 0, 0];
  const [logged = 0, repeated = 0, contradicting = 0] = outcomes
    ? await numbers(
        `select (select count(*) from logged)::double, ((select count(*) from logged) - (select count(*) from outcome))::double,
         (select count(*) from (select event from logged where event is not null group by event
            having count(distinct (who, moment${valueList(settings)})) > 1))::double`,
      )
    : none;
  const [strangers = 0, before = 0] = outcomes
    ? await numbers(
        `select (count(*) filter (where a.who is null and o.who not in (select who from crossed)))::double,
         (count(*) filter (where o.moment < a.moment))::double from outcome o left join assigned a on o.who = a.who`,
      )
    : none;
  const named = async (arm: string): Promise<string[]> =>
    (
      await ask(
        `select version from exposed where version is not null and arm = ${quoteLiteral(arm)} group by 1 order by count(*) desc, 1 limit 5`,
      )
    ).map(([version]) => String(version));
  return {
    exposures,
    incomplete,
    ignored,
    inBoth,
    assigned: [inChampion, inCandidate],
    early: inChampion + inCandidate - units,
    outcomes: logged,
    repeated,
    contradicting,
    strangers,
    before,
    heard: outcomes ? await heardOf(numbers) : null,
    versions: [await named(settings.arms.champion), await named(settings.arms.candidate)],
    unknownEvents: outcomes ? await unknownEventsOf(ask, settings) : [],
    end: ended,
  };
}

async function heardOf(numbers: (query: string) => Promise<number[]>): Promise<LogFindings['heard']> {
  const of = async (arm: number): Promise<{ users: number; withOutcome: number }> => {
    const [users = 0, withOutcome = 0] = await numbers(
      `select count(*)::double, (count(*) filter (where exists (select 1 from outcome o where o.who = u.who and o.moment >= u.moment)))::double
       from unit u where arm = ${arm}`,
    );
    return { users, withOutcome };
  };
  return [await of(0), await of(1)];
}

async function unknownEventsOf(ask: Ask, { metrics }: AbTest): Promise<string[]> {
  const asked = [...new Set(metrics.flatMap(({ event }) => event ?? []))];
  const known = new Set(
    (await ask('select distinct name from outcome where name is not null')).map(([name]) => String(name)),
  );
  return asked.filter((name) => !known.has(name));
}

function valueList(settings: AbTest): string {
  return metricColumns(settings)
    .map((_, index) => `, coalesce(c${index}, -1e308)`)
    .join('');
}

/** Values by user from the columns of the assignments. */
function givenValues(settings: AbTest): string {
  const names = metricColumns(settings);
  const cell = (name: string | undefined): string => `c${names.indexOf(name as string)}`;
  const values = settings.metrics.map((metric, index) => {
    const y = metric.kind === 'conversion' ? `(${cell(metric.column)} > 0)::double` : cell(metric.column);
    return `${y} as y${index}, ${metric.denominator === undefined ? 'null' : cell(metric.denominator)}::double as d${index},
      ${metric.covariate === undefined ? 'null' : cell(metric.covariate)}::double as x${index}`;
  });
  return `create table value as select *, ${values.join(', ')} from unit`;
}

/** Values by user from the outcomes: 0 of whoever has none. */
function summedValues(settings: AbTest): string {
  const { window, lookback, metrics, segments = [] } = settings;
  const names = metricColumns(settings);
  const after = `o.moment >= u.moment${window === undefined ? '' : ` and o.moment < u.moment + ${milliseconds(window)}`}`;
  const prior =
    lookback === undefined ? 'false' : `o.moment < u.moment and o.moment >= u.moment - ${milliseconds(lookback)}`;
  const values = metrics.map((metric, index) => {
    const only = metric.event === undefined ? 'true' : `o.name = ${quoteLiteral(metric.event)}`;
    const cell = metric.column === undefined ? '1' : `o.c${names.indexOf(metric.column)}`;
    const under = metric.denominator === undefined ? '1' : `o.c${names.indexOf(metric.denominator)}`;
    const of = (when: string): string => {
      const counted = `filter (where ${when} and ${only})`;
      if (metric.kind === 'conversion') return `coalesce(max((${cell} > 0)::int) ${counted}, 0)::double`;
      if (metric.kind === 'count') return `(count(${cell === '1' ? 'o.who' : cell}) ${counted})::double`;
      return `coalesce(sum(${cell}) ${counted}, 0)::double`;
    };
    const denominator =
      metric.kind === 'ratio'
        ? `coalesce(sum(${under}) filter (where ${after} and ${only}), 0)::double`
        : 'null::double';
    return `${of(after)} as y${index}, ${denominator} as d${index}, ${lookback === undefined ? 'null::double' : of(prior)} as x${index}`;
  });
  const kept = segments.map((_, index) => `any_value(u.s${index}) as s${index}, `).join('');
  return `create table value as select u.who, any_value(u.arm) as arm, ${kept}${values.join(', ')}
    from unit u left join outcome o on o.who = u.who and o.moment is not null group by u.who`;
}

/** @throws DataError where numbers are so large that a variance of them is none */
async function askFinite(ask: Ask, metric: string, query: string): Promise<unknown[][]> {
  try {
    return await ask(query);
  } catch (cause) {
    if (!(cause instanceof DataError)) throw cause;
    throw new DataError({
      found: `the values of ${metric} are too large to be summed up`,
      expected: 'numbers whose squares are finite',
      where: 'ab_test.outcomes',
      remedy: 'Look for a number that marks a missing value, and remove it',
      cause,
    });
  }
}

/** Moments of every metric by arm. Users without a value are left out of that metric. */
async function moments(
  ask: Ask,
  metrics: readonly ExperimentMetric[],
  covered: (metric: ExperimentMetric) => boolean,
  where: string,
): Promise<Arms[]> {
  const found: Arms[] = [];
  for (const [index, metric] of metrics.entries()) {
    const [y, d, x] = [`y${index}`, `d${index}`, `x${index}`];
    const hasX = covered(metric);
    const isRatio = metric.kind === 'ratio';
    const needed = [y, ...(isRatio ? [d] : []), ...(hasX ? [x] : [])]
      .map((each) => `${each} is not null`)
      .join(' and ');
    const rows = await askFinite(
      ask,
      metric.name,
      `select arm, count(*)::double, avg(${y}), coalesce(var_samp(${y}), 0),
       ${isRatio ? `avg(${d}), coalesce(var_samp(${d}), 0), coalesce(covar_samp(${y}, ${d}), 0)` : 'null, null, null'},
       ${hasX ? `avg(${x}), coalesce(var_samp(${x}), 0), coalesce(covar_samp(${y}, ${x}), 0)` : 'null, null, null'}
       from (select * from value order by who) where ${needed} and ${where} group by arm`,
    );
    const arm = (which: number): Moments | null => {
      const row = rows.find(([each]) => Number(each) === which)?.map(Number);
      if (row === undefined) return null;
      const [, users = 0, mean = 0, variance = 0, ...others] = row;
      const beside = ([ofIt = 0, varianceOfIt = 0, withY = 0]: number[]) => ({
        mean: ofIt,
        variance: varianceOfIt,
        withY,
      });
      return {
        users,
        y: mean,
        yy: variance,
        ...(isRatio ? { d: beside(others.slice(0, 3)) } : {}),
        ...(hasX ? { x: beside(others.slice(3)) } : {}),
      };
    };
    found.push({ champion: arm(0), candidate: arm(1) });
  }
  return found;
}
