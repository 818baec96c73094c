import { quoteLiteral } from '../../../data/relation.ts';
import { baseWithin, referencesOf, type Place, type References } from '../references.ts';
import { formatVerdict } from './formats.ts';
import { matches } from './texts.ts';
import { nothing, type SqlValue } from './values.ts';
import {
  all,
  always,
  any,
  exactly,
  negated,
  never,
  not,
  notTrue,
  one,
  unknown,
  where,
  type Verdict,
} from './verdicts.ts';

/**
 * Compile a JSON Schema (2020-12) to conditions on a value of the engine: `yes` holds only of values that ajv finds valid, `no` only
 * of values that it does not. What the compiler does not know is neither: slower, never wrong.
 *
 * @param schema one that ajv has compiled: its keywords are well-formed
 */
export function compileSchema(schema: unknown, value: SqlValue): Verdict {
  return new Compiler(referencesOf(schema)).verdict({ schema, base: '' }, value, []);
}

type Schema = Record<string, unknown>;

/** Keywords that say nothing of whether a value is valid. */
export const annotations = new Set([
  '$schema',
  '$id',
  '$anchor',
  '$comment',
  '$defs',
  '$vocabulary',
  'definitions',
  'title',
  'description',
  'default',
  'deprecated',
  'readOnly',
  'writeOnly',
  'examples',
  'contentEncoding',
  'contentMediaType',
  'contentSchema',
]);

/** Keywords that are read together with another one. */
const companions = new Set(['then', 'else', 'minContains', 'maxContains', 'formatMinimum', 'formatMaximum']);

const deepest = 40;

class Compiler {
  readonly references: References;

  constructor(references: References) {
    this.references = references;
  }

  verdict({ schema, base }: Place, value: SqlValue, above: readonly unknown[]): Verdict {
    if (schema === true) return always;
    if (schema === false) return never;
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return unknown;
    // A reference to itself on the same value has no end; a deep one is left to ajv too.
    if (above.length > deepest) return unknown;
    const own = schema as Schema;
    const within = { base: baseWithin(own, base), above: [...above, own] };
    return all(Object.keys(own).map((keyword) => this.keyword(keyword, own, value, within)));
  }

  private keyword(keyword: string, schema: Schema, value: SqlValue, { base, above }: Within): Verdict {
    if (annotations.has(keyword)) return always;
    if (value.opaque === true) return unknown;
    const given = schema[keyword];
    const sub = (each: unknown, of: SqlValue = value): Verdict => this.verdict({ schema: each, base }, of, above);
    switch (keyword) {
      case '$ref': {
        const target = this.references(given as string, base);
        return target === undefined ? unknown : this.verdict(target, value, above);
      }
      case 'type':
        return any((Array.isArray(given) ? (given as string[]) : [given as string]).map((type) => ofType(type, value)));
      case 'const':
        return equals(given, value);
      case 'enum':
        return oneOf(given as unknown[], value);
      case 'minimum':
        return where(value.number, compared(value.asNumber, '>=', given));
      case 'maximum':
        return where(value.number, compared(value.asNumber, '<=', given));
      case 'exclusiveMinimum':
        return where(value.number, compared(value.asNumber, '>', given));
      case 'exclusiveMaximum':
        return where(value.number, compared(value.asNumber, '<', given));
      case 'multipleOf':
        return where(value.number, multipleOf(given as number, value.asNumber));
      // Both count code points.
      case 'minLength':
        return where(value.string, exactly(`length(${value.asString}) >= ${double(given)}`));
      case 'maxLength':
        return where(value.string, exactly(`length(${value.asString}) <= ${double(given)}`));
      case 'pattern':
        return where(value.string, matches(value.asString, new RegExp(given as string, 'u')));
      case 'format':
        return schema['formatMinimum'] === undefined && schema['formatMaximum'] === undefined
          ? numberFormats.has(given as string)
            ? where(value.number, unknown)
            : where(value.string, formatVerdict(given as string, value.asString))
          : unknown;
      case 'allOf':
        return all((given as unknown[]).map((each) => sub(each)));
      case 'anyOf':
        return any((given as unknown[]).map((each) => sub(each)));
      case 'oneOf':
        return one((given as unknown[]).map((each) => sub(each)));
      case 'not':
        return not(sub(given));
      case 'if': {
        const condition = sub(given);
        const branch = (name: 'then' | 'else'): Verdict => (Object.hasOwn(schema, name) ? sub(schema[name]) : always);
        return all([any([not(condition), branch('then')]), any([condition, branch('else')])]);
      }
      default:
        return companions.has(keyword)
          ? always
          : (ofObject(keyword, schema, value, sub) ?? ofArray(keyword, schema, value, sub) ?? unknown);
    }
  }
}

interface Within {
  base: string;
  above: readonly unknown[];
}

type Sub = (schema: unknown, value: SqlValue) => Verdict;

/** Formats of numbers, which the value itself meets or not. */
const numberFormats = new Set(['int32', 'int64', 'float', 'double']);

function ofType(type: string, value: SqlValue): Verdict {
  switch (type) {
    case 'integer':
      return value.number === 'false' || value.whole === true
        ? exactly(value.number)
        : all([exactly(value.number), exactly(`${value.asNumber} = trunc(${value.asNumber})`)]);
    case 'null':
    case 'boolean':
    case 'number':
    case 'string':
    case 'object':
    case 'array':
      return exactly(value[type]);
    default:
      return unknown;
  }
}

/** Whether the value is this one; what holds values of its own is left to ajv. */
function equals(given: unknown, value: SqlValue): Verdict {
  switch (typeof given) {
    case 'string':
      if (!isPlainText(given)) return unknown;
      return all([exactly(value.string), exactly(`${value.asString} = ${quoteLiteral(given)}`)]);
    case 'number':
      return all([exactly(value.number), compared(value.asNumber, '=', given)]);
    case 'boolean':
      return all([exactly(value.boolean), exactly(`${value.asBoolean} = ${given}`)]);
    default:
      return given === null ? exactly(value.null) : all([any([exactly(value.object), exactly(value.array)]), unknown]);
  }
}

/** Whether the value is one of these. Texts, and numbers, are looked up together. */
function oneOf(given: readonly unknown[], value: SqlValue): Verdict {
  const texts = given.filter((each) => typeof each === 'string' && isPlainText(each)) as string[];
  const numbers = given.filter((each) => typeof each === 'number' && Number.isFinite(each));
  const others = given.filter((each) => !(texts as unknown[]).includes(each) && !numbers.includes(each));
  const among = (kind: string, expression: string, values: readonly string[]): Verdict[] =>
    values.length === 0 ? [] : [all([exactly(kind), exactly(`${expression} in (${values.join(', ')})`)])];
  return any([
    ...among(
      value.string,
      value.asString,
      texts.map((each) => quoteLiteral(each)),
    ),
    ...among(
      value.number,
      value.asNumber,
      numbers.map((each) => double(each)),
    ),
    ...others.map((each) => equals(each, value)),
  ]);
}

/** A statement ends at a character of number 0. */
function isPlainText(text: string): boolean {
  return !text.includes('\0') && !/[\uD800-\uDFFF]/u.test(text);
}

/** A limit that no double holds is left to ajv. */
function compared(number: string, operator: '=' | '<' | '<=' | '>' | '>=', limit: unknown): Verdict {
  return Number.isFinite(limit) ? exactly(`${number} ${operator} ${double(limit)}`) : unknown;
}

/** The decimal reading of a divisor p / 10^k, as it is written. */
function multipleOf(divisor: number, number: string): Verdict {
  const [digits = '', exponent = '0'] = String(divisor).split('e');
  const [whole = '', fraction = ''] = digits.split('.');
  const places = Math.max(0, fraction.length - Number(exponent));
  const numerator = Math.round(divisor * 10 ** places);
  if (places > 15 || numerator >= 1e15 || numerator < 1 || Number(whole) < 0) return unknown;
  const scale = double(10 ** places);
  const scaled = `round(${number} * ${scale})`;
  // Up to 15 digits a decimal and the double nearest to it stand for each other, and a quotient of integers is that double.
  const inRange = `abs(${number} * ${scale}) < 1e15`;
  const holds = `(${scaled} / ${scale} = ${number} and fmod(${scaled}, ${double(numerator)}) = 0)`;
  return {
    yes: () => `(${inRange} and ${holds})`,
    no: () => `(${inRange} and not ${holds})`,
  };
}

function ofObject(keyword: string, schema: Schema, value: SqlValue, sub: Sub): Verdict | null {
  const { properties } = value;
  const property = (name: string): SqlValue => properties?.get(name) ?? { ...nothing, absent: 'true' };
  const present = (name: string): Verdict => not(exactly(property(name).absent));
  const names = [...(properties?.keys() ?? [])];
  const inProperty = (name: string, each: unknown): Verdict =>
    where(negated(property(name).absent), sub(each, property(name)), property(name).absent);
  const whole = (): Verdict => {
    const given = schema[keyword];
    switch (keyword) {
      case 'properties':
        return all(Object.entries(given as Schema).map(([name, each]) => inProperty(name, each)));
      case 'patternProperties':
        return all(
          Object.entries(given as Schema).flatMap(([pattern, each]) =>
            names.filter((name) => new RegExp(pattern, 'u').test(name)).map((name) => inProperty(name, each)),
          ),
        );
      case 'additionalProperties': {
        const named = (schema['properties'] ?? {}) as Schema;
        const patterns = Object.keys((schema['patternProperties'] ?? {}) as Schema).map(
          (each) => new RegExp(each, 'u'),
        );
        const others = names.filter((name) => !Object.hasOwn(named, name) && !patterns.some((each) => each.test(name)));
        return all(others.map((name) => inProperty(name, given)));
      }
      case 'propertyNames':
        return all(names.map((name) => any([exactly(property(name).absent), sub(given, nameValue(name))])));
      case 'required':
        return all((given as string[]).map(present));
      case 'dependentRequired':
        return all(
          Object.entries(given as Record<string, string[]>).map(([name, needed]) =>
            any([exactly(property(name).absent), all(needed.map(present))]),
          ),
        );
      case 'dependentSchemas':
        return all(
          Object.entries(given as Schema).map(([name, each]) =>
            any([exactly(property(name).absent), sub(each, value)]),
          ),
        );
      case 'minProperties':
        return exactly(`${countOf(names.map((name) => property(name).absent))} >= ${double(given)}`);
      case 'maxProperties':
        return exactly(`${countOf(names.map((name) => property(name).absent))} <= ${double(given)}`);
      default:
        return unknown;
    }
  };
  if (!objectKeywords.has(keyword)) return null;
  if (value.object === 'false') return always;
  return properties === undefined ? where(value.object, unknown) : where(value.object, whole());
}

const objectKeywords = new Set([
  'properties',
  'patternProperties',
  'additionalProperties',
  'propertyNames',
  'required',
  'dependentRequired',
  'dependentSchemas',
  'minProperties',
  'maxProperties',
  'unevaluatedProperties',
]);

function nameValue(name: string): SqlValue {
  if (name.includes('\0')) return { ...nothing };
  return { ...nothing, string: 'true', asString: quoteLiteral(name) };
}

function countOf(absent: readonly string[]): string {
  if (absent.length === 0) return '0';
  return `(${absent.map((condition) => `(case when ${condition} then 0 else 1 end)`).join(' + ')})`;
}

function ofArray(keyword: string, schema: Schema, value: SqlValue, sub: Sub): Verdict | null {
  if (!arrayKeywords.has(keyword)) return null;
  if (value.array === 'false') return always;
  const { elements } = value;
  if (elements === undefined) return where(value.array, unknown);
  const given = schema[keyword];
  switch (keyword) {
    case 'minItems':
      return where(value.array, exactly(`len(${elements.list}) >= ${double(given)}`));
    case 'maxItems':
      return where(value.array, exactly(`len(${elements.list}) <= ${double(given)}`));
    case 'items': {
      if (schema['prefixItems'] !== undefined) return where(value.array, unknown);
      // The list of an inner one names the element of the outer one, so that it is longer.
      const name = `element_${elements.list.length}`;
      const each = sub(given, elements.element(name));
      const every = (condition: string): string =>
        `coalesce(len(list_filter(${elements.list}, lambda ${name}: ${notTrue(condition)})) = 0, false)`;
      const some = (condition: string): string =>
        `coalesce(len(list_filter(${elements.list}, lambda ${name}: ${condition})) > 0, false)`;
      return where(value.array, { yes: () => every(each.yes()), no: () => some(each.no()) });
    }
    default:
      return where(value.array, unknown);
  }
}

const arrayKeywords = new Set([
  'items',
  'prefixItems',
  'contains',
  'minItems',
  'maxItems',
  'uniqueItems',
  'unevaluatedItems',
]);

/** A double of exactly this value: a decimal literal would be one of another type. */
function double(value: unknown): string {
  return `cast('${Number(value)}' as double)`;
}
