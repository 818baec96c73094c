import { extname } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';

const number = (minimum: number, maximum: number): object => ({ type: 'number', minimum, maximum });
const whole = (minimum: number, maximum: number): object => ({ type: 'integer', minimum, maximum });
const countries = ['NO', 'SE', 'DK', 'FI', 'DE', 'FR', 'NL', 'PL'];
const plans = ['free', 'basic', 'team', 'enterprise'];

/** By column: what the contract says of it, and the SQL that makes a valid cell. `h(n)`: a random whole number of the row below n. */
export const columns: Record<string, [schema: object, sql: (random: (below: number) => string) => string]> = {
  id: [whole(0, 1e12), () => 'i'],
  amount: [number(0, 10_000), (h) => `${h(1_000_000)} / 100.0`],
  balance: [number(-1e6, 1e6), (h) => `${h(1_000_000_000)} / 1000.0 - 500000`],
  rate: [number(0, 1), (h) => `${h(1_000_000)} / 1000000.0`],
  score: [number(0, 1), (h) => `${h(1_000_000_007)} / 1000000007.0`],
  age: [whole(18, 99), (h) => `18 + ${h(80)}`],
  visits: [whole(0, 1_000_000), (h) => h(100_000)],
  clicks: [whole(0, 1_000_000), (h) => h(1000)],
  temperature: [number(-60, 60), (h) => `${h(10_000)} / 100.0 - 50`],
  weight: [number(0, 500), (h) => `${h(40_000)} / 100.0`],
  country: [
    { type: 'string', enum: countries },
    (h) => `[${countries.map((each) => `'${each}'`).join(', ')}][1 + ${h(8)}]`,
  ],
  plan: [{ type: 'string', enum: plans }, (h) => `[${plans.map((each) => `'${each}'`).join(', ')}][1 + ${h(4)}]`],
  active: [{ type: 'boolean' }, (h) => `${h(2)} = 1`],
  code: [{ type: 'string', pattern: '^[A-Z]{2}-[0-9]{6}$' }, (h) => `'AB-' || lpad(${h(1_000_000)}::varchar, 6, '0')`],
  name: [{ type: 'string', minLength: 3, maxLength: 40 }, (h) => `'customer ' || ${h(10_000_000)}`],
  city: [{ type: 'string', minLength: 2 }, (h) => `'city of ' || ${h(5000)}`],
  note: [{ type: 'string', maxLength: 60 }, (h) => `'order ' || ${h(1_000_000)} || ' was sent'`],
  day: [{ type: 'string', format: 'date' }, (h) => `strftime(date '2020-01-01' + ${h(2000)}::integer, '%Y-%m-%d')`],
  email: [{ type: 'string', format: 'email' }, (h) => `'user' || ${h(10_000_000)} || '@example.org'`],
  label: [{ type: 'integer', enum: [0, 1] }, (h) => h(2)],
};
export const contract = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: Object.fromEntries(Object.entries(columns).map(([name, [schema]]) => [name, schema])),
  required: Object.keys(columns),
};

/** The query of so many rows of these columns. @param invalid share of rows that break the contract */
export function selected(rows: number, invalid = 0): string {
  const cells = Object.entries(columns).map(([name, [, sql]], place) => {
    const cell = sql((below) => `(hash(i, ${place}) % ${below})::bigint`);
    const broken =
      name === 'age' && invalid > 0 ? `if(hash(i, 99) % 1000000 < ${Math.round(invalid * 1e6)}, 7, ${cell})` : cell;
    return `${broken} as ${name}`;
  });
  return `select ${cells.join(', ')} from (select range as i from range(${rows}))`;
}

/** Write what a query finds to files, each in the format of its name. */
export async function writeData(query: string, files: readonly string[]): Promise<void> {
  const written: Record<string, string> = {
    '.parquet': 'format parquet',
    '.csv': 'format csv, header',
    '.jsonl': 'format json',
  };
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  for (const file of files) await connection.run(`copy (${query}) to '${file}' (${written[extname(file)]})`);
  connection.closeSync();
  instance.closeSync();
}
