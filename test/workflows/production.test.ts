import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import {
  linearModel,
  logisticModel,
  normals,
  probabilityOf,
  sigmoid,
  trainLogistic,
  type Weights,
} from '../../scripts/simulated-model.ts';
import { simulateUsers } from '../../scripts/simulated-users.ts';
import type { Decision } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { startSplitServer } from '../../src/serve/split-server.ts';
import { randomFrom, type Random } from '../../src/statistics/random.ts';
import { nodes } from '../actions/runner.ts';
import { contender } from '../support/gate-repository.ts';
import type { Issue } from '../support/github-api/state.ts';
import { projectRoot } from '../support/project.ts';
import type { RunResult } from '../support/runner/run.ts';
import { startActions, type ActionsService } from '../support/runner/service.ts';
import { downloadContender, repositoryName, workflowHub, type WorkflowHub } from '../support/workflow-hub.ts';

/*
 * Models in production whose truth is known, from one champion to the next, by the workflows that people copy: real git, the stand-in of
 * GitHub's API, and a machine whose clock goes with the story.
 */
const day = 86_400_000;
const today = Math.floor(Date.now() / day) * day;
let folder = '';
let tree = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'contender-production-'));
  tree = await downloadContender(folder);
});
after(() => rm(folder, { recursive: true, force: true }));

interface Story {
  at: WorkflowHub;
  actions: ActionsService;
  /** What is done from now on is done so many days from today. */
  travel(days: number): Promise<void>;
  /** Put files on main, as a nightly job with the workflows' own token does: that starts nothing. Gives what main was at before. */
  commit(files: Record<string, string | Uint8Array>): Promise<string | null>;
  register(path: string): Promise<void>;
  /** Start a workflow, and wait for its end. */
  run(workflow: string, inputs?: Record<string, string>): Promise<RunResult>;
  /** The training that was asked for last. */
  asked(): { workflow: string; inputs: Record<string, string> } | undefined;
  decision(): Promise<Decision>;
  champion(): Promise<string | undefined>;
  issue(title: RegExp): Issue | undefined;
  /** Files that were published on Pages last. */
  pages: string[];
}

/** A repository with these files, and workflows of ours in which the model is named. */
function given(model: string, workflows: readonly string[], files: () => Record<string, string | Uint8Array>): Story {
  const story = {} as Story;
  before(async () => {
    const home = join(folder, model);
    const at = await workflowHub(join(home, 'hub'), tree, workflows);
    const { clone, repository, push } = at;
    await mkdir(join(home, 'clock'));
    const clock = join(home, 'clock/clock.mjs');
    const setClock = (days: number): Promise<void> =>
      writeFile(
        clock,
        `const Real = Date; const shift = ${days * day};
globalThis.Date = class Date extends Real {
  constructor(...parts) { if (parts.length === 0) super(Real.now() + shift); else super(...parts); }
  static now() { return Real.now() + shift; }
};\n`,
      );
    await setClock(0);
    const node = join(home, 'clock/node');
    await writeFile(node, `#!/bin/sh\nexec '${nodes['Node 24']}' --import 'file://${clock}' "$@"\n`, { mode: 0o755 });
    const actions = startActions({
      hub: at.hub,
      repository: repositoryName,
      folder: join(home, 'runs'),
      actions: { 'contender/contender': tree },
      vars: { MONITORING_PAGES: 'true' },
      standIns: {
        'actions/upload-pages-artifact': {
          inputs: { path: '_site/' },
          async main(step) {
            story.pages = await readdir(join(step.job.folders.workspace, step.input('path')), { recursive: true });
          },
        },
        'actions/deploy-pages': {
          inputs: {},
          main: (step) => Promise.resolve(step.output('page_url', 'https://ada.github.io/spam/')),
        },
      },
      settings: { node },
    });
    const show = async <T>(path: string): Promise<T> =>
      JSON.parse(await repository.git.git('show', `model-registry:registry/models/${model}/${path}`)) as T;
    const manifest = (): Promise<{ head: { seq: number }; aliases: Record<string, { version: string }> }> =>
      show('manifest.json');
    Object.assign(story, {
      at,
      actions,
      travel: setClock,
      async commit(changed) {
        await clone.git('pull', '--quiet', '--ff-only', 'origin', 'main');
        for (const [path, content] of Object.entries(changed)) {
          await mkdir(dirname(join(clone.folder, path)), { recursive: true });
          await writeFile(join(clone.folder, path), content, { mode: path.endsWith('.sh') ? 0o755 : 0o644 });
        }
        await clone.commit('Add what came');
        return push();
      },
      async register(path) {
        const { code, stderr } = await contender(
          clone.folder,
          ['registry', 'register', '--model', model, '--artifact', path],
          {
            ...at.hub.environment(repositoryName),
            GITHUB_TOKEN: at.hub.token(),
            GITHUB_EVENT_NAME: 'schedule',
            NODE_OPTIONS: `--import=file://${clock}`,
          },
        );
        assert.equal(code, 0, stderr);
      },
      async run(workflow, inputs = {}) {
        const [started, ...others] = await actions.dispatch(workflow, inputs);
        assert.ok(started !== undefined && others.length === 0);
        return started.done;
      },
      asked() {
        const last = repository.dispatches.at(-1);
        return last === undefined ? undefined : { workflow: last.type, inputs: last.inputs as Record<string, string> };
      },
      async decision() {
        return show(`decisions/000/${String((await manifest()).head.seq).padStart(6, '0')}.json`);
      },
      async champion() {
        return (await manifest()).aliases['champion']?.version;
      },
      issue: (title) => [...repository.issues.values()].find((issue) => title.test(issue.title)),
      pages: [],
    } satisfies Story);
    // The spam case makes room.
    await rm(join(clone.folder, 'models'), { recursive: true });
    await rm(join(clone.folder, 'data'), { recursive: true });
    const named: Record<string, string | Uint8Array> = files();
    for (const name of workflows) {
      const path = `.github/workflows/${name}`;
      named[path] = (await readFile(join(projectRoot, 'workflows', name), 'utf8')).replaceAll('spam-filter', model);
    }
    await story.commit(named);
    for (const [path, text] of Object.entries(named)) {
      if (!path.startsWith('.github/') || typeof text !== 'string') continue;
      const { on } = parse(text) as { on: { workflow_dispatch?: { inputs?: Record<string, unknown> } | null } };
      repository.workflows.set(
        path.slice('.github/workflows/'.length),
        Object.keys(on.workflow_dispatch?.inputs ?? {}),
      );
    }
  });
  after(() => story.at.close());
  return story;
}

/** An output of a step of the job `monitor`. */
function outputOf(result: RunResult, step: string, name: string): string {
  return result.jobs.flatMap(({ steps }) => steps).find(({ id }) => id === step)?.outputs[name] ?? '';
}

function alarms(result: RunResult): string[] {
  const text = outputOf(result, 'monitor', 'alarms');
  assert.notEqual(text, '', result.log);
  return JSON.parse(text) as string[];
}

function freePort(): Promise<number> {
  return new Promise((found) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => found(port));
    });
  });
}

const csv = (header: string, lines: readonly (readonly (string | number)[])[]): string =>
  `${header}\n${lines.map((line) => `${line.join(',')}\n`).join('')}`;

interface Row {
  id: string;
  at: number;
  x: number[];
  label: number;
  score: number;
}

/** Rows that are served on the days from one to before another, counted from today. */
function served(
  random: Random,
  [from, until]: readonly [number, number],
  perDay: number,
  weights: Weights,
  draw: (day: number) => { x: number[]; p: number },
): Row[] {
  return Array.from({ length: (until - from) * perDay }, (_, each) => {
    const on = from + Math.floor(each / perDay);
    const { x, p } = draw(on);
    const at = today + on * day + Math.floor(((each % perDay) * day) / perDay);
    return { id: `r${at}-${each}`, at, x, label: Number(random.uniform() < p), score: probabilityOf(weights, x) };
  });
}

const logs = (names: string, rows: readonly Row[]): string =>
  csv(
    `at,id,${names},score`,
    rows.map(({ at, id, x, score }) => [new Date(at).toISOString(), id, ...x.map((each) => each.toFixed(4)), score]),
  );

const labelled = (names: string, rows: readonly Row[]): string =>
  csv(
    `id,${names},label`,
    rows.map(({ id, x, label }) => [id, ...x.map((each) => each.toFixed(4)), label]),
  );

/** Labels of what is two days old. */
const labelsAt = (rows: readonly Row[], now: number): string =>
  csv(
    'id,label',
    rows.filter(({ at }) => at < today + (now - 2) * day).map(({ id, label }) => [id, label]),
  );

const training = (...features: string[]): string =>
  `#!/bin/sh\nexec '${process.execPath}' '${join(import.meta.dirname, '../support/train.js')}' data/training.csv model.onnx label ${features.join(' ')}\n`;

describe('credit scores: trained daily data, checked for fairness, let out at 5%, and promoted', () => {
  const random = randomFrom(11);
  const names = 'income,debt,newcomer';
  const [began, changed] = [-60, -10];
  const draw = (on: number): { x: number[]; p: number } => {
    const [income = 0, debt = 0] = normals(random, 2);
    const x = [income, debt, Number(random.uniform() < 0.3)];
    // Another meaning of the same columns: no score shows it.
    return { x, p: on < changed ? sigmoid(2 * income - debt) : sigmoid(0.5 * income - 2.5 * debt) };
  };
  const past = served(random, [-100, -98], 2000, [], draw);
  const first = trainLogistic(past.slice(0, 2000));
  const rows = served(random, [began, 0], 250, first, draw);
  /** What a run of the training of the team makes: the candidate on main, by a token that starts workflows. */
  const train = `name: Train
on:
  workflow_dispatch:
    inputs: { model: {}, reason: {}, findings: {}, window_start: {}, window_end: {}, evidence: {} }
permissions: { contents: write }
jobs:
  train:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd
      - run: ./train.sh && mv model.onnx models/candidate.onnx
      - run: git add models && git -c user.name=robot -c user.email=robot@example.invalid commit --quiet --message "Train again" && git push --quiet
`;
  let server: Awaited<ReturnType<typeof startSplitServer>> | undefined;
  let port = 0;
  before(async () => {
    port = await freePort();
  });
  const configuration = (): string => `version: 1
models:
  credit:
    task: binary-classification
    candidate: models/candidate.onnx
    champion: registry
    columns: { id: id, label: label, features: [income, debt, newcomer] }
    data: { evaluation: data/evaluation.csv }
    policy:
      primary: { metric: roc_auc, margin: 0.01, require: superior }
      fairness:
        columns: [newcomer]
        favourable: negative
        gates: [{ metric: demographic_parity_ratio, min: 0.8 }]
    rollout:
      steps: [5]
      step_time: 1s
      max_step_time: 60s
      min_requests: 5
      poll: 0.5s
      no_data: 10s
      expires: 20s
      weights: { server: 'http://127.0.0.1:${port}' }
      observe: { server: true }
      guardrails: [{ name: errors, failure: error }]
    monitor:
      production: { files: logs/production.csv, time: at, score: score }
      labels: { files: logs/labels.csv, maturity: 2d }
      reference: data/evaluation.csv
    retrain: { dispatch: { workflow: train.yml } }
registry: { push: origin }
`;
  const story = given('credit', ['monitor.yml', 'promote.yml', 'rollout.yml'], () => ({
    'contender.yml': configuration(),
    '.github/workflows/train.yml': train,
    'train.sh': training(...names.split(',')),
    'models/candidate.onnx': logisticModel(first),
    'data/evaluation.csv': labelled(names, past.slice(2000)),
    'logs/production.csv': logs(names, rows),
    'logs/labels.csv': labelsAt(rows, 0),
  }));
  before(async () => {
    await story.travel(began);
    await story.register('models/candidate.onnx');
    await story.travel(0);
  });
  after(() => server?.close());

  it('finds by late labels what no score shows, opens one issue, and asks for a training once', async () => {
    const result = await story.run('monitor.yml');
    assert.deepEqual(alarms(result), ['harm/loss'], result.log);
    const issue = story.issue(/harm shown by labels/u);
    assert.equal(issue?.state, 'open');
    const asked = story.asked();
    assert.equal(asked?.workflow, 'train.yml', result.log);
    assert.match(asked?.inputs['reason'] ?? '', /Share of wrong predictions: .* labelled rows/u);
    assert.equal(story.at.repository.dispatches.length, 1);
    assert.equal(story.at.repository.issues.size, 1);
  });

  const recent = rows.filter(({ at }) => at >= today + (changed + 1) * day && at < today - 2 * day);
  const half = Math.floor(recent.length / 2);
  /** Train on these rows, and let the gate see what came of it. */
  const retrained = async (trainedOn: readonly Row[]): Promise<RunResult> => {
    const { workflow = '', inputs = {} } = story.asked() ?? {};
    await story.commit({
      'data/training.csv': labelled(names, trainedOn),
      'data/evaluation.csv': labelled(names, recent.slice(half)),
    });
    const before = await story.at.repository.git.git('rev-parse', 'main');
    const made = await story.run(workflow, inputs);
    assert.equal(made.conclusion, 'success', made.log);
    const [gate] = await story.actions.push('refs/heads/main', before);
    return (await gate?.done) as RunResult;
  };

  it('rejects a candidate that a fault in the data made unfair, though it is better on average', async () => {
    // Every newcomer of the training rows is a defaulter.
    const result = await retrained(recent.slice(0, half).map((row) => (row.x[2] === 1 ? { ...row, label: 1 } : row)));
    assert.equal(result.conclusion, 'failure', result.log);
    const { outcome, reasons } = await story.decision();
    assert.equal(outcome, 'reject');
    assert.ok(
      reasons.some(({ check = '' }) => check.includes('demographic_parity_ratio')),
      JSON.stringify(reasons),
    );
    assert.equal(await story.champion(), '1.0.0');
  });

  it('holds a fair one for its rollout, lets 5% of the people have it, and then promotes it', async () => {
    const gate = await retrained(recent.slice(0, half));
    assert.match(gate.annotations.map(({ message }) => message).join(), /requires rollout evidence/u, gate.log);
    const { clone } = story.at;
    await clone.git('pull', '--quiet', '--ff-only', 'origin', 'main');
    await writeFile(join(clone.folder, 'models/first.onnx'), logisticModel(first));
    server = await startSplitServer({
      champion: join(clone.folder, 'models/first.onnx'),
      candidate: join(clone.folder, 'models/candidate.onnx'),
      modelName: 'credit',
      port,
      host: '127.0.0.1',
      logFile: join(folder, 'requests.jsonl'),
      keyHeader: 'x-user-id',
      token: undefined,
      log: silentLog,
    });
    const { url } = server;
    const stop = new AbortController();
    const people = simulateUsers({ url, model: 'credit', perSecond: 25, signal: stop.signal });
    const result = await story.run('rollout.yml');
    stop.abort();
    await people;
    assert.equal(result.conclusion, 'success', result.log);
    assert.equal(await story.champion(), '1.0.1');
    const { weight } = (await (await fetch(`${url}/contender/weight`)).json()) as { weight: number };
    assert.equal(weight, 100);
  });

  it('is well with the new champion, and closes the issue', async () => {
    const weights = trainLogistic(recent.slice(0, half));
    const later = served(random, [1, 12], 250, weights, draw);
    const all = [...rows, ...later];
    await story.commit({ 'logs/production.csv': logs(names, all), 'logs/labels.csv': labelsAt(all, 12) });
    await story.travel(12);
    const result = await story.run('monitor.yml');
    assert.deepEqual(alarms(result), [], result.log);
    assert.equal(story.issue(/harm shown by labels/u)?.state, 'closed');
  });
});

describe('fraud: drift, then harm, a training, a gate, a new champion', () => {
  const random = randomFrom(12);
  const names = 'amount,velocity';
  const [began, drifted, learnt] = [-60, -14, -8];
  const draw = (on: number): { x: number[]; p: number } => {
    const [amount = 0, plain = 0] = normals(random, 2);
    const velocity = plain + (on < drifted ? 0 : 1.2);
    // Fraud was large amounts; then many small ones.
    return { x: [amount, velocity], p: sigmoid(-2.5 + 2.5 * (on < learnt ? amount : velocity)) };
  };
  const past = served(random, [-100, -98], 2000, [], draw);
  const first = trainLogistic(past.slice(0, 2000));
  const rows = served(random, [began, 0], 250, first, draw);
  const until = (on: number): Row[] => rows.filter(({ at }) => at < today + on * day);
  const story = given('fraud', ['monitor.yml', 'train-and-gate.yml'], () => ({
    'contender.yml': `version: 1
models:
  fraud:
    task: binary-classification
    candidate: models/candidate.onnx
    champion: registry
    columns: { id: id, label: label, features: [amount, velocity] }
    data: { evaluation: data/evaluation.csv }
    policy:
      primary: { metric: roc_auc, margin: 0.01, require: superior }
    monitor:
      production: { files: logs/production.csv, time: at, score: score }
      labels: { files: logs/labels.csv, maturity: 2d }
      reference: data/evaluation.csv
    retrain: { dispatch: { workflow: train-and-gate.yml } }
registry: { push: origin }
`,
    'train.sh': training(...names.split(',')),
    'models/candidate.onnx': logisticModel(first),
    'data/evaluation.csv': labelled(names, past.slice(2000)),
    'logs/production.csv': logs(names, until(learnt)),
    'logs/labels.csv': labelsAt(rows, learnt),
  }));
  before(async () => {
    await story.travel(began);
    await story.register('models/candidate.onnx');
  });

  it('advises where a column drifts alone, and trains nothing', async () => {
    await story.travel(learnt);
    const result = await story.run('monitor.yml');
    assert.deepEqual(alarms(result), [], result.log);
    assert.match(outputOf(result, 'monitor', 'advice'), /drift\/velocity/u);
    assert.equal(result.conclusion, 'success', result.log);
    assert.ok(story.pages.includes('fraud/index.html'), story.pages.join());
    assert.equal(story.issue(/Columns that drifted/u)?.state, 'open');
    assert.equal(story.asked(), undefined);
  });

  it('asks for a training once fraud takes the other form, and names the column that drifted in the issue', async () => {
    await story.travel(0);
    await story.commit({ 'logs/production.csv': logs(names, rows), 'logs/labels.csv': labelsAt(rows, 0) });
    const result = await story.run('monitor.yml');
    assert.deepEqual(alarms(result), ['harm/loss'], result.log);
    assert.match(story.issue(/harm shown by labels/u)?.body ?? '', /Meanwhile \*\*Drift of velocity\*\*/u);
    assert.equal(story.asked()?.workflow, 'train-and-gate.yml', result.log);
  });

  const recent = rows.filter(({ at }) => at >= today + learnt * day && at < today - 2 * day);
  const half = Math.floor(recent.length / 2);

  it('rejects what was trained on fraud of before, and promotes what knows the new form', async () => {
    const { workflow = '', inputs = {} } = story.asked() ?? {};
    const evaluation = { 'data/evaluation.csv': labelled(names, recent.slice(half)) };
    await story.commit({ ...evaluation, 'data/training.csv': labelled(names, past.slice(0, 1000)) });
    const old = await story.run(workflow, inputs);
    assert.equal(old.conclusion, 'failure', old.log);
    assert.equal(await story.champion(), '1.0.0');
    await story.commit({ 'data/training.csv': labelled(names, recent.slice(0, half)) });
    const fresh = await story.run(workflow, inputs);
    assert.equal(fresh.conclusion, 'success', fresh.log);
    assert.equal(await story.champion(), '1.0.1');
  });
});

describe('dynamic prices: what sells less is rolled back before more is lost', () => {
  const random = randomFrom(13);
  const features = 'cost,competitor_price';
  /** Days of the first sale, of the release, and of its end. */
  const [began, released] = [-75, -4];
  const truth = [1.2, 0.5, 10];
  const linear = (weights: Weights, x: readonly number[]): number =>
    weights.reduce((sum, weight, each) => sum + weight * (x[each] ?? 1), 0);
  const drawn = (): number[] => {
    const [cost = 0, competitor = 0] = normals(random, 2);
    return [40 + 5 * cost, 60 + 8 * competitor];
  };
  const best = Array.from({ length: 3000 }, (_, each) => {
    const x = drawn();
    return [`b${each}`, ...x, linear(truth, x) + (normals(random, 1)[0] as number)];
  });
  /** A day of sales. @param ill the release sends the prices of competitors in cents */
  const sales = (on: number, ill: boolean): (string | number)[][] =>
    Array.from({ length: 400 }, (_, each) => {
      const [cost = 0, competitor = 0] = drawn();
      const price = linear(truth, [cost, competitor]) * (ill ? 1.3 : 1);
      const bought = random.uniform() < (ill ? 0.2 : 0.3);
      return [
        new Date(today + on * day + (each * day) / 400).toISOString(),
        `s${on}-${each}`,
        cost.toFixed(2),
        (competitor * (ill ? 100 : 1)).toFixed(2),
        price.toFixed(2),
        (0.9 - (ill ? 0.2 : 0) + 0.05 * random.uniform()).toFixed(3),
        ((ill ? 90 : 40) * (0.5 + random.uniform())).toFixed(1),
        Number(bought),
      ];
    });
  const ofDays = (from: number, until: number, ill: boolean): (string | number)[][] =>
    Array.from({ length: until - from }, (_, each) => sales(from + each, ill)).flat();
  const table = (lines: readonly (readonly (string | number)[])[]): string =>
    csv(`at,id,${features},price,confidence,latency_ms,bought`, lines);
  const healthy = ofDays(began, released, false);
  const harmed = ofDays(released, 0, true);
  const story = given('pricing', ['monitor.yml', 'promote.yml', 'rollback.yml'], () => ({
    'contender.yml': `version: 1
models:
  pricing:
    task: regression
    candidate: models/candidate.onnx
    champion: registry
    columns: { id: id, label: best, features: [cost, competitor_price] }
    data: { evaluation: data/evaluation.csv }
    policy:
      primary: { metric: mae, margin: 0.5, require: superior }
    monitor:
      production: { files: logs/sales.csv, time: at, prediction: price }
      reference: data/evaluation.csv
      kpis:
        latency: { value: 'quantile_cont(latency_ms, 0.95)', max: 100, rank: latency, unit: ms }
        confidence: { value: avg(confidence), min: 0.8 }
        conversion: { value: sum(bought), per: count(*), max_change: 0.05 }
        order-value: { value: sum(price * bought), per: sum(bought), min: 60, max: 110, unit: EUR }
        turnover: { value: sum(price * bought), max_change: 0.05, unit: EUR }
    retrain: { dispatch: { event: retrain }, on: [harm] }
registry: { push: origin }
`,
    'models/candidate.onnx': linearModel([1, 0.6, 10]),
    'data/evaluation.csv': csv(`id,${features},best`, best),
    'logs/sales.csv': table(healthy),
  }));
  before(async () => {
    await story.travel(began);
    await story.register('models/candidate.onnx');
    await story.travel(released);
    const before = await story.commit({ 'models/candidate.onnx': linearModel(truth) });
    const [gate] = await story.actions.push('refs/heads/main', before);
    const result = (await gate?.done) as RunResult;
    assert.equal(result.conclusion, 'success', result.log);
    assert.equal(await story.champion(), '1.0.1');
  });

  it('says nothing in ten weeks in which nothing is wrong', async () => {
    const result = await story.run('monitor.yml');
    assert.deepEqual(alarms(result), [], result.log);
    assert.equal(outputOf(result, 'monitor', 'advice'), '[]', result.log);
    assert.equal(story.at.repository.issues.size, 0);
  });

  it('alarms on each number that left its bounds, and names the column that is the cause', async () => {
    await story.travel(0);
    await story.commit({ 'logs/sales.csv': table([...healthy, ...harmed]) });
    const result = await story.run('monitor.yml');
    assert.deepEqual(
      alarms(result).sort(),
      ['kpi/confidence', 'kpi/conversion', 'kpi/latency', 'kpi/order-value', 'kpi/turnover'],
      result.log,
    );
    assert.match(outputOf(result, 'retrain', 'headline'), /^No training/u);
    const issue = story.issue(/conversion: KPI/u);
    assert.match(
      issue?.body ?? '',
      /conversion\*\* of `pricing`: conversion -\d[\d.]*% against the week .*at most 5% allowed/u,
    );
    assert.match(issue?.body ?? '', /Meanwhile \*\*Drift of competitor\\?_price\*\* \(corrected PSI/u);
    assert.doesNotMatch(issue?.body ?? '', /Drift of cost/u);
  });

  it('goes back on the word of who read the issue, and is well with the earlier version', async () => {
    const rolled = await story.run('rollback.yml', { model: 'pricing', reason: 'Conversion fell: cents, not euros' });
    assert.equal(rolled.conclusion, 'success', rolled.log);
    assert.equal(await story.champion(), '1.0.0');
    await story.commit({ 'logs/sales.csv': table([...healthy, ...harmed, ...ofDays(0, 6, false)]) });
    await story.travel(6);
    const result = await story.run('monitor.yml');
    assert.deepEqual(alarms(result), [], result.log);
    assert.ok([...story.at.repository.issues.values()].every(({ state }) => state === 'closed'));
  });
});
