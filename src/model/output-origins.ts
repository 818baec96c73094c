import type { ClassValue } from '../data/class-text.ts';
import { attribute, constantsOf, elements, listed, text } from './node-values.ts';
import type { ModelProto, NodeProto, TensorProto } from './onnx-schema.ts';

/** What an output of a graph is made of, as far as the graph says it. */
export interface OutputOrigin {
  /** The tensor whose columns these are, or whose greatest column this label is: outputs of one source go together. */
  source: string;
  /** Of scores: the class of each column. Of labels: what is written for each column. Null where the graph does not say. */
  classes: ClassValue[] | null;
  /** These are the highest scores of a row (TopK, ReduceMax): no column is of one class. */
  ranked?: true;
  /** What stands in the way of the highest score of three classes or more: its sign is turned, or scores are of pairs of classes. */
  unlike?: 'turned' | 'pairs';
  /** The two columns are p and 1 - p, in this order: p is hardly that of the first class. */
  complementLast?: true;
  /** A TreeEnsembleClassifier makes these scores, of one class or, as a forest, of each. */
  trees?: 'one class' | 'each class';
}

/**
 * Follow every output of a graph back to the classifier, or to the matrix of scores, that feeds it. Classifiers inside an ensemble
 * do not count: what lies behind a sum, a selection of columns or a concatenation has other columns.
 * @returns the origins by the names of the outputs
 */
export function outputOrigins(model: ModelProto): Record<string, OutputOrigin> {
  const origins = new Origins(model);
  return Object.fromEntries((model.graph?.output ?? []).map(({ name }) => [name, origins.of(name)]));
}

/**
 * Outputs that hold the same whatever the rows are, such as the names of the classes, and their values: none where they are
 * too many, or of another type than classes have.
 */
export function constantOutputs(model: ModelProto): Map<string, ClassValue[]> {
  const origins = new Origins(model);
  return new Map(
    (model.graph?.output ?? []).flatMap(({ name }) => {
      const values = origins.constant(name);
      return values === null ? [] : [[name, values] as const];
    }),
  );
}

/** Longest way back: graphs are hostile, and may be circular. */
const mostSteps = 100;

/** Operators with one input of data that keep its columns, or (Transpose) turn them into rows. */
const keepsColumns = new Set(
  'Identity,Cast,CastLike,Normalizer,Scaler,Softmax,LogSoftmax,Sigmoid,Clip,Exp,Log,Relu,Abs,Neg,Reshape,Flatten,Squeeze,Unsqueeze,Transpose,Dropout,QuantizeLinear,DequantizeLinear'.split(
    ',',
  ),
);
/** Operators that keep them where the other operand is a constant, or a sum over the columns. */
const combines = new Set(['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Pow']);
/** Operators that keep one value a row. */
const keepsLabel = new Set(['Identity', 'Cast', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);

class Origins {
  readonly #producers = new Map<string, NodeProto>();
  readonly #constants: ReadonlyMap<string, TensorProto>;
  /** What labels there are of a source: of labels that are made of labels the last. */
  readonly #labels = new Map<string, ClassValue[]>();

  constructor({ graph, functions }: ModelProto) {
    const local = new Set(functions.map(({ domain, name }) => `${domain}::${name}`));
    // What a function of the model does, or an operator of another domain, its name does not say.
    const nodes = (graph?.node ?? []).map((node) =>
      /^(?:ai\.onnx(?:\.ml)?)?$/u.test(node.domain) && !local.has(`${node.domain}::${node.opType}`)
        ? node
        : { ...node, opType: '', attribute: [] },
    );
    this.#constants = constantsOf(graph);
    for (const node of nodes) {
      for (const name of node.output) if (name !== '') this.#producers.set(name, node);
    }
    for (const node of nodes) {
      if (!/^(?:Gather|ArrayFeatureExtractor|LabelEncoder)$/u.test(node.opType)) continue;
      const label = this.#label(node.output[0] ?? '');
      const classes = label?.classes ?? null;
      if (label !== null && classes !== null) this.#labels.set(label.source, classes);
    }
  }

  of(name: string): OutputOrigin {
    return this.#label(name) ?? this.#scores(name);
  }

  /** Null for what is no constant; empty for one whose values are not known. */
  constant(output: string): ClassValue[] | null {
    let name = output;
    for (let steps = 0; steps < mostSteps; steps += 1) {
      const node = this.#producers.get(name);
      if (node === undefined || !keepsLabel.has(node.opType)) break;
      name = node.input[0] ?? '';
    }
    const tensor = this.#constants.get(name);
    if (tensor !== undefined) return elements(tensor) ?? [];
    const node = this.#producers.get(name);
    if (node?.opType !== 'Constant') return null;
    return attribute(node, 'value_strings')?.strings.map(text) ?? [...(attribute(node, 'value_ints')?.ints ?? [])];
  }

  #scores(output: string, depth = 0): OutputOrigin {
    let name = output;
    let own: ClassValue[] | null = null;
    let mapped = false;
    let reversed = false;
    let complementLast = false;
    for (let steps = 0; steps < mostSteps; steps += 1) {
      const node = this.#producers.get(name);
      if (node === undefined) break;
      const declared = classLabels(node);
      if (own === null && declared !== null) mapped = node.opType === 'ZipMap';
      own ??= declared;
      if (declared !== null && node.opType !== 'ZipMap') {
        const pairs =
          node.opType === 'SVMClassifier' &&
          declared.length > 2 &&
          attribute(node, 'vectors_per_class')?.ints.some((count) => count > 0) === true &&
          !attribute(node, 'prob_a')?.floats.length;
        if (pairs) return { source: name, classes: null, unlike: 'pairs' };
        break;
      }
      complementLast ||= this.#isComplementLast(node);
      if (node.opType === 'TopK' || this.#isConfidence(node)) return { source: name, classes: null, ranked: true };
      const selected = this.#selected(node, name);
      if (selected !== null && depth < mostSteps) {
        const { classes, ranked } = this.#scores(node.input[0] ?? '', depth + 1);
        if (ranked) return { source: name, classes: null, ranked };
        const columns = classes === null ? null : selected(classes);
        // 1 - p of one of two classes is the score of the other.
        own ??= reversed && columns?.length === 1 ? otherThan(columns[0], classes) : columns;
        if (columns?.length === 1) reversed = false;
        break;
      }
      if (this.#turns(node)) reversed = !reversed;
      const before = node.opType === 'ZipMap' ? node.input[0] : this.#columnsOf(node);
      if (before === undefined) break;
      name = before;
    }
    const trees = treesOf(this.#producers.get(name));
    const source = reversed ? `${name} turned` : name;
    const made = this.#labels.get(source) ?? null;
    // A map that has the same classes in another order than the labels contradicts them.
    if (made !== null) return { source, classes: mapped && isReordered(made, own) ? own : made, ...trees };
    const classes = this.#labels.get(name) ?? own;
    // A map names the columns as they are after all turns.
    if (reversed && classes !== null && !mapped) {
      // 1 - p of the two probabilities are these the other way round.
      if (classes.length === 2) return { source, classes: classes.toReversed() };
      return { source, classes: null, ...(classes.length > 2 ? { unlike: 'turned' } : {}) };
    }
    return {
      source,
      classes: mapped && isReordered(classes, own) ? own : classes,
      ...(complementLast ? { complementLast } : {}),
      ...trees,
    };
  }

  /** Is more here less in the result? */
  #turns({ opType, input: [first = '', second = ''] }: NodeProto): boolean {
    const isConstant = (name: string): boolean => this.#constants.has(name);
    if (opType === 'Neg') return true;
    if (opType === 'Sub') return isConstant(first);
    if (opType === 'Div' && isConstant(first)) return true;
    if (opType !== 'Mul' && opType !== 'Div') return false;
    const factors = elements(this.#constants.get(isConstant(first) ? first : second)) ?? [];
    return factors.length > 0 && factors.every((factor) => Number(factor) < 0);
  }

  /** Is this p beside 1 - p? */
  #isComplementLast({ opType, input: [first = '', second = ''], ...node }: NodeProto): boolean {
    const after = this.#producers.get(second);
    if (opType !== 'Concat' || node.attribute.some(({ name, i }) => name === 'axis' && i === 0)) return false;
    return after?.opType === 'Sub' && this.#constants.has(after.input[0] ?? '') && after.input[1] === first;
  }

  /** The highest of the probabilities of all classes: of sequences or images a ReduceMax may be of the scores of one class. */
  #isConfidence({ opType, input: [input = ''] }: NodeProto): boolean {
    const before = opType === 'ReduceMax' ? this.#producers.get(input) : undefined;
    return before !== undefined && (before.opType === 'Softmax' || classLabels(before) !== null);
  }

  /** Where a node picks columns by number, what of a list of one value a column it picks; null: it does not. */
  #selected(node: NodeProto, output: string): (<T>(columns: readonly T[]) => T[] | null) | null {
    const { opType, input } = node;
    const axis = attribute(node, 'axis')?.i ?? 0;
    const isTurned = this.#producers.get(input[0] ?? '')?.opType === 'Transpose';
    const ofColumns = isTurned ? axis === 0 || axis === -2 : axis === 1 || axis === -1;
    if (opType === 'Compress' && ofColumns) {
      const kept = elements(this.#constants.get(input[1] ?? ''));
      return kept === null ? null : (columns) => columns.filter((_, column) => kept[column] === true);
    }
    if (opType === 'MatMul') return this.#selectedByProduct(input[1] ?? '');
    if ((opType === 'Gather' && ofColumns) || opType === 'ArrayFeatureExtractor') {
      const at = elements(this.#constants.get(input[1] ?? ''));
      if (at === null || this.#constants.has(input[0] ?? '')) return null;
      return (columns) => {
        const picked = at.map((index) => columns.at(Number(index)));
        return picked.every((each) => each !== undefined) ? picked : null;
      };
    }
    if (opType === 'Slice') {
      const given = (name: string, index: number): number[] | null =>
        (elements(this.#constants.get(input[index] ?? '')) ?? attribute(node, name)?.ints ?? null)?.map(Number) ?? null;
      const [starts, ends, steps] = [given('starts', 1), given('ends', 2), given('steps', 4)];
      const at = (given('axes', 3) ?? starts?.map((_, index) => index))?.findIndex((each) =>
        isTurned ? each === 0 || each === -2 : each === 1 || each === -1,
      );
      const [start, end] = [starts?.[at ?? -1], ends?.[at ?? -1]];
      if (at === undefined || start === undefined || end === undefined) return null;
      return (columns) => ((steps?.[at] ?? 1) === 1 ? columns.slice(start, end) : null);
    }
    if (opType !== 'Split' || !ofColumns) return null;
    const sizes = elements(this.#constants.get(input[1] ?? ''))?.map(Number) ?? attribute(node, 'split')?.ints ?? [];
    const place = node.output.indexOf(output);
    return (columns) => {
      const size = Math.ceil(columns.length / node.output.length);
      const widths = sizes.length > 0 ? sizes.map(Number) : node.output.map(() => size);
      const start = widths.slice(0, place).reduce((sum, width) => sum + width, 0);
      return columns.slice(start, start + (widths[place] ?? 0));
    };
  }

  /** A product with a matrix of zeros and, in every column, one 1. */
  #selectedByProduct(name: string): (<T>(columns: readonly T[]) => T[] | null) | null {
    const tensor = this.#constants.get(name);
    const values = elements(tensor);
    const [rows = 0, width = 1] = tensor?.dims ?? [];
    if (values === null || values.some((value) => value !== 0 && value !== 1)) return null;
    const at = Array.from({ length: width }, (_, column) =>
      Array.from({ length: rows }, (_row, row) => row).filter((row) => values[row * width + column] === 1),
    );
    if (at.some((each) => each.length !== 1)) return null;
    return (columns) =>
      columns.length === rows ? at.map(([row = 0]) => columns[row] as (typeof columns)[number]) : null;
  }

  /** The input whose columns the columns of a node are. */
  #columnsOf(node: NodeProto): string | undefined {
    const [first = '', second = ''] = node.input;
    if (keepsColumns.has(node.opType)) return first;
    if (!combines.has(node.opType)) return undefined;
    if (this.#constants.has(second) || this.#sums(second, first)) return first;
    return this.#constants.has(first) ? second : undefined;
  }

  /** Is `name` one number a row, made of the columns of `of`? */
  #sums(name: string, of: string, seen = new Set<string>()): boolean {
    const node = this.#producers.get(name);
    if (node === undefined || seen.has(name) || seen.size > mostSteps) return false;
    seen.add(name);
    if (node.opType.startsWith('Reduce')) return node.input[0] === of;
    return /^(?:Clip|Max|Add|Where)$/u.test(node.opType) && node.input.some((each) => this.#sums(each, of, seen));
  }

  /** Of a tensor of one label a row: what the labels are chosen from. Null for any other tensor. */
  #label(output: string, steps = 0): OutputOrigin | null {
    const node = this.#producers.get(output);
    if (node === undefined || steps > mostSteps) return null;
    const classes = node.opType === 'ZipMap' ? null : classLabels(node);
    if (classes !== null) {
      if (node.output[0] !== output) return null;
      // A classifier may give its labels alone.
      return { source: node.output[1] || output, classes, ...treesOf(node) };
    }
    const [first = '', second = ''] = node.input;
    if (node.opType === 'ArgMax') return { source: this.#scores(first).source, classes: null };
    if (node.opType === 'TopK' && node.output[1] === output)
      return { source: this.#scores(first).source, classes: null };
    if (keepsLabel.has(node.opType)) return this.#label(first, steps + 1);
    if (node.opType === 'Gather' || node.opType === 'ArrayFeatureExtractor') {
      const values = elements(this.#constants.get(first));
      const of = values === null ? null : this.#label(second, steps + 1);
      if (of === null || values === null) return null;
      return {
        source: of.source,
        classes: of.classes === null ? values : mapped(of.classes, (at) => values[Number(at)]),
      };
    }
    if (node.opType !== 'LabelEncoder') return null;
    const of = this.#label(first, steps + 1);
    const [keys, values] = [listed(node, 'keys'), listed(node, 'values')];
    if (of === null || keys === null || values === null)
      return of === null ? null : { source: of.source, classes: null };
    const encoded = new Map(keys.map((key, index) => [String(key), values[index]]));
    const from = of.classes ?? keys.map((_, index) => index);
    return { source: of.source, classes: mapped(from, (key) => encoded.get(String(key))) };
  }
}

function treesOf(node: NodeProto | undefined): Pick<OutputOrigin, 'trees'> {
  if (node?.opType !== 'TreeEnsembleClassifier') return {};
  const ids = node.attribute.find(({ name }) => name === 'class_ids')?.ints ?? [];
  return { trees: ids.some((id) => id !== ids[0]) ? 'each class' : 'one class' };
}

function isReordered(classes: readonly ClassValue[] | null, own: readonly ClassValue[] | null): boolean {
  return classes?.length === own?.length && classes?.every((each) => own?.includes(each) === true) === true;
}

function otherThan(one: ClassValue | undefined, of: readonly ClassValue[] | null): ClassValue[] | null {
  return of?.length === 2 ? of.filter((each) => each !== one) : null;
}

function mapped(from: readonly ClassValue[], value: (of: ClassValue) => ClassValue | undefined): ClassValue[] | null {
  const values = from.map(value);
  return values.every((each) => each !== undefined) ? values : null;
}

/** The classes that a classifier declares, in the order of its scores. */
export function classLabels(node: NodeProto): ClassValue[] | null {
  for (const { name, strings, ints } of node.attribute) {
    if (name === 'classlabels_strings' && strings.length > 0) return strings.map(text);
    if (/^classlabels_(?:int64s|ints)$/u.test(name) && ints.length > 0) return [...ints];
  }
  return null;
}
