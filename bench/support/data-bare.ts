/* What the bare engine takes for every cell of a file, typed as it would read it. Arguments: file. */
import { DuckDBInstance } from '@duckdb/node-api';

const [, , path = ''] = process.argv;
const instance = await DuckDBInstance.create(':memory:');
const connection = await instance.connect();
const from = path.endsWith('.parquet')
  ? `read_parquet('${path}')`
  : path.endsWith('.csv')
    ? `read_csv('${path}')`
    : `read_json('${path}', format = 'newline_delimited')`;
await connection.runAndReadAll(`select count(columns(*)) from ${from}`);
process.stdout.write('0');
