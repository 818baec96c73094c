import { appendFile, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { withDataset, type Dataset } from '../../data/dataset.ts';
import { quoteLiteral } from '../../data/relation.ts';
import { temporaryFolder } from '../../data/temporary.ts';
import { inWorkspace } from '../../data/workspace.ts';
import { ContenderError, DataError } from '../../errors.ts';
import type { Guardrail } from '../../stages/traffic.ts';
import type { StepObservation } from '../../stages/guardrails.ts';
import { asking, copyLog, type Ask } from '../../stages/log-table.ts';
import type { MeanOf } from '../../statistics/anytime-ratios.ts';
import { brief } from '../../wording.ts';
import { ask, tokenOf } from './http.ts';
import type { Observer, ObserverInput, Seen, Step } from './observer.ts';

/** Columns of the log, as our own server writes it. */
const ownColumns = {
  time: 'time',
  id: 'id',
  user: 'user',
  arm: 'arm',
  version: 'version',
  status: 'status',
  ms: 'ms',
  feedback: 'feedback',
};
type Columns = typeof ownColumns;

/** A log of requests and of feedback on them: of our server, or a file. It is read whole at each look; the rows of a look may be late. */
export async function observeLog({
  settings,
  pathOf,
  env,
  artifacts,
  oncePerArm = false,
}: ObserverInput): Promise<Observer> {
  const { observe, weights, guardrails } = settings;
  const folder = await temporaryFolder('workspace');
  const close = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const columns = { ...ownColumns, ...('log' in observe ? observe.columns : {}) };
  const arms =
    'log' in observe && observe.arms !== undefined ? observe.arms : { champion: 'champion', candidate: 'candidate' };
  const unit = 'log' in observe ? observe.unit : 'ms';
  const file = 'log' in observe ? observe.log : '';
  const source =
    'log' in observe
      ? wholeLines(await pathOf(file, 'rollout.observe.log'), folder)
      : 'server' in weights
        ? serverLog(weights.server, tokenOf(weights.token, env), folder)
        : null;
  if (source === null) throw new Error('the configuration lets no other source pass');
  return {
    close,
    async look(steps, now) {
      const blank = steps.map((step) => nothingSeen(step, now, guardrails));
      try {
        const { path, uri } = await source();
        if ((await stat(path).catch(() => null))?.size === 0)
          return { steps: blank, fault: 'the log is empty', void: null };
        return await withDataset({ name: 'log', uri, path }, { sha256: '' }, (dataset) =>
          inWorkspace(async (workspace) => {
            await copyEvents(workspace, dataset, columns, guardrails);
            const times = valuesOf(guardrails, columns).flatMap(({ column }, index) =>
              column === columns.ms ? [`value${index}`] : [],
            );
            const told = [
              ...['id', 'who', 'arm'].map(named),
              notNegative('status', '0'),
              ...['ms', ...times].map((column) => notNegative(column, 'null')),
            ];
            await workspace.run(`update logged set ${told.join(', ')}`);
            return seenIn(workspace, { steps, now, guardrails, arms, columns, unit, artifacts, oncePerArm });
          }, 1),
        );
      } catch (error) {
        if (!(error instanceof ContenderError)) throw error;
        return { steps: blank, fault: error.message.split('\n')[0] ?? error.message, void: null };
      }
    },
  };
}

function nothingSeen({ weight, from, to }: Step, now: number, guardrails: readonly Guardrail[]): StepObservation {
  const none = { champion: 0, candidate: 0 };
  const failures = Object.fromEntries(guardrails.map(({ name }) => [name, none]));
  return { weight, from, to: to ?? now, requests: none, users: none, inBoth: 0, failures };
}

/** The log of our server so far, of which only what is new is fetched. */
function serverLog(
  url: string,
  token: string | undefined,
  folder: string,
): () => Promise<{ path: string; uri: string }> {
  const path = join(folder, 'log.jsonl');
  const address = `${url.replace(/\/$/u, '')}/contender/log`;
  let offset = 0;
  return async () => {
    await appendFile(path, '');
    for (;;) {
      const part = Buffer.from(await (await ask(`${address}?offset=${offset}`, { token })).arrayBuffer());
      if (part.length === 0) return { path, uri: address };
      await appendFile(path, part);
      offset += part.length;
    }
  };
}

/** A log that is written while it is read: of text the last line may be half there. */
function wholeLines(path: string, folder: string): () => Promise<{ path: string; uri: string }> {
  if (!/\.(?:jsonl|ndjson|csv)$/iu.test(path)) return () => Promise.resolve({ path, uri: path });
  const copy = join(folder, `log${/\.\w+$/u.exec(path)?.[0] ?? ''}`);
  const hasHeader = /\.csv$/iu.test(path);
  // A proxy tells in the same log what becomes of itself, such as a reload. The half of a line has its brace, and is an error.
  const ofRequests = (text: Buffer): Buffer =>
    hasHeader ? text : Buffer.from(text.toString('latin1').replace(/^[^{\n]+\n/gmu, ''), 'latin1');
  let offset = 0;
  let file: number | null = null;
  return async () => {
    const handle = await open(path).catch((cause: NodeJS.ErrnoException) => {
      throw new DataError({ found: `the log cannot be read (${cause.code ?? cause.message})`, where: path, cause });
    });
    try {
      const { size, ino } = await handle.stat();
      // A log that was rotated starts again; what was read before stays, or a rotation would hide harm.
      if (size < offset || (file !== null && file !== ino)) offset = 0;
      const repeatsHeader = hasHeader && offset === 0 && file !== null;
      await appendFile(copy, '');
      const rest = Buffer.alloc(size - offset);
      await handle.read(rest, 0, rest.length, offset);
      const whole = rest.subarray(0, rest.lastIndexOf(0x0a) + 1);
      await appendFile(copy, ofRequests(repeatsHeader ? whole.subarray(whole.indexOf(0x0a) + 1) : whole));
      offset += whole.length;
      if (whole.length > 0) file = ino;
      return { path: copy, uri: path };
    } finally {
      await handle.close();
    }
  };
}

/** Proxies write nothing, or a dash, for what a request does not have. */
function named(column: string): string {
  return `${column} = case when ${column} in ('', '-') then null else ${column} end`;
}

/** HAProxy writes -1 for the status of a request without an answer, and for the time that it took. */
function notNegative(column: string, none: string): string {
  return `${column} = case when ${column} < 0 then ${none} else ${column} end`;
}

/** The columns of the table `logged`, and how those of the log are read for them. */
const logged = {
  time: { as: 'moment', use: 'time' },
  id: { as: 'id', use: 'text' },
  user: { as: 'who', use: 'text' },
  arm: { as: 'arm', use: 'text' },
  version: { as: 'version', use: 'text' },
  status: { as: 'status', use: 'number' },
  ms: { as: 'ms', use: 'number' },
  feedback: { as: 'feedback', use: 'text' },
} as const;

/** What a guardrail is seen by: without it every candidate would pass. */
const seenBy = { error: 'status', slow: 'ms', feedback: 'id' } as const;

/** Columns of the means that guardrails ask for: `value0`, `value1` ... of the events. */
function valuesOf(guardrails: readonly Guardrail[], columns: Columns): { name: string; column: string }[] {
  return guardrails
    .filter(({ failure }) => failure === 'mean')
    .map(({ name, value }) => ({ name, column: value ?? columns.ms }));
}

/**
 * The events with our names: `logged(moment, id, who, arm, version, status, ms, feedback, value0, ...)`. Columns that are not there are null.
 * @throws DataError where a column is missing that the rollout cannot do without, or a number is none
 */
async function copyEvents(
  workspace: DuckDBConnection,
  dataset: Dataset,
  columns: Columns,
  guardrails: readonly Guardrail[],
): Promise<void> {
  const needed = [
    { column: columns.time, why: 'the time of each request' },
    { column: columns.arm, why: 'the arm that answered' },
    ...guardrails.map(({ name, failure, value = columns.ms }) => ({
      column: failure === 'mean' ? value : columns[seenBy[failure]],
      why: `what the guardrail ${name} is seen by`,
    })),
  ];
  for (const { column, why } of needed) {
    if (dataset.columns.some(({ name }) => name === column)) continue;
    throw new DataError({
      found: `the log has no column ${JSON.stringify(column)}`,
      expected: why,
      where: dataset.uri,
      remedy: 'Log it, or name it in rollout.observe.columns',
    });
  }
  await copyLog(workspace, 'logged', dataset, [
    ...(Object.keys(logged) as (keyof Columns)[]).map((part) => ({ ...logged[part], name: columns[part] })),
    ...valuesOf(guardrails, columns).map(({ column }, index) => ({
      as: `value${index}`,
      name: column,
      use: 'number' as const,
    })),
  ]);
}

interface Question {
  steps: readonly Step[];
  now: number;
  guardrails: readonly Guardrail[];
  arms: { champion: string; candidate: string };
  columns: Columns;
  /** Of the times that answers took; undefined: nobody says it. */
  unit: 'ms' | 's' | undefined;
  artifacts: ObserverInput['artifacts'];
  oncePerArm: boolean;
}

async function seenIn(
  workspace: DuckDBConnection,
  { steps, now, guardrails, arms, columns, unit, artifacts, oncePerArm }: Question,
): Promise<Seen> {
  const ask = asking(workspace);
  const [champion, candidate] = [arms.champion, arms.candidate].map(quoteLiteral);
  const values = valuesOf(guardrails, columns);
  const windows = steps.map(({ from, to }, index) => `(${index}, ${from}::double, ${to ?? now}::double)`).join(', ');
  await workspace.run(`create table step as select * from (values ${windows}) as t(step, start, finish)`);
  // A request that was logged twice is one: by its id, where it has one, and it failed if one of its lines says so. A user without a name is a request.
  await workspace.run(
    `create table request as select step, moment, coalesce(id, 'row ' || row) as id, coalesce(who, id, 'row ' || row) as who, arm, version,
       max(case when unanswered or status = 0 then ${noAnswer} else status end) over same as status,
       max(coalesce(ms, case when unanswered then 'infinity'::double end)) over same as ms, status is not null as has_status, ms is not null as has_ms${values.map((_, index) => `, max(value${index}) over same as value${index}`).join('')}
     from (select *, row_number() over () as row, coalesce(id, 'row ' || row_number() over ()) as request,
         coalesce(status, 0) = 0 and (select count(status) from logged) > 0 as unanswered
       from logged where feedback is null and arm in (${champion}, ${candidate}))
     join step on moment >= start and moment < finish
     window same as (partition by request)
     qualify row_number() over (partition by request order by moment) = 1`,
  );
  const start = steps[0]?.from ?? now;
  const strange = await ask(
    `select arm, count(*)::double from logged where feedback is null and moment >= ${start} and arm is not null and arm not in (${champion}, ${candidate}) group by 1 order by 2 desc limit 1`,
  );
  const other = await otherVersion(ask, arms, artifacts);
  const knowsUsers = Number((await ask('select count(who) from logged where feedback is null'))[0]?.[0]) > 0;
  const byArm = async (query: string): Promise<Map<string, number>> =>
    new Map((await ask(query)).map(([step, arm, count]) => [`${Number(step)} ${String(arm)}`, Number(count)]));
  const requests = await byArm('select step, arm, count(*)::double from request group by 1, 2');
  const users = await byArm('select step, arm, count(distinct who)::double from request group by 1, 2');
  const crossed = await byArm(
    `select step, 'both', count(*)::double from (select step, who from request group by 1, 2 having count(distinct arm) > 1) group by 1`,
  );
  const means = new Map<string, Map<string, MeanOf>>();
  for (const [index, { name }] of values.entries()) means.set(name, await meansOf(ask, `value${index}`));
  const failures = new Map<string, Map<string, number>>();
  for (const guardrail of guardrails.filter(({ failure }) => failure !== 'mean')) {
    // A user fails once in a rollout: a client that repeats itself is no more evidence than one that does not.
    failures.set(
      guardrail.name,
      await byArm(
        `select step, arm, count(*)::double from (select who, arg_min(step, moment) as step, arg_min(arm, moment) as arm
         from request where ${conditionOf(guardrail, unit)} group by who${oncePerArm ? ', arm' : ''}) group by 1, 2`,
      ),
    );
  }
  const seen = steps.map(({ weight, from, to }, index): StepObservation => {
    const of = (counts: Map<string, number> | undefined): { champion: number; candidate: number } => ({
      champion: counts?.get(`${index} ${arms.champion}`) ?? 0,
      candidate: counts?.get(`${index} ${arms.candidate}`) ?? 0,
    });
    return {
      weight,
      from,
      to: to ?? now,
      requests: of(requests),
      users: knowsUsers ? of(users) : null,
      inBoth: crossed.get(`${index} both`) ?? 0,
      failures: Object.fromEntries([...failures].map(([name, counts]) => [name, of(counts)])),
      means: Object.fromEntries(
        [...means].flatMap(([name, by]) => {
          const [champion, candidate] = [by.get(`${index} ${arms.champion}`), by.get(`${index} ${arms.candidate}`)];
          return champion === undefined || candidate === undefined ? [] : [[name, { champion, candidate }]];
        }),
      ),
    };
  });
  const stranger = strange[0]?.[0];
  const fault =
    typeof stranger === 'string'
      ? `the log has the arm ${JSON.stringify(stranger)}, which is not configured`
      : ((await clockFault(ask, start, now)) ??
        (await blindGuardrail(ask, guardrails, columns, start)) ??
        (unit === undefined ? await unitFault(ask, guardrails, columns) : null));
  return { steps: seen, fault, void: other };
}

/** By step and arm, over users: each counts once, with the mean of what is theirs, since requests of one are not independent. */
async function meansOf(ask: Ask, column: string): Promise<Map<string, MeanOf>> {
  const rows = await ask(
    `select step, arm, count(*)::double, avg(value), coalesce(var_samp(value), 0)::double
     from (select step, arm, who, avg(value) as value from ${valued(column)} where isfinite(value) group by 1, 2, 3) group by 1, 2`,
  );
  return new Map(
    rows.map(([step, arm, n, mean, variance]) => [
      `${Number(step)} ${String(arm)}`,
      { n: Number(n), mean: Number(mean), variance: Number(variance) },
    ]),
  );
}

/** Requests with a value, which may come later, in a row of its own with the id of the request. */
function valued(column: string): string {
  return `(select request.* exclude (${column}), coalesce(${column}, later) as value
    from request left join (select id as of, max(${column}) as later from logged where id is not null group by 1) on of = request.id)`;
}

/** Clocks that differ by less are one. */
const clockTolerance = 60_000;

/** A log whose clock or zone is another one shows no request since the first step began, or all of them too early. */
async function clockFault(ask: Ask, from: number, now: number): Promise<string | null> {
  const [[all, ahead, here, newest] = []] = await ask(
    `select count(*)::double, (count(*) filter (where moment > ${now + clockTolerance}))::double,
       (count(*) filter (where moment >= ${from}))::double, max(moment) from logged where feedback is null`,
  );
  if (typeof newest !== 'number' || Number(all) === 0) return null;
  const stamp = new Date(newest).toISOString().slice(0, 19);
  if (Number(ahead) > Number(all) / 10)
    return `the log is ahead of the clock here: its newest request is of ${stamp}Z, and it is ${new Date(now).toISOString().slice(0, 19)}Z; a clock or a time zone is wrong`;
  if (Number(here) === 0)
    return `the newest request of the log is of ${stamp}Z, before this began: there is no traffic, or a clock or a time zone is wrong`;
  return null;
}

/** So much feedback that is expected of a version, and none seen, is no chance. */
const leastExpected = 10;

/** A guardrail that nothing is known of would let every candidate pass. */
async function blindGuardrail(
  ask: Ask,
  guardrails: readonly Guardrail[],
  columns: Columns,
  start: number,
): Promise<string | null> {
  for (const { name, failure, feedback = '', value = columns.ms } of guardrails) {
    if (failure === 'mean') {
      const at = valuesOf(guardrails, columns).findIndex((each) => each.name === name);
      const [[arm] = []] = await ask(
        `select arm from ${valued(`value${at}`)} group by arm having count(*) >= 5 and count(value) = 0 order by 1 limit 1`,
      );
      if (typeof arm !== 'string') continue;
      return `no request of ${JSON.stringify(arm)} has a value in ${JSON.stringify(value)}, so that the guardrail ${name} has no data`;
    }
    if (failure === 'feedback') {
      const [[given, unknown] = []] = await ask(
        `select count(*)::double, (count(*) filter (where id is null or id not in (select id from logged where feedback is null and id is not null)))::double
         from logged where feedback = ${quoteLiteral(feedback)} and moment >= ${start}`,
      );
      if (Number(unknown) < 5) continue;
      const lost = `${Number(unknown)} of ${Number(given)} feedbacks ${JSON.stringify(feedback)} name no request of the log`;
      if (Number(unknown) > Number(given) / 2) return `${lost}, so that the guardrail ${name} has no data`;
      const arms = (
        await ask(
          `select arm, count(*)::double, (count(*) filter (where ${conditionOf({ name, failure, feedback }, undefined)}))::double from request group by arm order by 1`,
        )
      ).map(([arm, all, told]) => ({ arm: String(arm), all: Number(all), told: Number(told) }));
      const silent = arms.find(({ all, told }, index) => {
        const other = arms[1 - index];
        const expected = other === undefined ? 0 : (other.told / other.all) * all;
        return told === 0 && expected >= leastExpected && Number(unknown) >= expected / 2;
      });
      if (silent === undefined) continue;
      return `${lost}, and none names one of ${JSON.stringify(silent.arm)}, so that the guardrail ${name} has no data of it`;
    }
    const column = seenBy[failure];
    const [blind] = await ask(
      `select arm from request group by arm having count(*) > 0 and count(*) filter (where has_${column}) = 0 order by 1 limit 1`,
    );
    if (blind === undefined) continue;
    return `no request of ${JSON.stringify(String(blind[0]))} has a value in ${JSON.stringify(columns[column])}, so that the guardrail ${name} has no data`;
  }
  return null;
}

/** Proxies give up after a minute: times in seconds are hardly ever longer. */
const longestSeconds = 75;

/**
 * Times in seconds, as nginx writes them ("0.123"), read as milliseconds would make no answer slow. Whole numbers, and more than three
 * decimals, are of other writers.
 */
async function unitFault(ask: Ask, guardrails: readonly Guardrail[], { ms }: Columns): Promise<string | null> {
  const limit = Math.max(0, ...guardrails.map(({ failure, over_ms = 0 }) => (failure === 'slow' ? over_ms : 0)));
  const [[longest, median] = []] = await ask(
    `select max(ms), median(ms) from request where isfinite(ms) and has_ms
     having count(*) >= 20 and not bool_and(ms = round(ms)) and bool_and(abs(ms * 1000 - round(ms * 1000)) < 1e-6)`,
  );
  if (limit === 0 || typeof longest !== 'number' || longest > longestSeconds) return null;
  if (Number(median) >= 1 && longest * 100 >= limit) return null;
  return `the times in ${JSON.stringify(ms)} may be seconds, as nginx writes them, or milliseconds: half are below ${brief(Number(median))}, the longest is ${brief(longest)}, and slow is over ${limit} ms; say which, observe.unit: s or ms`;
}

/** What stands for the status of a request that nobody answered. */
const noAnswer = 599;

function conditionOf({ failure, over_ms: limit = 0, feedback }: Guardrail, unit: Question['unit']): string {
  if (failure === 'error') return 'status >= 500';
  if (failure === 'slow') return `ms > ${unit === 's' ? limit / 1000 : limit}`;
  return `id in (select id from logged where feedback = ${quoteLiteral(feedback ?? '')})`;
}

/** Bytes that nobody judged must not be let out under the name of the candidate. */
async function otherVersion(
  ask: Ask,
  arms: { champion: string; candidate: string },
  artifacts: ObserverInput['artifacts'],
): Promise<string | null> {
  const named: Partial<Record<'champion' | 'candidate', string>> = {};
  for (const arm of ['champion', 'candidate'] as const) {
    const found = await ask(
      `select distinct version from request where arm = ${quoteLiteral(arms[arm])} and version is not null order by 1 limit 5`,
    );
    const versions = found.map(([version]) => String(version));
    if (versions.length > 1)
      return `The ${arm} was answered by ${versions.length} versions: ${versions.map((each) => each.slice(0, 12)).join(', ')}.`;
    if (versions[0] !== undefined) named[arm] = versions[0];
    const digest = /^(?:sha256:)?([0-9a-f]{12,64})$/iu.exec(versions[0] ?? '')?.[1]?.toLowerCase();
    if (digest === undefined || artifacts[arm].sha256.startsWith(digest)) continue;
    return `The ${arm} was answered by ${digest.slice(0, 12)}, and the ${arm} is ${artifacts[arm].sha256.slice(0, 12)}: the served model is not the evaluated one.`;
  }
  if (
    named.champion !== undefined &&
    named.champion === named.candidate &&
    artifacts.champion.sha256 !== artifacts.candidate.sha256
  )
    return `Both arms were answered by ${named.champion.slice(0, 80)}: the candidate is not served.`;
  return null;
}
