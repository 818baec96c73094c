import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormatsModule from 'ajv-formats';
import { nearest } from '../../config/suggest.ts';
import { DataError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Contract } from './contract.ts';
import { unknownFormat, unknownFormats, unknownKeywords } from './unknown-keywords.ts';
import { decideMultiplesInDecimal } from './multiple-of.ts';
import type { Row } from './rows.ts';
import { timedOut, withTimeLimit } from './time-limit.ts';
import { WrittenNumber } from './written-number.ts';
import { count } from '../../wording.ts';

// The package is CommonJS whose types claim a default export.
const addFormats = addFormatsModule as unknown as typeof addFormatsModule.default;

/** Why one row breaks the contract: the first rule it breaks. */
export interface Violation {
  /** 1-based number of the row. */
  row: number;
  /** As the row has it: see `Row`. */
  id?: string | null;
  line?: number;
  /** The file of that line, where the dataset has several. */
  file?: string;
  /** The column the rule is about; null when it is about the row. */
  column: string | null;
  /** The keyword of JSON Schema, or `json` for a line that is no JSON object. */
  rule: string;
  /** What the rule demands: "must be >= 0". */
  message: string;
  value: unknown;
}

export interface Judge {
  /** The violations of a batch of rows, in order; none for a valid row. @throws DataError when the time limit passes */
  judge(batch: readonly Row[]): Violation[];
}

/** Time one batch of rows, or the compilation, may take. A batch takes milliseconds unless a pattern backtracks without end. */
const timeLimit = 10_000;

/**
 * Compile the contract. ajv alone says whether a row is valid (JSON Schema 2020-12, formats asserted).
 * Patterns run on the engine of the language under a time limit, so that one evil pattern cannot hang a gate.
 * @throws DataError for a schema that is no valid 2020-12 schema or refers outside itself
 */
export function compileContract(contract: Contract, log: Log, limit = timeLimit): Judge {
  const unknown = new Set<string>();
  const formats = unknownFormats(contract);
  const columns = columnsOf(contract.schema);
  const isWide = columns > nestedColumns;
  let validate: ValidateFunction;
  try {
    const schemas = judgeOfSchemas();
    validate = withTimeLimit(limit, () => {
      const schema = resolvedAnchors(contract.schema);
      void schemas.validateSchema(schema, true);
      // One that was interrupted cannot go on: begun again, the work needs another.
      const ajv = compiler(contract, log, unknown, isWide);
      // Every text has one of these: ajv itself takes the schema for none.
      for (const format of formats.keys()) ajv.addFormat(format, true);
      return ajv.compile(schema);
    });
  } catch (cause) {
    if (columns > manyColumns && (cause instanceof RangeError || timedOut(cause)))
      throw tooWide(contract, columns, cause);
    if (cause instanceof RangeError) throw endless(contract, cause);
    const fault = judgeOfSchemas().errors?.[0];
    if (said(cause).startsWith('schema is invalid') && fault !== undefined) throw noSchema(contract, fault, cause);
    throw new DataError({
      found: timedOut(cause) ? 'the contract takes too long to compile' : `not a usable JSON Schema: ${said(cause)}`,
      expected: 'a JSON Schema 2020-12 without references to other files',
      where: contract.uri,
      remedy: /can't resolve reference/u.test(said(cause))
        ? 'Copy the referenced schema into $defs: references are never fetched'
        : 'Correct the schema',
      cause,
    });
  }
  for (const warning of unknownKeywords(contract, unknown)) log.warning(warning);
  for (const [format, places] of formats) log.warning(unknownFormat(contract, format, places));
  return {
    judge: (batch) => {
      const violations: Violation[] = [];
      let at = 0;
      try {
        withTimeLimit(limit, () => {
          for (; at < batch.length; at++) {
            const { number, value, id, line, file, broken, written } = batch[at] as Row;
            const inFile = { ...(line === undefined ? {} : { line }), ...(file === undefined ? {} : { file }) };
            const place = { row: number, ...(id === undefined ? {} : { id }), ...inFile };
            if (broken !== undefined) {
              violations.push({ ...place, column: null, rule: 'json', message: broken, value });
            } else if (!validate(value)) {
              const errors = validate.errors ?? [];
              const found = describe(isWide ? firstRule(errors) : errors, value);
              const token = found.column === null ? undefined : written?.get(found.column);
              violations.push({
                ...place,
                ...found,
                ...(token === undefined ? {} : { value: new WrittenNumber(token) }),
              });
            }
          }
        });
      } catch (cause) {
        // The language has no other name for a stack that is full.
        if (cause instanceof RangeError) throw endless(contract, cause);
        if (!timedOut(cause)) throw cause;
        throw new DataError({
          found: `judging row ${batch[at]?.number} took longer than ${limit / 1000} s`,
          expected: 'patterns without excessive backtracking',
          where: contract.uri,
          remedy: 'Simplify the pattern of this contract: nested repetitions such as (a+)+ are the usual cause',
        });
      }
      return violations;
    },
  };
}

/**
 * `$dynamicRef` to an anchor that the schema has once is a `$ref` to it. ajv takes any such reference for one to the root of the
 * schema while no schema around it has the anchor.
 */
function resolvedAnchors(schema: Contract['schema']): Contract['schema'] {
  const text = JSON.stringify(schema);
  if (!text.includes('"$dynamicRef"')) return schema;
  const anchors: unknown[] = [];
  JSON.parse(text, (key, value: unknown) => {
    if (key === '$dynamicAnchor' || key === '$anchor') anchors.push(value);
    return value;
  });
  return JSON.parse(text, (_, value: unknown) => {
    const reference: unknown = Object(value) === value ? (value as Record<string, unknown>)['$dynamicRef'] : undefined;
    if (typeof reference !== 'string' || Object.hasOwn(value as object, '$ref')) return value;
    if (anchors.filter((anchor) => `#${String(anchor)}` === reference).length !== 1) return value;
    const { $dynamicRef, ...others } = value as Record<string, unknown>;
    return { ...others, $ref: $dynamicRef };
  }) as Contract['schema'];
}

/** The first place where a schema is none: what follows it says the same of every branch of the schema of schemas. */
function noSchema(contract: Contract, error: ErrorObject, cause: unknown): DataError {
  const found = describe([error], contract.schema);
  let value: unknown = contract.schema;
  for (const key of error.instancePath.split('/').slice(1).map(unescapePointer)) value = (Object(value) as never)[key];
  const allowed = (error.params as { allowedValues?: unknown[] }).allowedValues?.map(String) ?? [];
  const near = typeof value === 'string' ? nearest(value, allowed) : undefined;
  return new DataError({
    found: `not a usable JSON Schema: #${error.instancePath} is ${(JSON.stringify(value) ?? 'nothing').slice(0, 80)}, and ${found.message}`,
    expected: 'a JSON Schema 2020-12',
    where: contract.uri,
    remedy: near === undefined ? 'Correct the schema' : `Did you mean ${JSON.stringify(near)}?`,
    cause,
  });
}

/**
 * ajv nests the rules of one column in those of the one before, so that some thousand fill the stack. From here on it looks for all
 * errors of a row, which it does one column after another, and does not optimise its code, which takes longer than linear.
 */
const nestedColumns = 250;
/** What takes longer than the time limit has at least so many. */
const manyColumns = 10_000;

/** Of the widest object that it describes: that of the row may be in a definition or a branch. */
function columnsOf(schema: Contract['schema']): number {
  let most = 0;
  JSON.stringify(schema, (key, value: unknown) => {
    if (key === 'properties') most = Math.max(most, Object.keys(Object(value) as object).length);
    return value;
  });
  return most;
}

/** Of all errors of a row those that the first broken rule gave: a branching keyword reports after its branches. */
function firstRule(errors: readonly ErrorObject[]): ErrorObject[] {
  const [first] = errors;
  if (first === undefined) return [];
  const branching = errors.findLast(({ schemaPath }) => first.schemaPath.startsWith(`${schemaPath}/`));
  return branching === undefined ? [first] : [first, branching];
}

function tooWide(contract: Contract, columns: number, cause: unknown): DataError {
  return new DataError({
    found: `the contract has rules for ${count(columns)} columns, too many to compile`,
    expected: `about ${count(manyColumns)} at most`,
    where: contract.uri,
    remedy:
      'State one rule for similar columns (patternProperties: {"^gene_": {"type": "number"}}), or remove columns that need no rule',
    cause,
  });
}

function endless(contract: Contract, cause: RangeError): DataError {
  return new DataError({
    found: 'the contract contains an endless reference to itself',
    expected: 'references to a part of the row, such as the items of a list',
    where: contract.uri,
    remedy: 'Remove the $ref or $dynamicRef that points back to the schema that contains it',
    cause,
  });
}

function said(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).slice(0, 500);
}

function describe(
  errors: readonly ErrorObject[],
  row: unknown,
): Pick<Violation, 'column' | 'rule' | 'message' | 'value'> {
  // A branching keyword reports after its branches; what a person reads is the keyword, but of `if` the rule that failed.
  const last = errors.at(-1);
  const error = last?.keyword === 'if' ? errors[0] : last;
  if (error === undefined) return { column: null, rule: 'schema', message: 'is not valid', value: undefined };
  const path = error.instancePath.split('/').slice(1).map(unescapePointer);
  const params = error.params as Record<string, unknown>;
  const property =
    params['missingProperty'] ??
    params['additionalProperty'] ??
    params['unevaluatedProperty'] ??
    params['propertyName'];
  const column = path[0] ?? (typeof property === 'string' ? property : null);
  let value = row;
  for (const key of path.length > 0 ? path : column === null ? [] : [column]) {
    value = Object.hasOwn(Object(value) as object, key) ? (value as Record<string, unknown>)[key] : undefined;
  }
  return { column, rule: error.keyword, message: message(error), value: column === null ? undefined : value };
}

function message(error: ErrorObject): string {
  const text = error.message ?? 'is not valid';
  const allowed = (error.params as { allowedValues?: unknown[]; allowedValue?: unknown }).allowedValues;
  if (error.keyword === 'enum' && allowed !== undefined) {
    return `must be one of ${allowed
      .slice(0, 10)
      .map((each) => JSON.stringify(each))
      .join(', ')}${allowed.length > 10 ? ', …' : ''}`.slice(0, 300);
  }
  return text.slice(0, 300);
}

function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}

/**
 * @param unknown keywords that it does not know are added here
 * @param isWide of very many columns
 */
function compiler(contract: Contract, log: Log, unknown: Set<string>, isWide: boolean): Ajv2020 {
  const ajv = new Ajv2020({
    ...(isWide ? { allErrors: true, code: { optimize: false } } : {}),
    strictSchema: 'log',
    strictNumbers: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    // Of contracts, by another: see judgeOfSchemas.
    validateSchema: false,
    // A column named "constructor" is there only if the row has it.
    ownProperties: true,
    logger: {
      log: (...parts: unknown[]) => log.debug(parts.join(' ')),
      // Told of every place that is compiled, some of them more than once.
      warn: (...parts: unknown[]) => {
        const said = parts.join(' ');
        const keyword = /unknown keyword: "(?<keyword>[^"]+)"/u.exec(said)?.groups?.['keyword'];
        if (keyword === undefined) log.warning(`${contract.uri}: ${said}`);
        else unknown.add(keyword);
      },
      error: (...parts: unknown[]) => log.debug(parts.join(' ')),
    },
  });
  addFormats(ajv);
  decideMultiplesInDecimal(ajv);
  // It resolves anchors, and warns of the keyword all the same.
  ajv.addKeyword('$anchor');
  return ajv;
}

let ofSchemas: Ajv2020 | undefined;

/** Says whether a schema is one. Its own takes longer to compile than most contracts, and no contract can make it longer. */
function judgeOfSchemas(): Ajv2020 {
  if (ofSchemas === undefined) {
    ofSchemas = addFormats(new Ajv2020({ strict: false, ownProperties: true }));
    ofSchemas.getSchema('https://json-schema.org/draft/2020-12/schema');
  }
  return ofSchemas;
}
