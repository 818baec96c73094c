import { fullFormats } from 'ajv-formats/dist/formats.js';
import type { ColumnRules, Decimal, LineRules, NumberRules, TextRules, ValueRules } from '../../../data/line-rules.ts';
import { normal } from '../../../data/written-decimals.ts';
import type { StageContext } from '../../stage.ts';
import { cellTypes } from '../cell-types.ts';
import { readContract, type Contract } from '../contract.ts';
import { baseWithin, referencesOf, type Place, type References } from '../references.ts';
import { dataSettings } from '../schema.ts';
import { withTimeLimit } from '../time-limit.ts';
import { automatonOf } from './automaton.ts';
import { annotations } from './compile.ts';
import { clock, zone } from './formats.ts';

/**
 * What a contract asks of each column of flat rows, so that whoever reads the lines, of JSONL or of CSV, can tell which are certainly
 * valid. Null where it says anything else of rows: then SQL tells, which knows more.
 * @param id the column that tells rows apart
 */
export function rowRules(contract: Contract, id: string): LineRules | null {
  const { schema, numbers } = contract;
  // Numbers of the data are judged by doubles.
  if (numbers === undefined || numbers.inexact.size > 0 || schema === false) return null;
  try {
    const references = referencesOf(schema);
    const row: Schema = schema === true ? {} : schema;
    const within: Within = { base: baseWithin(row, ''), known: new Map([[row, null]]), references };
    const rules = { columns: [] as [string, ValueRules][], others: anything, required: [] as string[] };
    for (const [keyword, given] of Object.entries(row)) {
      switch (keyword) {
        case 'type':
          if (![given].flat().includes('object')) throw new NotKnown();
          break;
        case 'properties':
          for (const [name, each] of Object.entries(given as Schema))
            rules.columns.push([name, valuesOf(each, within)]);
          break;
        case 'additionalProperties':
          rules.others = valuesOf(given, within);
          break;
        case 'required':
          rules.required = given as string[];
          break;
        default:
          if (!annotations.has(keyword)) throw new NotKnown();
      }
    }
    // To ajv a column of this name is none of the properties.
    if ([...rules.columns.map(([name]) => name), ...rules.required].includes('__proto__')) return null;
    const names = rules.columns.map(([name]) => name);
    // No column of another name is taken for anything else.
    const types = cellTypes(schema, [...names, `${names.join('')}.`]);
    const columnOf = (values: ValueRules, at: number): ColumnRules => {
      const cells = types[at] as (typeof types)[number];
      // A multiple in a part of the contract that allows no number counts too where numbers are too long to be judged.
      const isLost = cells.multiple && values.number?.multiplesOf.length === 0;
      return { ...values, number: isLost ? null : values.number, cells };
    };
    const columns = rules.columns.map(([name, values], at): [string, ColumnRules] => [name, columnOf(values, at)]);
    const others = columnOf(rules.others, names.length);
    const long = [...numbers.all.keys()].filter((each) => !Number.isInteger(each) || Math.abs(each) >= 1e14);
    return { key: keyOfRules(contract, id), id, columns, others, required: rules.required, numbers: long };
  } catch (cause) {
    if (cause instanceof NotKnown) return null;
    throw cause;
  }
}

/** Of a contract that cannot be used there are none: the stage says why. */
export async function rulesOfContract({
  config,
  pathOf,
}: Pick<StageContext, 'config' | 'pathOf'>): Promise<LineRules | null> {
  const { contract } = dataSettings(config);
  if (contract === undefined) return null;
  try {
    const read = await readContract(await pathOf(contract, 'data.contract'), contract);
    // A contract that takes longer is made to take long.
    return withTimeLimit(1000, () => rowRules(read, config.columns.id));
  } catch {
    return null;
  }
}

/** What tells rules apart. */
export function keyOfRules({ sha256 }: Contract, id: string): string {
  return `${sha256} ${id}`;
}

type Schema = Record<string, unknown>;

class NotKnown extends Error {}

interface Within {
  base: string;
  /** Of schemas that were read before; null: of those that are being read. */
  known: Map<Schema, ValueRules | null>;
  references: References;
}

const anyNumber: NumberRules = {
  minimum: -Infinity,
  maximum: Infinity,
  exclusiveMinimum: -Infinity,
  exclusiveMaximum: Infinity,
  whole: false,
  multiplesOf: [],
  among: null,
};
const anyText: TextRules = { minLength: 0, maxLength: Infinity, automaton: null };
const anything: ValueRules = { null: true, true: true, false: true, number: anyNumber, text: anyText };
const nothing: ValueRules = { null: false, true: false, false: false, number: null, text: null };

function valuesOf(schema: unknown, within: Within): ValueRules {
  if (schema === true) return anything;
  if (schema === false) return nothing;
  const own = schema as Schema;
  const before = within.known.get(own);
  // A reference to itself has no end.
  if (before === null) return nothing;
  if (before !== undefined) return before;
  within.known.set(own, null);
  const place = { ...within, base: baseWithin(own, within.base) };
  const rules = Object.entries(own)
    .map(([keyword, given]) => keywordOf(keyword, given, place))
    .reduce(both, anything);
  within.known.set(own, rules);
  return rules;
}

function keywordOf(keyword: string, given: unknown, within: Within): ValueRules {
  if (annotations.has(keyword)) return anything;
  switch (keyword) {
    case '$ref': {
      const target: Place | undefined = within.references(given as string, within.base);
      if (target === undefined) return nothing;
      return valuesOf(target.schema, { ...within, base: target.base });
    }
    case 'type':
      return [given]
        .flat()
        .map((type) => ofType(type as string))
        .reduce(either, nothing);
    case 'const':
      return oneOf([given]);
    case 'enum':
      return oneOf(given as unknown[]);
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      return ofNumbers({ [keyword]: given as number });
    case 'multipleOf':
      return ofNumbers({ multiplesOf: [decimalOf(given as number)] });
    case 'minLength':
    case 'maxLength':
      return ofTexts({ [keyword]: given as number });
    case 'pattern':
      return matching(new RegExp(given as string, 'u'));
    case 'format':
      return inFormat(given as string);
    case 'allOf':
      return (given as unknown[]).map((each) => valuesOf(each, within)).reduce(both, anything);
    case 'anyOf':
      return (given as unknown[]).map((each) => valuesOf(each, within)).reduce(either, nothing);
    case 'oneOf':
      return onlyOne(given as unknown[], within);
    default:
      return nothing;
  }
}

function ofNumbers(rules: Partial<NumberRules>): ValueRules {
  return { ...anything, number: { ...anyNumber, ...rules } };
}

function ofTexts(rules: Partial<TextRules>): ValueRules {
  return { ...anything, text: { ...anyText, ...rules } };
}

function matching(expression: RegExp): ValueRules {
  const automaton = automatonOf(expression);
  return automaton === null ? { ...anything, text: null } : ofTexts({ automaton });
}

function decimalOf(value: number): Decimal {
  const [digits, power] = normal(String(value)).split('e').map(Number) as [number, number];
  return { digits, places: -power };
}

/** Values of kinds that one of the schemas alone may allow. */
function onlyOne(schemas: readonly unknown[], within: Within): ValueRules {
  return schemas
    .map((each, at) => {
      const isAlone = (kind: keyof ValueRules): boolean =>
        schemas.every((other, index) => index === at || !mayAllow(other, kind));
      const rules = valuesOf(each, within);
      return {
        null: rules.null && isAlone('null'),
        true: rules.true && isAlone('true'),
        false: rules.false && isAlone('false'),
        number: isAlone('number') ? rules.number : null,
        text: isAlone('text') ? rules.text : null,
      };
    })
    .reduce(either, nothing);
}

/** By kind the types that values of it have. */
const typesOf = {
  null: ['null'],
  true: ['boolean'],
  false: ['boolean'],
  number: ['number', 'integer'],
  text: ['string'],
} as const;

function mayAllow(schema: unknown, kind: keyof ValueRules): boolean {
  if (typeof schema === 'boolean') return schema;
  const own = schema as { type?: unknown; enum?: unknown[]; const?: unknown };
  const { type, enum: values = Object.hasOwn(own, 'const') ? [own.const] : undefined } = own;
  const types: readonly unknown[] = typesOf[kind];
  if (type !== undefined && ![type].flat().some((each) => types.includes(each))) return false;
  const kindOf = (value: unknown): unknown =>
    typeof value === 'string' ? 'text' : typeof value === 'number' ? 'number' : String(value);
  return values === undefined || values.some((each) => kindOf(each) === kind);
}

function ofType(type: string): ValueRules {
  switch (type) {
    case 'null':
      return { ...nothing, null: true };
    case 'boolean':
      return { ...nothing, true: true, false: true };
    case 'number':
      return { ...nothing, number: anyNumber };
    case 'integer':
      return { ...nothing, number: { ...anyNumber, whole: true } };
    case 'string':
      return { ...nothing, text: anyText };
    // What holds values of its own is in no flat row.
    default:
      return nothing;
  }
}

function oneOf(values: readonly unknown[]): ValueRules {
  const numbers = values.filter((each) => typeof each === 'number');
  const texts = values.filter((each) => typeof each === 'string');
  const listed = texts.map((each) =>
    each.replaceAll(/[^A-Za-z0-9]/gu, (one) => `\\u{${one.codePointAt(0)?.toString(16)}}`),
  );
  return {
    null: values.includes(null),
    true: values.includes(true),
    false: values.includes(false),
    number: numbers.length === 0 ? null : { ...anyNumber, among: numbers },
    text: texts.length === 0 ? null : matching(new RegExp(`^(?:${listed.join('|')})$`, 'u')).text,
  };
}

function inFormat(name: string): ValueRules {
  if (name === 'password' || name === 'binary') return anything;
  const own = times[name] ?? (fullFormats as Record<string, unknown>)[name];
  if (own instanceof RegExp) return matching(own);
  if (typeof own === 'function') return { ...anything, text: null };
  return nothing;
}

/** Days that there are, with those of leap years. */
const day = String.raw`(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)`;

/** Leap seconds are left to ajv. */
const times: Readonly<Record<string, RegExp>> = {
  date: new RegExp(`^${day}$`, 'u'),
  'date-time': new RegExp(`^${day}[tT ]${clock}${zone}$`, 'u'),
  'iso-date-time': new RegExp(`^${day}[tT ]${clock}${zone}?$`, 'u'),
  time: new RegExp(`^${clock}${zone}$`, 'u'),
  'iso-time': new RegExp(`^${clock}${zone}?$`, 'u'),
};

/** Values that both allow. */
function both(one: ValueRules, other: ValueRules): ValueRules {
  return {
    null: one.null && other.null,
    true: one.true && other.true,
    false: one.false && other.false,
    number: one.number === null || other.number === null ? null : bothNumbers(one.number, other.number),
    text: one.text === null || other.text === null ? null : bothTexts(one.text, other.text),
  };
}

function bothTexts(one: TextRules, other: TextRules): TextRules | null {
  if (one.automaton !== null && other.automaton !== null) return null;
  return {
    minLength: Math.max(one.minLength, other.minLength),
    maxLength: Math.min(one.maxLength, other.maxLength),
    automaton: one.automaton ?? other.automaton,
  };
}

function bothNumbers(one: NumberRules, other: NumberRules): NumberRules {
  const { among } = other;
  return {
    minimum: Math.max(one.minimum, other.minimum),
    maximum: Math.min(one.maximum, other.maximum),
    exclusiveMinimum: Math.max(one.exclusiveMinimum, other.exclusiveMinimum),
    exclusiveMaximum: Math.min(one.exclusiveMaximum, other.exclusiveMaximum),
    whole: one.whole || other.whole,
    multiplesOf: [...one.multiplesOf, ...other.multiplesOf],
    among: one.among === null ? among : among === null ? one.among : one.among.filter((each) => among.includes(each)),
  };
}

/** Values that one of two allows; of two ways to say something of numbers, or of texts, only the first counts. */
function either(one: ValueRules, other: ValueRules): ValueRules {
  return {
    null: one.null || other.null,
    true: one.true || other.true,
    false: one.false || other.false,
    number: one.number ?? other.number,
    text: one.text ?? other.text,
  };
}
