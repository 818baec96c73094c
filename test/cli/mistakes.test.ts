import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { exitCodeOf, exitCodes } from '../../src/cli/exit-codes.ts';
import { mendable } from '../../src/errors.ts';
import { silentLog, type Log } from '../../src/log.ts';
import { runGate } from '../../src/pipeline/gate/promote.ts';
import { openWorkspace } from '../../src/pipeline/workspace.ts';
import { build, labelled, pipeline, treeRegressor } from '../model/exporter-shapes.ts';
import { floats, intAttribute, intsAttribute, node, tensor } from '../model/onnx-builder.ts';
import { commandLine } from '../support/gate-repository.ts';
import { copyPrepared } from '../support/prepared.ts';
import { inTemporaryFolder } from '../support/project.ts';

/*
 * What a person must mend ends with exit code 2 and one message, and is no verdict on the candidate: nothing is recorded. Each case
 * spoils one thing of a sound repository, and the gate runs in this process as the command line runs it.
 */

type Json = Record<string, unknown>;
interface Sound extends Json {
  task: string;
  candidate: unknown;
  champion: unknown;
  columns: Json;
  data: Json;
  policy: Json & { primary: Json };
}

interface Case {
  /** Completes "a person is told of ...". */
  name: string;
  /** Change the configuration, or files of the folder. */
  spoil(model: Sound, folder: string): unknown;
  says: RegExp;
  /** Exit code; default: 2. */
  code?: number;
}

const accuracy = { metric: 'accuracy', margin: 0.05, require: 'non-inferior' };
const sliced = (slices: unknown[], required: string[]): Json => ({
  primary: accuracy,
  guardrails: [{ metric: 'accuracy', margin: 0.3, slices, required }],
});

/** Each is told before a model is run. */
const mistakesInTheConfiguration: Case[] = [
  {
    name: 'a feature that is no column',
    spoil: ({ columns }) => Object.assign(columns, { features: ['a', 'b', 'sea'] }),
    says: /eval\.csv: there is no column "sea"/u,
  },
  {
    name: 'a group that is no column',
    spoil: (model) => {
      Object.assign(model, { task: 'ranking', policy: { primary: { metric: 'ndcg', margin: 0.05 } } });
      model.columns['group'] = 'query';
    },
    says: /no column "query"/u,
  },
  {
    name: 'a ranking without a group',
    spoil: (model) => Object.assign(model, { task: 'ranking', policy: { primary: { metric: 'ndcg', margin: 0.05 } } }),
    says: /columns.*group/u,
  },
  {
    name: 'a weight that is no column',
    spoil: ({ columns }) => Object.assign(columns, { weight: 'weight' }),
    says: /no column "weight"/u,
  },
  {
    name: 'a slice of no column',
    spoil: (model) => (model.policy = { ...sliced(['sauce'], []), primary: accuracy }),
    says: /no column "sauce".*Did you mean "source"/u,
  },
  {
    name: 'a fairness column that is none',
    spoil: ({ policy }) =>
      (policy['fairness'] = { columns: ['sex'], gates: [{ metric: 'selection_rate', max_difference: 0.1 }] }),
    says: /no column "sex"|fairness/u,
  },
  {
    name: 'SQL that is no expression',
    spoil: ({ policy }) => (policy['metrics'] = [{ name: 'cost_of', sql: 'avg(prediction', higher_is_better: false }]),
    says: /policy\.metrics\[0\]\.sql: this cannot be parsed/u,
  },
  {
    name: 'a slice in SQL over a column that is not there',
    spoil: (model) => (model.policy = { ...sliced([{ name: 'old', sql: 'age > 60' }], []), primary: accuracy }),
    says: /slices\[0\]\.sql: there is no column "age"/u,
  },
  {
    name: 'a rule that keys of no column are unique',
    spoil: ({ data }) => (data['rules'] = [{ unique: ['idd'] }]),
    says: /no column "idd".*Did you mean "id"/u,
  },
  {
    name: 'a rule on missing values of no column',
    spoil: ({ data }) => (data['rules'] = [{ null_fraction: { column: 'd', max: 0 } }]),
    says: /no column "d"/u,
  },
  {
    name: 'a champion that is not there',
    spoil: (model) => (model.champion = 'models/champignon.onnx'),
    says: /champignon\.onnx: there is no such file/u,
  },
  {
    name: 'a candidate that is not there',
    spoil: (model) => (model.candidate = 'models/nowhere.onnx'),
    says: /nowhere\.onnx: there is no such file/u,
  },
  {
    name: 'a candidate that is a text',
    spoil: (_model, folder) => writeFile(join(folder, 'models/candidate.onnx'), 'not a model, but a note about one\n'),
    says: /candidate\.onnx: /u,
  },
  {
    name: 'a candidate that is a folder',
    spoil: (model) => (model.candidate = 'models'),
    says: /models: this is a folder/u,
  },
  {
    name: 'a candidate at a path through a file',
    spoil: (model) => (model.candidate = 'eval.csv/candidate.onnx'),
    says: /eval\.csv\/candidate\.onnx: .*(ENOTDIR|no such file)/u,
  },
  {
    name: 'a candidate that is a link to itself',
    spoil: async (model, folder) => {
      await symlink('loop.onnx', join(folder, 'models/loop.onnx'));
      model.candidate = 'models/loop.onnx';
    },
    says: /loop\.onnx: .*ELOOP/u,
  },
  {
    name: 'a contract that is a folder',
    spoil: ({ data }) => (data['contract'] = 'models'),
    says: /models: this is a folder/u,
  },
  {
    name: 'a contract that is a pipe',
    spoil: async ({ data }, folder) => {
      await promisify(execFile)('mkfifo', [join(folder, 'contract.json')]);
      data['contract'] = 'contract.json';
    },
    says: /contract\.json: this is not a file/u,
  },
  {
    name: 'a contract that refers to itself without end',
    spoil: async ({ data }, folder) => {
      await writeFile(join(folder, 'contract.json'), '{"$ref":"#"}');
      data['contract'] = 'contract.json';
    },
    says: /contract\.json: the contract contains an endless reference to itself/u,
  },
  {
    name: 'data without rows',
    spoil: (_model, folder) => rewrite(folder, (lines) => lines.slice(0, 1)),
    says: /no rows|no data/u,
  },
  {
    name: 'an id that stands twice',
    spoil: (_model, folder) => rewrite(folder, (lines) => [...lines, lines[1] as string]),
    says: /"?r0"?/u,
  },
];

const mistakesThatTheModelShows: Case[] = [
  {
    name: 'a threshold out of range',
    spoil: (model) => (model.candidate = { uri: 'models/candidate.onnx', threshold: 1.5 }),
    says: /threshold is 1\.5.*from 0 to 1/u,
  },
  {
    name: 'a file of predictions without a score',
    spoil: async (model, folder) => {
      await writeFile(join(folder, 'predictions.csv'), 'id,guess\nr0,1\n');
      model.candidate = { predictions: 'predictions.csv' };
    },
    says: /predictions\.csv: .*"score"/u,
  },
  {
    name: 'a feature that was renamed in the data',
    spoil: (_model, folder) =>
      rewrite(folder, ([head, ...lines]) => [(head as string).replace(',b,', ',bb,'), ...lines]),
    says: /eval\.csv: there is no column "b"/u,
  },
  {
    name: 'a feature that is missing, where none are listed',
    spoil: ({ columns }) => {
      delete columns['features'];
      columns['cluster'] = 'c';
    },
    says: /candidate\.onnx: The model expects 3 features.*but there are/u,
  },
  {
    name: 'the task multiclass for two classes',
    spoil: (model) => {
      delete model.columns['positive'];
      Object.assign(model, {
        task: 'multiclass-classification',
        policy: { primary: { metric: 'log_loss', margin: 0.05 }, allow_first: true },
      });
    },
    says: /task: there are two classes.*Set task: binary-classification/u,
  },
  {
    name: 'the task regression for a classifier',
    spoil: (model) =>
      Object.assign(model, { task: 'regression', policy: { primary: { metric: 'rmse', margin: 0.1 } } }),
    says: /Output probabilities has 2 values per row.*one predicted value/u,
  },
  {
    name: 'the task ranking for a classifier',
    spoil: (model) => {
      Object.assign(model, { task: 'ranking', policy: { primary: { metric: 'ndcg', margin: 0.1 } } });
      model.columns['group'] = 'source';
    },
    says: /Output probabilities has 2 values per row.*one predicted value/u,
  },
  {
    name: 'the task multilabel for a classifier',
    spoil: (model) => {
      Object.assign(model, {
        task: 'multilabel-classification',
        policy: { primary: { metric: 'f1_macro', margin: 0.1 } },
      });
      model.columns['label'] = ['label', 'other', 'third'];
    },
    says: /Output probabilities has 2 values per row.*3, one for each of columns\.label/u,
  },
  {
    name: 'the task binary for three classes',
    spoil: (_model, folder) => writeFile(join(folder, 'models/candidate.onnx'), pipeline([0, 1, 2])),
    says: /has 3 values per row.*Set task: multiclass-classification/u,
  },
  {
    name: 'the task binary for a regression',
    spoil: (_model, folder) => writeFile(join(folder, 'models/candidate.onnx'), treeRegressor(7)),
    says: /candidate\.onnx: Output variable is not a probability/u,
  },
  {
    name: 'a positive class that is none',
    spoil: ({ columns }) => Object.assign(columns, { positive: 'spam' }),
    says: /spam/u,
  },
  {
    name: 'classes that are others than those of the data',
    spoil: ({ columns }) => Object.assign(columns, { classes: ['ham', 'spam'], positive: 'spam' }),
    says: /ham|spam/u,
  },
  {
    name: 'more classes than the model has scores',
    spoil: ({ columns }) => Object.assign(columns, { classes: [0, 1, 2] }),
    says: /2 scores per row.*3 classes/u,
  },
  {
    name: 'a metric of scores for a candidate of labels',
    spoil: (model, folder) => {
      model.policy.primary = { metric: 'roc_auc', margin: 0.05 };
      return writeFile(join(folder, 'models/candidate.onnx'), labelsOnly());
    },
    says: /policy\.primary\.metric: ROC AUC cannot be computed: the candidate has labels without scores/u,
  },
  {
    name: 'a required slice that no row is in',
    spoil: (model) => (model.policy = { ...sliced(['source'], ['source=nowhere']), primary: accuracy }),
    says: /guardrails\[0\]\.required: no row .* "source=nowhere".*one of source=(shop|web)/u,
  },
  {
    name: 'a required slice in SQL that no row is in',
    spoil: (model) => (model.policy = { ...sliced([{ name: 'far', sql: 'a > 1000' }], ['far']), primary: accuracy }),
    says: /guardrails\[0\]\.required: no row .* "far"/u,
  },
  {
    name: 'rows of one class under ROC AUC',
    spoil: (model, folder) => {
      model.policy.primary = { metric: 'roc_auc', margin: 0.05 };
      return rewrite(folder, (lines) => lines.map((line) => line.replace(/^(r\d+),0,/u, '$1,1,')));
    },
    says: /eval\.csv: ROC AUC.*all rows are of one class/u,
  },
  {
    name: 'a negative weight',
    spoil: (model, folder) => {
      model.columns['weight'] = 'w';
      return rewrite(folder, (lines) => lines.map((line, row) => (row === 3 ? line.replace(/,1$/u, ',-1') : line)));
    },
    says: /row 3 has the weight -1 in column "w"/u,
  },
];

const faultsOfTheCandidate: Case[] = [
  {
    name: 'a candidate that answers NaN',
    spoil: (_model, folder) => writeFile(join(folder, 'models/candidate.onnx'), notANumber()),
    says: /predictions (is|are) NaN/u,
    code: exitCodes.fail,
  },
  {
    name: 'a candidate that answers once for all rows',
    spoil: (_model, folder) => writeFile(join(folder, 'models/candidate.onnx'), oneAnswer()),
    says: /has dimensions \[1, 3\] for \d+ rows/u,
    code: exitCodes.fail,
  },
  {
    name: 'a champion that takes other features',
    spoil: (_model, folder) => writeFile(join(folder, 'models/champion.onnx'), ofFourFeatures()),
    says: /There is a champion, but it cannot be evaluated.*expects 4 features/u,
    code: exitCodes.hold,
  },
  {
    name: 'a champion of labels under a metric of scores',
    spoil: (model, folder) => {
      model.policy.primary = { metric: 'roc_auc', margin: 0.05 };
      return writeFile(join(folder, 'models/champion.onnx'), labelsOnly());
    },
    says: /the champion has labels without scores/u,
    code: exitCodes.hold,
  },
];

describe('a person is told of', () => {
  for (const each of mistakesInTheConfiguration) {
    test(each.name, async () => {
      const { predicted } = await tried(each);
      assert.equal(predicted, false, 'told before a model is run');
    });
  }
  for (const each of mistakesThatTheModelShows) test(each.name, async () => void (await tried(each)));
});

describe('a verdict, and no mistake of a person, is', () => {
  for (const each of faultsOfTheCandidate) test(each.name, async () => void (await tried(each)));
  test('what a sound repository gets', async () => {
    await tried({ name: 'nothing', spoil: () => {}, says: /evaluation\/accuracy/u, code: exitCodes.pass });
  });
});

/** Root may read everything: it tries as a user of no rights. */
const nobody = 65534;
const isRoot = process.getuid?.() === 0;
const [program = '', ...first] = isRoot
  ? ['setpriv', '--reuid', String(nobody), '--clear-groups', process.execPath]
  : [process.execPath];

describe('a file that this user may not read ends the command line with exit code 2:', () => {
  for (const file of ['models/candidate.onnx', 'contender.yml', 'eval.csv', 'contract.json']) {
    test(file, () =>
      inTemporaryFolder(async (folder) => {
        await copyPrepared('mistakes', folder, prepare);
        const model = sound();
        await writeFile(join(folder, 'contract.json'), '{}');
        model.data['contract'] = 'contract.json';
        await configure(folder, model);
        if (isRoot) await promisify(execFile)('chown', ['-R', String(nobody), folder]);
        await chmod(join(folder, file), 0);
        const args = [...first, commandLine, 'gate', '--no-record'];
        const env = { PATH: process.env['PATH'] ?? '', HOME: folder };
        const ended = await promisify(execFile)(program, args, { cwd: folder, env }).then(
          () => ({ code: 0, stderr: '' }),
          (error: { code: number; stderr: string }) => error,
        );
        assert.equal(ended.code, exitCodes.usage, ended.stderr);
        assert.match(ended.stderr, /^contender: .*EACCES/mu);
        assert.ok(ended.stderr.includes(file), ended.stderr);
        assert.doesNotMatch(ended.stderr, /^ {4}at |a bug/mu);
      }),
    );
  }
});

function tried({ spoil, says, code = exitCodes.usage }: Case): Promise<Told> {
  return inTemporaryFolder(async (folder) => {
    await copyPrepared('mistakes', folder, prepare);
    const git = async (...args: string[]): Promise<string> =>
      (await promisify(execFile)('git', ['-C', folder, ...args])).stdout;
    const model = sound();
    await spoil(model, folder);
    await configure(folder, model);
    await git('add', '--all');
    await git('commit', '--quiet', '--message', 'Try this', '--allow-empty');
    const refs = await git('for-each-ref');
    const told = await gateIn(folder);
    assert.match(told.text, says);
    assert.equal(told.code, code, told.text);
    if (code === exitCodes.usage) assert.equal(await git('for-each-ref'), refs, 'nothing is recorded');
    return told;
  });
}

interface Told {
  code: number;
  text: string;
  /** Whether the models were run. */
  predicted: boolean;
}

/** What the command line would end with and say. */
async function gateIn(folder: string): Promise<Told> {
  const groups: string[] = [];
  const log: Log = {
    ...silentLog,
    group: (title, work) => {
      groups.push(title);
      return work();
    },
  };
  const told = (code: number, text: string): Told => ({ code, text, predicted: groups.includes('Predict') });
  try {
    const workspace = await openWorkspace({
      root: folder,
      config: 'contender.yml',
      out: 'out',
      log,
      signal: AbortSignal.timeout(240_000),
    });
    const result = await runGate(workspace, { record: true, actor: 'ada', source: {} });
    const checks = result.evidence.flatMap((evidence) => evidence.checks);
    return told(exitCodeOf(result), checks.map(({ id, message }) => `${id}: ${message}`).join('\n'));
  } catch (error) {
    const fault = mendable(error);
    if (fault === null) throw error;
    return told(exitCodes.usage, fault.message.replaceAll('\n', ' '));
  }
}

function sound(): Sound {
  return {
    task: 'binary-classification',
    candidate: 'models/candidate.onnx',
    champion: 'models/champion.onnx',
    columns: { id: 'id', label: 'label', positive: 1, features: ['a', 'b', 'c'] },
    data: { evaluation: 'eval.csv' },
    policy: { primary: accuracy },
  };
}

async function configure(folder: string, model: Sound): Promise<void> {
  const config = { version: 1, models: { mail: model }, registry: { path: 'registry' } };
  // JSON is YAML.
  await writeFile(join(folder, 'contender.yml'), JSON.stringify(config, null, 2));
}

async function prepare(folder: string): Promise<void> {
  await mkdir(join(folder, 'models'), { recursive: true });
  const rows = Array.from({ length: 200 }, (_, row) => {
    const positive = row % 3 === 0 ? 1 : 0;
    const sure = row % 10 === 9 ? -1 : 1;
    const [a, b] = [sure * (positive === 1 ? -1 : 1), sure * (positive === 1 ? 1 : -1)];
    return [`r${row}`, positive, a, b, row % 7, ['shop', 'web'][row % 2], row % 2, (row >> 1) % 2, 1].join(',');
  });
  await writeFile(join(folder, 'eval.csv'), `id,label,a,b,c,source,other,third,w\n${rows.join('\n')}\n`);
  await writeFile(join(folder, 'models/champion.onnx'), classifier(1));
  await writeFile(join(folder, 'models/candidate.onnx'), classifier(2));
  const git = (...args: string[]): Promise<unknown> => promisify(execFile)('git', ['-C', folder, ...args]);
  await git('init', '--quiet', '--template=', '--initial-branch=main');
  await git('config', 'user.name', 'Ada');
  await git('config', 'user.email', 'ada@example.invalid');
  await rm(join(folder, 'out'), { recursive: true, force: true });
}

async function rewrite(folder: string, change: (lines: string[]) => string[]): Promise<void> {
  const path = join(folder, 'eval.csv');
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  await writeFile(path, `${change(lines).join('\n')}\n`);
}

const weights = (scale: number): Uint8Array => tensor('w', 'float', [3, 2], floats(scale, 0, 0, scale, 0, 0));
const scored = (scale: number): { nodes: Uint8Array[]; initializers: Uint8Array[] } => ({
  nodes: [node('MatMul', ['x', 'w'], ['z']), node('Softmax', ['z'], ['probabilities'], [intAttribute('axis', 1)])],
  initializers: [weights(scale)],
});

/** The class is 1 where b is greater than a. */
function classifier(scale: number): Uint8Array {
  return build(
    [scored(scale), labelled([0, 1])],
    [
      ['label', 'int64', ['N']],
      ['probabilities', 'float', ['N', 2]],
    ],
  );
}

function labelsOnly(): Uint8Array {
  return build([scored(1), labelled([0, 1])], [['label', 'int64', ['N']]]);
}

function notANumber(): Uint8Array {
  const nothing = { nodes: [node('Sub', ['x', 'x'], ['n']), node('Div', ['n', 'n'], ['probabilities'])] };
  return build([nothing], [['probabilities', 'float', ['N', 3]]]);
}

function oneAnswer(): Uint8Array {
  const attributes = [intsAttribute('axes', [0]), intAttribute('keepdims', 1)];
  return build(
    [{ nodes: [node('ReduceMean', ['x'], ['probabilities'], attributes)] }],
    [['probabilities', 'float', ['M', 3]]],
  );
}

function ofFourFeatures(): Uint8Array {
  const nodes = [node('MatMul', ['x', 'w'], ['z']), node('Sigmoid', ['z'], ['probabilities'])];
  const initializers = [tensor('w', 'float', [4, 1], floats(1, 0, 0, 0))];
  return build([{ nodes, initializers }], [['probabilities', 'float', ['N', 1]]], ['float', ['N', 4]]);
}
