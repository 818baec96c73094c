import type { CaptureFormat } from '../../config/forms.ts';
import { quoteIdentifier, type Dataset } from '../../data/dataset.ts';
import { ConfigError } from '../../errors.ts';
import type { Kpi } from '../../monitor/schema.ts';
import { positionsIn, type Window } from '../../monitor/windows.ts';
import { holdsNumbers } from '../../data/cells.ts';
import { openSqlSession, SqlFault, type SqlSession } from '../../sql/session.ts';
import type { SentColumn } from '../../sql/sql-process.ts';
import { columnsOfExpression, dataColumn } from '../../stages/evaluation/sql-expression.ts';
import type { Workspace } from '../workspace.ts';
import { askPrometheus } from './prometheus.ts';
import { numbersOf, textsOf, timesIn, withLogs } from './logs.ts';

/** A KPI in one window: its value, what it is a rate of, and why there is none. */
export interface KpiValue {
  value: number | null;
  rate?: { events: number; trials: number } | null;
  fault?: string | null;
}

/** A KPI in each window. @param production where its logs are, if the KPI names none of its own */
export async function kpiValues(
  workspace: Workspace,
  name: string,
  kpi: Kpi,
  windows: readonly Window[],
  production: { files: string; time: string; format?: CaptureFormat | undefined },
): Promise<KpiValue[]> {
  const key = `monitor.kpis.${name}`;
  if (kpi.prometheus !== undefined) return fromPrometheus(workspace, kpi.prometheus, windows, `${key}.prometheus`);
  const { value, per } = kpi;
  if (value === undefined) {
    throw new ConfigError({
      found: `${name} has no value`,
      expected: 'value: SQL, or prometheus: { url, query }',
      where: key,
    });
  }
  const own = kpi.files !== undefined;
  const uri = kpi.files ?? production.files;
  const time = kpi.time ?? production.time;
  const at = own ? `${key}.files` : 'monitor.production.files';
  return withLogs(workspace, { name, uri, key: at, format: own ? undefined : production.format }, async (datasets) => {
    const position = positionsIn(windows, await timesIn(datasets, time));
    const first = datasets[0] as Dataset;
    const session = await openSqlSession(first, { signal: workspace.signal });
    try {
      const above = await perWindow(session, datasets, position, windows.length, value, `${key}.value`);
      if (per === undefined) return above.map((each) => ({ value: orNull(each) }));
      const below = await perWindow(session, datasets, position, windows.length, per, `${key}.per`);
      return below.map((trials, index) => {
        const events = above[index] as number;
        const fault = trials === 0 ? 'there is nothing to divide by in this window' : null;
        return { value: orNull(events / trials), rate: rateOf(events, trials), fault };
      });
    } finally {
      session.close();
    }
  });
}

/** Whole events of whole trials are a rate, which sampling alone moves. */
function rateOf(events: number, trials: number): { events: number; trials: number } | null {
  const isRate = Number.isInteger(events) && Number.isInteger(trials) && events >= 0 && events <= trials && trials > 0;
  return isRate ? { events, trials } : null;
}

function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

const windowColumn = 'contender window';

/** An expression of aggregates in each window; NaN where it has no value. */
async function perWindow(
  session: SqlSession,
  datasets: readonly Dataset[],
  positions: Int32Array,
  count: number,
  sql: string,
  where: string,
): Promise<number[]> {
  const available = (datasets[0] as Dataset).columns;
  const names = await columnsOfExpression(
    session,
    sql,
    where,
    'one expression of aggregates, such as sum(converted) or count(*)',
  );
  const columns: SentColumn[] = [{ name: windowColumn, type: 'integer', values: positions }];
  for (const name of new Set(names)) {
    const column = dataColumn(name, available, [], where);
    if (holdsNumbers(column))
      columns.push({ name: column.name, type: 'double', values: await numbersOf(datasets, column.name) });
    else columns.push(coded(column.name, await textsOf(datasets, column.name)));
  }
  const table = where.endsWith('.per') ? 'events_per' : 'events_value';
  const window = quoteIdentifier(windowColumn);
  try {
    await session.table(table, columns, positions.length);
    const values = await session.numbers(
      `select found.value from range(${count}) as windows(place) left join (
         select ${window} as place, (\n${sql}\n)::double as value from ${table} where ${window} >= 0 group by ${window}
       ) as found using (place) order by place`,
    );
    return [...values];
  } catch (error) {
    if (!(error instanceof SqlFault)) throw error;
    throw new ConfigError({
      found: `${JSON.stringify(sql.slice(0, 200))} ${error.message}`,
      expected: 'an expression of aggregates',
      where,
    });
  }
}

function coded(name: string, texts: readonly (string | null)[]): SentColumn {
  const codes = new Map<string, number>();
  const values = Int32Array.from(texts, (text) => {
    if (text === null) return -1;
    const code = codes.get(text) ?? codes.size;
    codes.set(text, code);
    return code;
  });
  return { name, type: 'text', values, names: [...codes.keys()] };
}

async function fromPrometheus(
  { signal }: Workspace,
  { url, query, token: variable }: NonNullable<Kpi['prometheus']>,
  windows: readonly Window[],
  where: string,
): Promise<KpiValue[]> {
  const token = variable === undefined ? undefined : process.env[variable];
  if (variable !== undefined && (token === undefined || token === '')) {
    throw new ConfigError({
      found: `the environment variable ${variable} is not set`,
      expected: 'a token for Prometheus',
      where: `${where}.token`,
      remedy: 'Pass the secret to the step, or leave token out',
    });
  }
  const found: KpiValue[] = [];
  for (const { start, end } of windows) {
    const asked = query.replaceAll('$window', `${Math.round((end - start) / 1000)}s`);
    const answer = await askPrometheus({ url, query: asked, token }, new Date(end), signal);
    found.push({ value: null, ...answer });
  }
  return found;
}
