import { labelColumns } from '../../config/columns.ts';
import type { Columns, Task } from '../../config/schema.ts';
import { ConfigError, MismatchError } from '../../errors.ts';
import { isFloating, rowSize } from '../tensor.ts';

/** An output as a model, or a server of one, declares it: ONNX's name of its elements; -1, null and names are open dimensions. */
export interface DeclaredOutput {
  name: string;
  type: string;
  shape: readonly (number | string | null)[];
}

/** Names of the outputs that are read; at least one. The others are ignored, whatever their place. */
export interface ChosenOutputs {
  scores: string | null;
  labels: string | null;
}

/**
 * Choose the outputs to read, by name, type and shape alone: the same offline and served.
 * @param output the name that the configuration gives: of the scores, or of the labels where only they are to count
 * @throws ConfigError where it is not clear which output is meant, ModelError where there is none
 */
export function chooseOutputs(
  outputs: readonly DeclaredOutput[],
  { task, columns, output }: { task: Task; columns: Columns; output?: string | undefined },
): ChosenOutputs {
  const numeric = task === 'regression' || task === 'ranking';
  const fits = (each: DeclaredOutput): boolean => fitsTask(each, task, columns);
  if (output !== undefined) {
    const named = outputs.find(({ name }) => name === output);
    if (named === undefined || (numeric && !isNumber(named))) {
      throw new ConfigError({
        found: `The model has no output ${numeric ? 'of numbers ' : ''}named ${JSON.stringify(output)}`,
        expected: `one of: ${listOutputs(outputs)}`,
        remedy: 'Correct the name: {uri, output}',
      });
    }
    if (!numeric && !isFloating(named.type)) return { scores: null, labels: output };
    return { scores: output, labels: numeric ? null : labelOutput(outputs, task, columns, true) };
  }
  const floating = outputs.filter(({ type }) => isFloating(type));
  if (numeric) {
    const numbers = outputs.filter(isNumber);
    // A whole number may be the prediction beside a float that is not: by its whole name, as others are counts, bins and times.
    const predicted = numbers.filter(({ name }) =>
      /^(?:y_?)?(?:pred(?:s|ict|icted|ictions?)?|hat)(?:\.output)?(?::\d+)?$/iu.test(name),
    );
    const pool = floating.length > 0 ? new Set([...floating, ...predicted]) : numbers;
    const scores = pick([...pool], fits, [/pred|variable|value|score/iu], outputs, columns);
    if (scores === null) throw noOutput(outputs);
    return { scores, labels: null };
  }
  const labelled = labelOutput(outputs, task, columns, true);
  const meant = floating.filter(({ name }) => !besideScores.test(name));
  const scores = pick(
    meant.length > 0 || labelled !== null ? meant : floating,
    fits,
    [/prob/iu, /score|logit|margin|decision|output|pred/iu],
    outputs,
    columns,
  );
  const labels = scores === null ? labelOutput(outputs, task, columns, false) : labelled;
  if (scores === null && labels === null) throw noOutput(outputs);
  return { scores, labels };
}

/** What models give beside their scores, by its name. */
const besideScores = /embed|attention|hidden|^(?!.*prob).*(?:leaf|leaves|shap)/iu;
const besideLabels = /leaf|leaves|hash|embed|index|(?:^|[^a-z])(?:row|node|path|id)(?:s|$|[^a-z])/iu;

/** `class_id`, `label_index`: the number of a class may be its name. */
const classNumber = /(?:class|label|categor(?:y|ies)|predicted)e?s?[^a-z]*(?:ids?|ind(?:ex|ices)|idx)$/iu;

function isNumber({ type }: DeclaredOutput): boolean {
  return type !== 'string' && type !== 'bool';
}

/** The only output that fits, by its shape, then by the first of these names that one and no other has. */
function pick(
  candidates: readonly DeclaredOutput[],
  fits: (output: DeclaredOutput) => boolean,
  names: readonly RegExp[],
  all: readonly DeclaredOutput[],
  columns: Columns,
): string | null {
  const fitting = candidates.filter(fits);
  const pool = fitting.length > 0 ? fitting : candidates;
  if (pool.length <= 1) return pool[0]?.name ?? null;
  for (const name of names) {
    // ML.NET adds `.output` to the name of every column.
    const [named, ...others] = pool.filter((each) => name.test(each.name.replace(/\.output$/u, '')));
    if (others.length > 0 || (named !== undefined && isOfSomethingElse(named.name, columns))) break;
    if (named !== undefined) return named.name;
  }
  throw new ConfigError({
    found: `The model has ${pool.length} outputs that may hold the scores: ${listOutputs(pool)}`,
    expected: `a statement which of them is meant (all outputs: ${listOutputs(all)})`,
    remedy: `Name it: {uri, output}${pool.every(({ shape }) => shape.length === 1) ? '; or, if each holds the score of one class, export them as one output, [N, classes] (skl2onnx: zipmap=False)' : ''}`,
  });
}

/**
 * `uncertainty_prob`, `anomaly_score`, `aux_output`, `prob_0`, `pred_std`: beside another output that fits, the word that a score has too
 * is not enough. The name of the label tells nothing else.
 */
function isOfSomethingElse(name: string, columns: Columns): boolean {
  const own = new Set(labelColumns(columns).flatMap(wordsOf));
  // TensorFlow numbers the outputs of a node behind a colon.
  return !wordsOf(name.replace(/:\d+$/u, '').replace(/^(outputs?)_?\d+$/iu, '$1')).every(
    (word) => usualWords.test(word) || own.has(word),
  );
}

function wordsOf(name: string): string[] {
  const apart = name.replaceAll(/(?<=[a-z])(?=[A-Z\d])/gu, ' ').toLowerCase();
  return apart.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== '');
}

/** The score of the class 0 is not that of the positive class. */
const usualWords =
  /^(?:prob(?:a|s|as|abilit(?:y|ies))?|predict\w*|preds?|outputs?|scores?|logits?|margins?|decision|function|raw|values?|variable|class\w*|labels?|positive|tensor|softmax|sigmoid|regress\w*|estimat\w*|forecasts?|targets?|model|main|final|dense|layer|y|hat|ids?|ind(?:ex|ices)|idx|[1-9]\d*)$/u;

/** Is an output of this name one of labels, beyond doubt? */
export function isLabelName(name: string): boolean {
  return /^(?:output_|predicted_)?label$/iu.test(name);
}

/** The output of labels; `named`: only one that is said to be it, by its name or since it holds texts. */
function labelOutput(outputs: readonly DeclaredOutput[], task: Task, columns: Columns, named: boolean): string | null {
  const ofLabels = task === 'multilabel-classification' ? labelColumns(columns).length : 1;
  const candidates = outputs.filter((each) => {
    const width = rowWidth(each);
    return !isFloating(each.type) && !besideLabels.test(each.name) && (width === null || width === ofLabels);
  });
  // One text for all rows, such as a version, is no label.
  const rowsAreOpen = outputs.some(({ shape }) => shape.length > 0 && typeof shape[0] !== 'number');
  const said = [
    candidates.filter(({ name }) => isLabelName(name)),
    candidates.filter(({ name }) => /label/iu.test(name)),
    candidates.filter(({ name }) => /class|pred/iu.test(name)),
    candidates.filter(({ type, shape }) => type === 'string' && !(rowsAreOpen && typeof shape[0] === 'number')),
  ].find((each) => each.length > 0);
  if (named) return said?.length === 1 ? (said[0] as DeclaredOutput).name : null;
  // Nothing is left to read but labels.
  const pool = said ?? (candidates.length > 0 ? candidates : outputs.filter(({ type }) => !isFloating(type)));
  const [first, ...others] = pool;
  if (others.length === 0 && (candidates.length <= 1 || !isOfSomethingElse(first?.name ?? '', columns))) {
    return first?.name ?? null;
  }
  throw new ConfigError({
    found: `The model has ${Math.max(pool.length, candidates.length)} outputs that may hold the labels: ${listOutputs(others.length > 0 ? pool : candidates)}`,
    expected: 'a statement which of them is meant',
    remedy: 'Name it: {uri, output}',
  });
}

/** Beside scores without an output of labels: those that may be it under a name of their own, or hold it as floats. */
export function possibleLabels(outputs: readonly DeclaredOutput[], scores: string): string[] {
  return outputs.flatMap((each) => {
    const width = rowWidth(each);
    const isOne = each.name !== scores && (width === null || width === 1);
    const isNamed = classNumber.test(each.name) || !besideLabels.test(each.name);
    return isOne && isNamed && !besideScores.test(each.name) ? [each.name] : [];
  });
}

/** Can this be scores of the task, as far as the shape says it? */
function fitsTask(output: DeclaredOutput, task: Task, columns: Columns): boolean {
  const width = rowWidth(output);
  if (width === null) return true;
  switch (task) {
    case 'regression':
    case 'ranking':
      return width === 1;
    case 'binary-classification':
      return width <= 2;
    case 'multiclass-classification':
      return columns.classes === undefined ? width > 1 : width === columns.classes.length;
    case 'multilabel-classification':
      return width === labelColumns(columns).length || (output.shape.length === 3 && output.shape[2] === 2);
  }
}

/** Values of a row, null where the shape leaves it open. */
function rowWidth({ shape }: DeclaredOutput): number | null {
  return shape.length < 2 ? null : rowSize(shape);
}

function noOutput(outputs: readonly DeclaredOutput[]): MismatchError {
  return new MismatchError({
    found: `The model has no output of scores or labels: ${listOutputs(outputs)}`,
    expected: 'a tensor of numbers',
  });
}

function listOutputs(outputs: readonly DeclaredOutput[]): string {
  return outputs
    .map(
      ({ name, type, shape }) =>
        `${name} (${type} [${shape.map((size) => (typeof size === 'number' && size < 0 ? '?' : (size ?? '?'))).join(', ')}])`,
    )
    .join(', ');
}
