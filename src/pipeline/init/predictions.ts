import { quoteIdentifier, rowsFrom, type Dataset, type DatasetColumn } from '../../data/dataset.ts';
import { isBinary, isNumeric } from '../../data/types.ts';
import { roleWords } from './find-files.ts';
import type { InitTask } from './tasks.ts';

/** A reference to a file of predictions, as contender.yml has it. */
export interface PredictionsGuess {
  predictions: string;
  id?: string;
  score?: string | string[];
}

/** Names of one score, the surest first. */
const scoreNames =
  /^(?:score|scores|probability|probabilities|prob|proba|y_score|y_pred|y_hat|yhat|pred|predicted|prediction|predictions|p|value|output)$/iu;

/**
 * Which columns of a file of predictions are the scores of a model: by their usual names, else by the model's part (`candidate`, or
 * `candidate_p0`, `candidate_p1`, ... of classes), else the only numbers there are. What cannot be told is left out: the columns named
 * `score` count then.
 */
export async function predictionsOf(
  file: Dataset,
  role: 'candidate' | 'champion',
  known: { uri: string; id: string; label: string; task: InitTask; classes: number },
): Promise<PredictionsGuess> {
  const { uri, id, label, task, classes } = known;
  const names = file.columns.map(({ name }) => name);
  const own = names.includes(id) ? {} : idOf(names);
  const numbers = file.columns.filter(
    ({ name, type }) => isNumeric(type) && name !== id && name !== own.id && name !== label,
  );
  const score = task === 'multiclass-classification' ? many(numbers, role, classes) : await one(file, numbers, role);
  const usual = score === 'score' || (Array.isArray(score) && score.every((name) => name.startsWith('score_')));
  return { predictions: uri, ...own, ...(score === undefined || usual ? {} : { score }) };
}

/** Whether both models have columns in the one file. */
export function holdsBoth({ columns }: Dataset): boolean {
  return (['candidate', 'champion'] as const).every((role) =>
    columns.some(({ name, type }) => isNumeric(type) && roleWords[role].test(name)),
  );
}

function idOf(names: readonly string[]): { id?: string } {
  const id = names.find((name) => /^(?:id|.*_id|uuid|key|row)$/iu.test(name));
  return id === undefined ? {} : { id };
}

async function one(file: Dataset, numbers: readonly DatasetColumn[], role: string): Promise<string | undefined> {
  const names = numbers.map(({ name }) => name);
  if (names.includes('score')) return 'score';
  if (names.includes(role)) return role;
  for (const name of names.filter((each) => scoreNames.test(each))) {
    const column = numbers.find((each) => each.name === name);
    if (name !== 'prediction' || isBinary(column?.type ?? '') || !(await isDecision(file, name))) return name;
  }
  return names.length === 1 && names[0] !== 'prediction' ? names[0] : undefined;
}

/** Whether there is nothing but 0 and 1: a decision, which is read as one by its usual name. */
async function isDecision(dataset: Dataset, name: string): Promise<boolean> {
  const asked = `select bool_and(${quoteIdentifier(name)} in (0, 1)) from ${dataset.relation}`;
  const [[binary] = []] = await rowsFrom(dataset, asked);
  return binary === true;
}

function many(numbers: readonly DatasetColumn[], role: string, classes: number): string[] | undefined {
  const names = numbers.map(({ name }) => name);
  const groups = [/^score_/u, new RegExp(`^${role}_`, 'u'), /^(?:p|prob|proba|probability)_?/u, /^/u];
  return groups.map((group) => names.filter((name) => group.test(name))).find(({ length }) => length === classes);
}
