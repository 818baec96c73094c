/* JSON.parse and ajv on one thread, row by row. Arguments: a JSONL file, a contract. Prints the number of invalid rows. */
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const [, , path = '', contract = ''] = process.argv;
const ajv = new Ajv2020({ strict: false });
(addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
const valid = ajv.compile(JSON.parse(readFileSync(contract, 'utf8')) as object);
let invalid = 0;
for await (const line of createInterface({ input: createReadStream(path) })) {
  if (!valid(JSON.parse(line))) invalid += 1;
}
process.stdout.write(String(invalid));
