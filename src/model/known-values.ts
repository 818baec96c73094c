import type { ClassValue } from '../data/class-text.ts';
import { ModelError } from '../errors.ts';
import type { Feeds } from './batches.ts';
import type { InputPlan } from './features.ts';
import { attribute, constantsOf, elements, listed, text } from './node-values.ts';
import { allNodes, type ModelProto, type NodeProto } from './onnx.ts';
import type { UnknownValues } from './shards.ts';
import { unknownText } from './unknown-values.ts';

type Known = ReadonlySet<ClassValue>;

/** A column that goes into encoders alone: by its place in an input, the values that one of them has a code for. */
interface EncodedColumn {
  input: string;
  place: number;
  column: string;
  values: Known[];
  /** What casts make of a number before it is looked up. */
  casts: ((value: number) => number)[];
  /** The model refuses a value without a code. */
  strict: boolean;
}

type Ref = EncodedColumn & { isText: boolean; encoded: boolean; other: boolean };

/** Operators that hand on the columns of their first input; those that may put them elsewhere. */
const keeps = new Set(['Identity', 'Cast', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);
const reshapes = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);
const encoders = new Set(['OneHotEncoder', 'LabelEncoder', 'CategoryMapper']);
/** Larger embeddings are of words and the like. */
const mostCodes = 100_000;
/** Types of TensorProto.DataType. */
const [floatType, stringType] = [1, 8];
/** Those that cut off fractions. */
const wholeTypes = new Set([2, 3, 4, 5, 6, 7, 12, 13]);

/**
 * The columns of which the graph says all values that it tells apart: those that go to encoders, by way of operators that pick and
 * join columns, and nowhere else. A list of one value is a question, not a list.
 */
export function encodedColumns(model: ModelProto, inputs: readonly InputPlan[]): EncodedColumn[] {
  const columns = inputs.flatMap(({ input, columns: names }) =>
    names.map((column, place): Ref => {
      const of = { input: input.name, isText: input.type === 'string', place, column };
      return { ...of, values: [], casts: [], strict: false, encoded: false, other: false };
    }),
  );
  const held = new Map<string, Ref[]>(
    inputs.map(({ input: { name } }) => [name, columns.filter((each) => each.input === name)]),
  );
  /** Where the columns do not lie in one row: by their places no operator picks or joins them. */
  const folded = new Set(
    inputs
      .filter(({ rowShape, columns: { length } }) => rowShape.length > 1 && length > 1)
      .map(({ input }) => input.name),
  );
  const constants = constantsOf(model.graph);
  const top = new Set(model.graph?.node);
  for (const node of allNodes(model)) {
    const given = node.input.flatMap((name) => held.get(name) ?? []);
    if (given.length === 0) continue;
    const isTop = top.has(node);
    const keys = isTop ? (embeddedCodes(node) ?? encoderKeys(node)) : null;
    const after = isTop ? handedOn(node) : null;
    if (keys !== null) {
      // One set for all columns: a text may be hundreds of codes of one vocabulary.
      const values = new Set(keys);
      for (const each of given) {
        each.encoded = true;
        each.strict ||= refuses(node);
        if (values.size > 1) each.values.push(values);
        else each.other = true;
      }
    } else if (after !== null) for (const [name, refs] of after) held.set(name, refs);
    else for (const each of given) each.other = true;
  }
  for (const { name } of model.graph?.output ?? []) for (const each of held.get(name) ?? []) each.other = true;
  return columns.filter(({ encoded, other }) => encoded && !other);

  /** An embedding takes the numbers of its rows; of a number below 0 it takes the row from the end. */
  function embeddedCodes(node: NodeProto): ClassValue[] | null {
    const {
      opType,
      domain,
      input: [table = ''],
    } = node;
    const axis = attribute(node, 'axis')?.i ?? 0;
    const [size = 0] = (opType === 'Gather' && domain === '' && axis === 0 && constants.get(table)?.dims) || [];
    return size > 0 && size <= mostCodes ? [...Array.from({ length: size }).keys()] : null;
  }

  /** The columns of each output of a node that only moves them; null for any other. */
  function handedOn(node: NodeProto): [output: string, columns: Ref[]][] | null {
    const [first = [], output = ''] = [held.get(node.input[0] ?? ''), node.output[0]];
    const axis = attribute(node, 'axis')?.i ?? 0;
    const isOfColumns = axis === 1 || axis === -1;
    if (keeps.has(node.opType)) {
      const to = node.opType === 'Cast' ? (attribute(node, 'to')?.i ?? 0) : null;
      // The text of a number, and the number of a text, are other values.
      if (to !== null && first.some(({ isText }) => isText !== (to === stringType))) return null;
      const cast = to === floatType ? Math.fround : to !== null && wholeTypes.has(to) ? Math.trunc : null;
      if (cast !== null) for (const each of first) each.casts.push(cast);
      if ((reshapes.has(node.opType) && first.length > 1) || folded.has(node.input[0] ?? '')) folded.add(output);
      return [[output, first]];
    }
    if (node.input.some((name) => folded.has(name))) return null;
    if (node.opType === 'Concat' && isOfColumns) {
      const parts = node.input.map((name) => held.get(name));
      return parts.every((part) => part !== undefined) ? [[output, parts.flat()]] : null;
    }
    const picks = (node.opType === 'Gather' && isOfColumns) || node.opType === 'ArrayFeatureExtractor';
    const at = picks ? elements(constants.get(node.input[1] ?? '')) : null;
    const picked = at?.map((index) => first.at(Number(index))) ?? [undefined];
    return picked.every((each) => each !== undefined) ? [[output, picked]] : null;
  }
}

function refuses(node: NodeProto): boolean {
  return node.opType === 'Gather' || (node.opType === 'OneHotEncoder' && attribute(node, 'zeros')?.i === 0);
}

function encoderKeys(node: NodeProto): ClassValue[] | null {
  if (!encoders.has(node.opType) || node.domain !== 'ai.onnx.ml') return null;
  const [texts, numbers] = [attribute(node, 'cats_strings')?.strings, attribute(node, 'cats_int64s')?.ints];
  const categories = [...(texts ?? []).map(text), ...(numbers ?? [])];
  const keys = listed(node, 'keys');
  // What gives all of them one value asks whether a value is among them.
  if (keys !== null) return new Set(listed(node, 'values')).size > 1 ? keys : [];
  return categories.length === 0 ? null : categories;
}

/** Counts, batch by batch, the rows whose values a model does not know. */
export class UnknownValueCount {
  readonly #columns: readonly EncodedColumn[];
  readonly #found = new Map<EncodedColumn, UnknownValues>();
  /** Columns with more than one such value. */
  readonly #varied = new Set<UnknownValues>();
  /** What the model refused a row for. */
  #refused: UnknownValues | undefined;

  constructor(columns: readonly EncodedColumn[]) {
    this.#columns = columns;
  }

  /** @param before rows that were counted already */
  add(feeds: Feeds, rows: number, before: number): void {
    for (const each of this.#columns) {
      const { data } = feeds[each.input] ?? {};
      if (data === undefined) continue;
      const [width, valueAt] = [data.length / rows, reader(data, each.casts)];
      const [known, ...others] = each.values as [Known, ...Known[]];
      for (let row = 0, at = each.place; row < rows; row += 1, at += width) {
        const value = valueAt(at);
        // What is missing is no value.
        if (known.has(value) || Number.isNaN(value) || others.some((more) => more.has(value))) continue;
        this.#note(each, before + row, String(data[at]));
      }
    }
  }

  #note(of: EncodedColumn, row: number, example: string): void {
    const found = this.#found.get(of);
    if (found === undefined) {
      const known = of.values.flatMap((values) => [...values].slice(0, 5).map(String)).slice(0, 5);
      this.#found.set(of, { column: of.column, rows: 1, row, example, known });
      return;
    }
    found.rows += 1;
    if (example !== found.example) this.#varied.add(found);
  }

  /** A model may refuse a row with a value that it does not know. */
  explain(error: ModelError): ModelError {
    if (!/unknown category|indices element out of data bounds/iu.test(error.message)) return error;
    const strict = [...this.#found].filter(([{ strict }]) => strict).map(([, found]) => found);
    [this.#refused] = strict.toSorted((one, other) => one.row - other.row);
    if (this.#refused === undefined) return error;
    return new ModelError({
      found: `the model rejects a value that it does not know: ${unknownText(this.#refused)}`,
      expected: 'an answer for every row',
      remedy: 'Train and export it so that it accepts unknown values (scikit-learn: handle_unknown)',
      cause: error,
    });
  }

  /** What tells that the data are others: the model refused it, or knows none of a column's values. One new value in all rows, as of the month, may be meant. */
  lost(rows: number): UnknownValues | undefined {
    return this.#refused ?? this.found.find((each) => each.rows === rows && this.#varied.has(each));
  }

  get found(): UnknownValues[] {
    return [...this.#found.values()];
  }
}

/** What reads a value as the encoders do. */
function reader(data: Feeds[string]['data'], casts: EncodedColumn['casts']): (at: number) => string | number {
  if (Array.isArray(data)) return (at) => data[at] as string;
  const read = data instanceof BigInt64Array ? numbersOf(data) : (at: number) => Number(data[at]);
  return casts.length === 0 ? read : (at) => casts.reduce((value, cast) => cast(value), read(at));
}

/** By halves, where the number is small: to make a BigInt of each takes several times as long. */
function numbersOf(data: BigInt64Array): (at: number) => number {
  const halves = new Int32Array(data.buffer, data.byteOffset, 2 * data.length);
  return (at) => {
    const low = halves[2 * at] as number;
    return halves[2 * at + 1] === low >> 31 ? low : Number(data[at]);
  };
}
