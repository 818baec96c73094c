import type { DuckDBConnection } from '@duckdb/node-api';
import { alphaOf } from '../../config/defaults.ts';
import { shareOf } from '../../config/quantity.ts';
import { quoteLiteral, requireColumns, type Dataset } from '../../data/relation.ts';
import { readingOfIds, withoutLeadingZeros } from '../../data/row-ids.ts';
import { inWorkspace } from '../../data/workspace.ts';
import { DataError } from '../../errors.ts';
import type { Check, Verdict } from '../../evidence/index.ts';
import { normalQuantile } from '../../statistics/distributions.ts';
import { wilson } from '../../statistics/proportions.ts';
import { count, percent } from '../../wording.ts';
import { atMost } from '../comparison.ts';
import { asking, copyLog, partsBy, type Ask } from '../log-table.ts';
import type { LogsContext, StageResult } from '../stage.ts';
import { replayRequests } from './replay.ts';
import { sampleFile, shadowSettings, type Shadow } from './schema.ts';

/** What two sides differ in, over requests that both answered. */
interface Comparison {
  of: string;
  pairs: number;
  disagreements: number;
  share: number;
  /** One-sided bounds of the share at alpha each. */
  lower: number;
  upper: number;
  /** Mean difference of the scores with bounds; null: there are no scores. */
  shift: number | null;
  shiftLower: number | null;
  shiftUpper: number | null;
  /** Geometric mean of the ratio of the times, with bounds; null: there are none. */
  latencyRatio: number | null;
  latencyLower: number | null;
  latencyUpper: number | null;
}

/** Compare the answers of both versions to the same requests. @throws DataError, StagingError */
export async function compareInShadow(context: LogsContext): Promise<StageResult> {
  const settings = shadowSettings(context.config) as Shadow;
  const alpha = alphaOf(context.config.policy);
  return inWorkspace(async (workspace) => {
    const mirrored = context.datasets['mirrored'];
    if (mirrored === undefined) {
      await replayRequests(workspace, context.datasets['requests'] as Dataset, settings, context);
    } else await readAnswers(workspace, mirrored, settings);
    return judge(workspace, settings, context, alpha);
  }, 1);
}

async function judge(
  workspace: DuckDBConnection,
  settings: Shadow,
  context: LogsContext,
  alpha: number,
): Promise<StageResult> {
  const ask = asking(workspace);
  const slices = settings.slices ?? [];
  await pairUp(workspace, settings, slices.length);
  const compare = (of: string, from: string): Promise<Comparison> => comparison(ask, of, from, alpha);
  const whole = await compare('candidate against champion', 'pair');
  const itself = await compare('champion against itself', 'itself');
  const bySlice: Comparison[] = [];
  for (const { name, where } of await partsBy(ask, 'pair', slices))
    bySlice.push(await compare(name, `(select * from pair where ${where})`));
  const [errors = []] = await ask(
    `select (count(*) filter (where arm = 1))::double, (count(*) filter (where arm = 1 and failed))::double,
     (count(*) filter (where arm = 0))::double, (count(*) filter (where arm = 0 and failed))::double from answer where turn = 1`,
  );
  const [asked = 0, failed = 0, askedChampion = 0, failedChampion = 0] = errors.map(Number);
  const [unpaired = []] = await ask(
    `select (count(distinct id) filter (where not failed and id not in (select id from pair)))::double,
       (count(distinct id) filter (where arm = 0 and id not in (select id from answer where arm = 1)))::double from answer`,
  );
  const labels = await judgeLabels(workspace, ask, settings, context, alpha);
  const checks = [
    requestsCheck(whole, Number(unpaired[0]), { asked, failed, askedChampion, failedChampion }, settings),
    ...silenceCheck(Number(unpaired[1]), askedChampion),
    ...limitChecks(settings, alpha, whole, itself, { asked, failed, askedChampion, failedChampion }),
    ...labels,
  ];
  const sample = await sampleOf(ask, settings.sample ?? 100, context.config.policy.seed ?? 0);
  return {
    checks,
    details: { comparisons: [whole, itself, ...bySlice], errors: { asked, failed, askedChampion, failedChampion } },
    files: sample === null ? [] : [{ name: sampleFile, content: sample }],
  };
}

/** A row for each answer, in `answer(id, arm, turn, score, label, ms, failed, slices...)`: the second of one arm is its second turn. It failed if one of its turns says so. */
async function readAnswers(workspace: DuckDBConnection, dataset: Dataset, settings: Shadow): Promise<void> {
  const { columns = {}, slices = [], arms = { champion: 'champion', candidate: 'candidate' } } = settings;
  const named = { arm: 'arm', score: 'score', label: 'label', ms: 'ms', status: 'status', ...columns };
  const has = (name: string): boolean => dataset.columns.some((each) => each.name === name);
  if (!has(named.score) && !has(named.label)) {
    throw new DataError({
      found: `the log has neither ${JSON.stringify(named.score)} nor ${JSON.stringify(named.label)}`,
      expected: 'a column with the answers of each version',
      where: dataset.uri,
      remedy: 'Set shadow.columns.score or shadow.columns.label',
    });
  }
  requireColumns(dataset, [columns.id ?? 'id', named.arm], 'shadow.columns');
  requireColumns(dataset, slices, 'shadow.slices');
  const ids = readingOfIds(dataset, columns.id ?? 'id');
  await copyLog(workspace, 'logged', dataset, [
    { as: 'id', name: columns.id ?? 'id', use: 'text', of: ids.of },
    { as: 'arm', name: named.arm, use: 'text' },
    { as: 'score', name: named.score, use: 'number' },
    { as: 'label', name: named.label, use: 'text' },
    { as: 'ms', name: named.ms, use: 'number' },
    { as: 'status', name: named.status, use: 'number' },
    ...slices.map((name, index) => ({ as: `s${index}`, name, use: 'text' as const })),
  ]);
  const [champion, candidate] = [arms.champion, arms.candidate].map(quoteLiteral);
  const rows = (
    await workspace.runAndReadAll(
      `select arm, count(*)::double from logged where arm is null or arm not in (${champion}, ${candidate}) group by 1 order by 2 desc limit 1`,
    )
  ).getRows();
  if (rows[0] !== undefined) {
    throw new DataError({
      found: `${Number(rows[0][1])} answers belong to ${rows[0][0] === null ? 'no arm' : `the arm ${JSON.stringify(rows[0][0])}`}`,
      expected: `${arms.champion} or ${arms.candidate}`,
      where: dataset.uri,
      remedy: 'Name the arms in shadow.arms, or remove the other answers from the log',
    });
  }
  await workspace.run(
    `create table answer as select id, case when arm = ${champion} then 0 else 1 end as arm,
     row_number() over (partition by id, arm order by row) as turn, score, label, ms,
     bool_or(coalesce(status >= 400 or status <= 0, false) or (score is null and label is null)) over (partition by id, arm) as failed
     ${slices.map((_, index) => `, s${index}`).join('')}
     from (select *, row_number() over () as row from logged) where id is not null`,
  );
}

/** The one name of a class, as `classText` has it: 1, 1.0 and true are one, whoever logged them and as what. */
function oneName(text: string): string {
  const whole = `regexp_replace(lower(${text}), '^[+]?([0-9]+)[.]0*$', '\\1')`;
  return `case ${whole} when '1' then 'true' when '0' then 'false' when 'true' then 'true' when 'false' then 'false'
    else regexp_replace(${text}, '^([+-]?[0-9]+)[.]0+$', '\\1') end`;
}

/** `pair` and `itself`: what two sides answered to one request. */
async function pairUp(workspace: DuckDBConnection, { threshold = 0.5 }: Shadow, slices: number): Promise<void> {
  const kept = Array.from({ length: slices }, (_, index) => `, a.s${index}`).join('');
  const said = (side: string): string => `coalesce(${side}.label, (${side}.score >= ${threshold})::varchar)`;
  const decision = (side: string): string => oneName(said(side));
  const pairs = (arm: number, turn: number): string =>
    `select a.id, ${decision('a')} as first, ${decision('b')} as second, ${said('a')} as first_said, ${said('b')} as second_said, a.score as before, b.score as after, a.ms as time, b.ms as other ${kept}
     from answer a join answer b using (id) where a.arm = 0 and a.turn = 1 and not a.failed and b.arm = ${arm} and b.turn = ${turn} and not b.failed`;
  await workspace.run(`create table pair as ${pairs(1, 1)} order by id`);
  await workspace.run(`create table itself as ${pairs(0, 2)} order by id`);
}

/** A clock of whole milliseconds logs 0, which has no logarithm. A filter would not do: DuckDB may compute what it leaves out. */
function isTime(column: string): string {
  return `(${column} > 0 and isfinite(${column}))`;
}

async function comparison(ask: Ask, of: string, from: string, alpha: number): Promise<Comparison> {
  const [row = []] = await ask(
    `select count(*)::double, (count(*) filter (where first <> second))::double,
     count(shift)::double, avg(shift), coalesce(stddev_samp(shift), 0),
     count(ratio)::double, avg(ratio), coalesce(stddev_samp(ratio), 0)
     from (select first, second, case when isfinite(before) and isfinite(after) then after - before end as shift,
       case when ${isTime('time')} and ${isTime('other')} then ln(other) - ln(time) end as ratio from ${from})`,
  );
  const [pairs = 0, disagreements = 0, scored = 0, shift = 0, shiftSpread = 0, timed = 0, log = 0, logSpread = 0] =
    row.map(Number);
  const z = normalQuantile(1 - alpha);
  const { lower, upper } = wilson(disagreements, pairs, alpha);
  const shiftRadius = (z * shiftSpread) / Math.sqrt(scored);
  const logRadius = (z * logSpread) / Math.sqrt(timed);
  const known = scored > 1;
  const clocked = timed > 1;
  return {
    of,
    pairs,
    disagreements,
    share: pairs === 0 ? 0 : disagreements / pairs,
    lower,
    upper,
    shift: known ? shift : null,
    shiftLower: known ? shift - shiftRadius : null,
    shiftUpper: known ? shift + shiftRadius : null,
    latencyRatio: clocked ? Math.exp(log) : null,
    latencyLower: clocked ? Math.exp(log - logRadius) : null,
    latencyUpper: clocked ? Math.exp(log + logRadius) : null,
  };
}

/** Requests that each was asked, and those of them that it failed. */
interface Failures {
  asked: number;
  failed: number;
  askedChampion: number;
  failedChampion: number;
}

const leastRequests = 100;

function requestsCheck(
  { pairs }: Comparison,
  unpaired: number,
  { asked, failed, askedChampion, failedChampion }: Failures,
  { min_requests: least = leastRequests }: Shadow,
): Check {
  const silent = asked === 0 ? 'candidate' : askedChampion === 0 ? 'champion' : null;
  const failing = failed === asked ? 'candidate' : failedChampion === askedChampion ? 'champion' : null;
  const why =
    pairs > 0
      ? ''
      : silent !== null
        ? `: the log has no answers of the ${silent}`
        : failing !== null
          ? `: the ${failing} failed on every request`
          : ': their ids differ';
  const alone =
    unpaired === 0
      ? ''
      : ` ${count(unpaired)} ${unpaired === 1 ? 'request has' : 'requests have'} the answer of only one version${why}.`;
  return {
    id: 'shadow/requests',
    title: 'Requests answered by both',
    severity: 'block',
    verdict: pairs >= least ? 'pass' : 'inconclusive',
    message: `${count(pairs)} ${pairs === 1 ? 'request was' : 'requests were'} answered by both versions.${alone}`,
    observed: pairs,
    required: least,
    limit: 'at least',
    unit: 'requests',
  };
}

/** Fewer than these go missing in any log. */
const mostSilent = 0.01;

/** A candidate that hangs or dies leaves no line, and would look as if it failed nothing. So does a mirror of a part of the traffic. */
function silenceCheck(silent: number, askedChampion: number): Check[] {
  const share = silent / Math.max(1, askedChampion);
  if (share <= mostSilent || share === 1) return [];
  const seen = `${count(silent)} of ${count(askedChampion)}`;
  return [
    {
      id: 'shadow/silence',
      title: 'Requests without a log line of the candidate',
      severity: 'warn',
      verdict: 'fail',
      message: `${seen} requests of the champion have no line of the candidate (${percent(share)}) and are not used here: only a part is mirrored, or the candidate lost them. Log a request without an answer with the status 0.`,
      observed: share,
      required: mostSilent,
      limit: 'at most',
      unit: 'share',
    },
  ];
}

interface Bounded {
  name: string;
  title: string;
  /** What was observed, with bounds; null: it cannot be told. */
  value: { observed: number; lower: number; upper: number } | null;
  limit: number | undefined;
  beside: string;
  unit?: string;
}

function limitChecks(
  settings: Shadow,
  alpha: number,
  whole: Comparison,
  itself: Comparison,
  errors: Failures,
): Check[] {
  const asShare = (value: number | string | undefined, key: string): number | undefined =>
    value === undefined ? undefined : shareOf(value, key.replaceAll('_', ' '), 'bound', `shadow.${key}`);
  const noise =
    itself.pairs === 0
      ? 'requests were sent to the champion only once'
      : `${percent(itself.share)} for the champion against itself`;
  const sized = (a: number, lower: number, upper: number): { observed: number; lower: number; upper: number } => ({
    observed: Math.abs(a),
    lower: lower > 0 ? lower : upper < 0 ? -upper : 0,
    upper: Math.max(Math.abs(lower), Math.abs(upper)),
  });
  const { shift, shiftLower, shiftUpper, latencyRatio, latencyLower, latencyUpper } = whole;
  const failures = wilson(errors.failed, errors.asked, alpha);
  const all: Bounded[] = [
    {
      name: 'disagreement',
      title: 'Disagreement',
      value: whole.pairs === 0 ? null : { observed: whole.share, lower: whole.lower, upper: whole.upper },
      limit: asShare(settings.max_disagreement, 'max_disagreement'),
      beside: `${noise}. A difference is not harm: label a sample of it`,
      unit: 'share',
    },
    {
      name: 'score-shift',
      title: 'Shift of the mean score',
      value: shift === null || shiftLower === null || shiftUpper === null ? null : sized(shift, shiftLower, shiftUpper),
      limit: settings.max_score_shift,
      beside: itself.shift === null ? noise : `${itself.shift.toFixed(4)} for the champion against itself`,
    },
    {
      name: 'latency-ratio',
      title: 'Latency ratio',
      value:
        latencyRatio === null || latencyLower === null || latencyUpper === null
          ? null
          : { observed: latencyRatio, lower: latencyLower, upper: latencyUpper },
      limit: settings.max_latency_ratio,
      beside:
        itself.latencyRatio === null ? noise : `${itself.latencyRatio.toFixed(2)} for the champion against itself`,
    },
    {
      name: 'error-rate',
      title: 'Requests on which the candidate failed',
      value: errors.asked === 0 ? null : { observed: errors.failed / errors.asked, ...failures },
      limit: asShare(settings.max_error_rate, 'max_error_rate'),
      beside: `${count(errors.failedChampion)} of ${count(errors.askedChampion)} of the champion`,
      unit: 'share',
    },
  ];
  const least = settings.min_requests ?? leastRequests;
  return all.map((each) => {
    // What the candidate failed has no answer of both, and is told by what it was asked.
    const requests = each.name === 'error-rate' ? errors.asked : whole.pairs;
    return boundedCheck(each, settings.severity ?? 'block', requests >= least);
  });
}

function boundedCheck(
  { name, title, value, limit, beside, unit }: Bounded,
  severity: Check['severity'],
  enough: boolean,
): Check {
  const shown = (number: number): string =>
    unit === 'share' ? percent(number) : String(Number(number.toPrecision(4)));
  const verdict = ((): Verdict => {
    if (limit === undefined) return value === null ? 'skipped' : 'pass';
    if (value === null || !enough) return 'inconclusive';
    return atMost(value, limit);
  })();
  return {
    id: `shadow/${name}`,
    title,
    severity: limit === undefined ? 'info' : severity,
    verdict,
    message:
      value === null
        ? `${title}: not in the log.`
        : `${title}: ${shown(value.observed)} (bounds ${shown(value.lower)} to ${shown(value.upper)}); ${beside}.`,
    observed: value?.observed ?? null,
    required: limit ?? null,
    ...(limit === undefined ? {} : { limit: 'at most' as const }),
    ...(unit === undefined ? {} : { unit }),
  };
}

/** Of the disagreements that were labelled since: who was right? */
async function judgeLabels(
  workspace: DuckDBConnection,
  ask: Ask,
  settings: Shadow,
  { datasets, config }: LogsContext,
  alpha: number,
): Promise<Check[]> {
  const dataset = datasets['labels'];
  if (dataset === undefined || settings.labels === undefined) return [];
  const { id = 'id', label = 'label' } = settings.labels;
  requireColumns(dataset, [id, label], 'shadow.labels');
  const ids = readingOfIds(dataset, id);
  await copyLog(workspace, 'told', dataset, [
    { as: 'id', name: id, use: 'text', of: ids.of },
    { as: 'label', name: label, use: 'text' },
  ]);
  const key = (text: string): string => (ids.numeric ? withoutLeadingZeros(text) : text);
  // A score says positive or not; labels have names of their own for the two.
  const { positive: named } = config.columns;
  const told = oneName('t.label');
  const positive = named === undefined ? 'null' : oneName(quoteLiteral(String(named)));
  const same = (side: string): string =>
    `${side} = case when ${side} in ('true', 'false') and ${told} not in ('true', 'false') then (${told} = ${positive})::varchar else ${told} end`;
  const [row = []] = await ask(
    `select count(*)::double, (count(*) filter (where ${same('second')}))::double, (count(*) filter (where ${same('first')}))::double,
     (select count(*) from (select id from told group by id having count(distinct ${oneName('label')}) > 1))::double
     from pair p join (select distinct on (id) id, label from told where label is not null order by id) t on ${key('p.id')} = ${key('t.id')} where first <> second`,
  );
  const [labelled = 0, candidate = 0, champion = 0, contradicting = 0] = row.map(Number);
  const { lower, upper } = wilson(candidate, candidate + champion, alpha);
  const verdict: Verdict = contradicting > 0 ? 'fail' : labelled === 0 ? 'skipped' : 'pass';
  return [
    {
      id: 'shadow/labels',
      title: 'Labelled disagreements',
      severity: 'warn',
      verdict,
      message:
        contradicting > 0
          ? `${contradicting} ids have several labels.`
          : labelled === 0
            ? 'No disagreement is labelled yet.'
            : `Of ${labelled} labelled disagreements the candidate was right in ${candidate}, the champion in ${champion}: the candidate's share is ${percent(candidate / Math.max(1, candidate + champion))} (bounds ${percent(lower)} to ${percent(upper)}).`,
      observed: labelled === 0 ? null : `${candidate} / ${champion}`,
      required: null,
    },
  ];
}

/** Disagreements to be labelled, drawn by a hash of id and seed; null: there are none. */
async function sampleOf(ask: Ask, size: number, seed: number): Promise<string | null> {
  const rows = await ask(
    `select id, first_said, second_said, before, after from pair where first <> second order by md5(id || ${quoteLiteral(`#${seed}`)}), id limit ${size}`,
  );
  if (rows.length === 0) return null;
  const cell = (value: unknown): string => {
    const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
    // What a spreadsheet would run as a formula is a text.
    const safe = /^[=+@\t\r-]/u.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
    return /[",\r\n]/u.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = rows.map((row) => [...row.map(cell), ''].join(','));
  return `${['id,champion,candidate,champion_score,candidate_score,label', ...lines].join('\n')}\n`;
}
