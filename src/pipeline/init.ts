import { stat, writeFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { stringify } from 'yaml';
import type { Task } from '../config/index.ts';
import { openDataset, quoteIdentifier, type Dataset } from '../data/dataset.ts';
import { ModelError, UsageError } from '../errors.ts';
import { oneLine } from '../report/escape.ts';
import { silentLog } from '../log.ts';
import { infer, type Inferred } from '../stages/data/infer.ts';
import { contractText, rulesText } from './inferring.ts';
import { writing } from './writing.ts';

export interface InitInput {
  /** Folder that contender.yml goes into; paths in it start there. */
  folder: string;
  data?: string | undefined;
  candidate?: string | undefined;
  predictions?: string | undefined;
}

/** What was written, and what was assumed on the way. */
export interface Initialised {
  path: string;
  assumed: string[];
}

/** A value of the configuration, and why it is that one. */
interface Guess<T> {
  value: T;
  because: string;
}

/** The metric to start with, by task: what may be lost of it is for the team to say. */
const metrics = {
  'binary-classification': 'roc_auc',
  'multiclass-classification': 'f1_macro',
  regression: 'r2',
} as const satisfies Partial<Record<Task, string>>;

/**
 * Write a contender.yml to start from, by what the data and the model show. Nothing is asked, and nothing overwritten.
 * @throws UsageError where there is one; DataError, ModelError for a file that cannot be read
 */
export async function initialise({ folder, data, candidate, predictions }: InitInput): Promise<Initialised> {
  const path = resolve(folder, 'contender.yml');
  if ((await stat(path).catch(() => null)) !== null) {
    throw new UsageError({
      found: 'this file already exists',
      expected: 'a folder without one: nothing is overwritten',
      where: path,
      remedy: 'Edit it, or move it away first',
    });
  }
  const here = (file: string): string => relative(folder, resolve(file)).replaceAll('\\', '/');
  if (candidate !== undefined) await requireModel(candidate);
  const seen = data === undefined ? notSeen : await look(data);
  const contract = resolve(folder, contractName);
  const taken = (await stat(contract).catch(() => null)) !== null;
  const inferred = data === undefined ? null : await inferFrom(data, seen);
  const text = render({
    evaluation: data === undefined ? 'data/evaluation.parquet' : here(data),
    candidate:
      predictions === undefined
        ? JSON.stringify(candidate === undefined ? 'models/candidate.onnx' : here(candidate))
        : `{ predictions: ${JSON.stringify(here(predictions))} }`,
    seen,
    asked: inferred === null ? '' : `      contract: ${contractName}\n      rules:\n${rulesText(inferred, '        ')}`,
  });
  if (inferred !== null && !taken) {
    await writing(contract, () => writeFile(contract, contractText(inferred), { flag: 'wx' }));
  }
  await writing(path, () => writeFile(path, text, { flag: 'wx' }));
  const { id, label, task } = seen;
  const placeholders = [
    ...(data === undefined ? ['data.evaluation is a placeholder: name your file'] : []),
    ...(candidate === undefined && predictions === undefined ? ['candidate is a placeholder: name your file'] : []),
  ];
  return {
    path,
    assumed: [
      `task: ${task.value} (${task.because})`,
      `id: ${id.value} (${id.because})`,
      `label: ${label.value} (${label.because})`,
      'margin: 0.01, only a starting value: set the loss that you tolerate',
      ...(inferred === null
        ? []
        : [
            taken
              ? `contract: ${contractName}, which was there already`
              : `contract: ${contractName}, and rules, inferred from ${here(data ?? '')}, which satisfies them`,
          ]),
      ...placeholders,
    ],
  };
}

interface Seen {
  id: Guess<string>;
  label: Guess<string>;
  task: Guess<keyof typeof metrics>;
  /** Label of the positive class, where it is not 1. */
  positive: string | number | boolean | undefined;
}

const noData = 'a placeholder, since no data was named';
const notSeen: Seen = {
  id: { value: 'id', because: noData },
  label: { value: 'label', because: noData },
  task: { value: 'binary-classification', because: noData },
  positive: undefined,
};

async function requireModel(file: string): Promise<void> {
  const { inspectModel } = await import('../model/inspect.ts');
  const { problems } = await inspectModel(resolve(file), file);
  if (problems.length > 0) throw new ModelError({ found: problems.join('; '), where: file });
}

async function look(file: string): Promise<Seen> {
  const dataset = await openDataset({ name: 'evaluation', uri: file, path: resolve(file) });
  try {
    const id = column(dataset, /^(?:id|.*_id|uuid|key)$/iu, 'id');
    const label = column(dataset, /^(?:label|labels|target|class|y|outcome|answer)$/iu, 'label');
    const known = dataset.columns.find(({ name }) => name === label.value);
    if (known === undefined)
      return { ...notSeen, id, label, task: { ...notSeen.task, because: 'the label is not known' } };
    const values = await distinct(dataset, label.value);
    const numeric = /INT|FLOAT|DOUBLE|DECIMAL/u.test(known.type);
    const few =
      values.length <= (numeric ? 20 : 1000) &&
      values.every((each) => typeof each !== 'number' || Number.isInteger(each));
    const task = values.length === 2 ? 'binary-classification' : few ? 'multiclass-classification' : 'regression';
    const because = task === 'regression' ? 'the label holds numbers' : `the label has ${values.length} values`;
    const positive = task === 'binary-classification' && !values.includes(1) ? values.at(-1) : undefined;
    return { id, label, task: { value: task, because }, positive };
  } finally {
    dataset.close();
  }
}

/** Where the contract goes that is inferred. */
const contractName = 'contract.schema.json';

async function inferFrom(file: string, { id, label }: Seen): Promise<Inferred | null> {
  const dataset = await openDataset({ name: 'evaluation', uri: file, path: resolve(file) });
  try {
    return dataset.rows === 0 ? null : await infer(dataset, { id: id.value, labels: [label.value], log: silentLog });
  } finally {
    dataset.close();
  }
}

/** The first column whose name says what it is. */
function column({ columns, uri }: Dataset, names: RegExp, otherwise: string): Guess<string> {
  const found = columns.find(({ name }) => names.test(name));
  if (found !== undefined)
    return { value: found.name, because: `by its name, of the ${columns.length} columns of ${uri}` };
  const there = columns.slice(0, 10).map(({ name }) => name);
  return { value: otherwise, because: `a placeholder: no column looks like it. There are ${there.join(', ')}` };
}

/** The values of a label, sorted, as far as it takes to tell classes from numbers. */
async function distinct({ connection, relation }: Dataset, name: string): Promise<(string | number | boolean)[]> {
  const quoted = quoteIdentifier(name);
  const reader = await connection.runAndReadAll(
    `select distinct ${quoted} from ${relation} where ${quoted} is not null order by 1 limit 1001`,
  );
  return reader
    .getRows()
    .map(([value]) =>
      typeof value === 'bigint'
        ? Number(value)
        : typeof value === 'number' || typeof value === 'boolean'
          ? value
          : String(value),
    );
}

function render({
  evaluation,
  candidate,
  seen,
  asked,
}: {
  evaluation: string;
  candidate: string;
  seen: Seen;
  asked: string;
}): string {
  const { id, label, task, positive } = seen;
  const scalar = (value: string | number | boolean): string => stringify(value).trimEnd();
  return `# Written by contender init: a start, not a decision. Check every line marked "assumed".
version: 1
models:
  my-model: # how the registry and tags call it; cannot be changed later
    task: ${task.value} # assumed: ${oneLine(task.because)}
    candidate: ${candidate}
    columns:
      id: ${scalar(id.value)} # assumed: ${oneLine(id.because)}
      label: ${scalar(label.value)} # assumed: ${oneLine(label.because)}
${positive === undefined ? '' : `      positive: ${scalar(positive)} # assumed: the last of the two values\n`}    data:
      evaluation: ${scalar(evaluation)}
${asked}    policy:
      # How much worse than the champion a candidate may be shown to be at most. 0.01 is assumed: this is for you to say.
      primary: { metric: ${metrics[task.value]}, margin: 0.01 }
      # Small losses add up over many promotions: the most that may be lost in all against the best version so far. 0.02 is assumed.
      anchor: { version: best, margin: 0.02 }
`;
}
