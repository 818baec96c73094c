/*
 * The life of a model, in a fresh git repository: trained, champion, watched in production, overtaken by a change of the world that its
 * scores do not show, found out by labels, trained again, through the gate, champion, and well. Data are simulated; every
 * judgement is that of the production code. Usage: npm run demo -- lifecycle [--out DIR]
 */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { terminalLog } from '../src/cli/terminal-log.ts';
import { openFindings } from '../src/monitor/findings.ts';
import { registerChampion, runGate } from '../src/pipeline/gate/promote.ts';
import { writeDashboard } from '../src/pipeline/monitoring/dashboard.ts';
import { runMonitor, type MonitorResult } from '../src/pipeline/monitoring/monitor.ts';
import { retrain } from '../src/pipeline/monitoring/retrain.ts';
import { openRegistry, registryView } from '../src/pipeline/open-registry.ts';
import { openWorkspace, type Workspace } from '../src/pipeline/workspace.ts';
import { headline } from '../src/report/headline.ts';
import { randomFrom } from '../src/statistics/random.ts';
import { logisticModel, normals, probabilityOf, sigmoid, trainLogistic } from './simulated-model.ts';

const day = 86_400_000;
const rowsPerDay = 300;
/** Days before now that production began, and that the world changed. */
const [began, changed] = [60, 10];
const git = promisify(execFile);
const random = randomFrom(7);

interface Row {
  id: string;
  at: number;
  x: [number, number];
  label: number;
}

/** @param repository an empty folder */
export async function lifecycle(repository: string): Promise<void> {
  const started = Date.now();
  const now = Math.floor(started / day) * day;
  const run = (...args: string[]): Promise<unknown> => git('git', ['-C', repository, ...args]);
  const commit = async (message: string): Promise<void> => {
    await run('add', '--all');
    await run('commit', '--quiet', '--message', message);
  };
  const open = async (): Promise<Workspace> =>
    openWorkspace({
      root: repository,
      config: 'contender.yml',
      out: 'reports',
      log: await terminalLog({ verbose: false, quiet: true }),
    });
  const person = { actor: 'demo', source: {}, record: true };
  for (const folder of ['models', 'data', 'logs']) await mkdir(join(repository, folder), { recursive: true });
  await git('git', ['init', '--quiet', '--initial-branch=main', repository]);
  await run('config', 'user.name', 'Contender demo');
  await run('config', 'user.email', 'demo@contender.invalid');
  await writeFile(join(repository, '.gitignore'), '/reports/\n/logs/\n');
  await writeFile(join(repository, 'contender.yml'), configuration);

  // The world as it was.
  const history = drawn('h', 4000, () => now - 90 * day, before);
  let weights = trainLogistic(history.slice(0, 2000));
  await writeFile(join(repository, 'models/candidate.onnx'), logisticModel(weights));
  await writeFile(join(repository, 'data/evaluation.csv'), table(history.slice(2000)));
  await commit('Train the first model');
  await registerChampion(await open(), { ...person, artifact: 'models/candidate.onnx', reason: 'the first one' });
  console.log('Trained on 2,000 rows, and registered as champion 1.0.0.\n');

  const production = Array.from({ length: began }, (_, index) => {
    const start = now - (began - index) * day;
    return drawn(
      `p${index}-`,
      rowsPerDay,
      (each) => start + (each * day) / rowsPerDay,
      began - index > changed ? before : after,
    );
  }).flat();
  const served = production.map((row) => ({ row, score: probabilityOf(weights, row.x) }));
  const watch = async (at: number): Promise<MonitorResult> => {
    await writeFile(
      join(repository, 'logs/production.csv'),
      `at,id,x1,x2,score\n${served.map(({ row, score }) => `${new Date(row.at).toISOString()},${row.id},${row.x.join(',')},${score}\n`).join('')}`,
    );
    const mature = served.filter(({ row }) => row.at < at - 2 * day);
    await writeFile(
      join(repository, 'logs/labels.csv'),
      `id,label\n${mature.map(({ row }) => `${row.id},${row.label}\n`).join('')}`,
    );
    const workspace = await open();
    const result = await runMonitor(workspace, { now: new Date(at), record: true });
    await writeDashboard(workspace, result);
    return result;
  };
  const seen = await watch(now);
  console.log(`${seen.fresh} days in production. Open findings:\n${told(seen)}\n`);

  const decided = await retrain(await open(), await registryView(await open(), false), {
    github: null,
    now: new Date(),
  });
  console.log(`${decided.due ? 'A training is due' : 'No training'}: ${decided.reason}.\n`);

  // What a training workflow would do: rows of after the change whose labels are known.
  const recent = production.filter(({ at }) => at >= now - (changed - 1) * day && at < now - 2 * day);
  weights = trainLogistic(recent.slice(0, recent.length / 2));
  await writeFile(join(repository, 'models/candidate.onnx'), logisticModel(weights));
  await writeFile(join(repository, 'data/evaluation.csv'), table(recent.slice(recent.length / 2)));
  await commit('Train again on recent rows');
  const result = await runGate(await open(), person);
  console.log(`${headline(result)}\n`);

  for (let index = 1; index <= 9; index++) {
    const start = now + index * day;
    for (const row of drawn(`n${index}-`, rowsPerDay, (each) => start + (each * day) / rowsPerDay, after)) {
      served.push({ row, score: probabilityOf(weights, row.x) });
    }
  }
  const later = await watch(now + 10 * day);
  const champion = (await (await openRegistry(await open())).manifest('credit'))?.aliases['champion']?.version;
  console.log(
    `Ten days later, with champion ${champion ?? 'none'}. Open findings:\n${told(later)}\n\nDashboard: ${join(repository, 'reports/credit/monitoring.html')}\nDone in ${((Date.now() - started) / 1000).toFixed(0)} s.`,
  );
}

function told({ findings }: MonitorResult): string {
  const open = openFindings(findings).filter(({ level }) => level !== 'note');
  return open.length === 0
    ? '  none'
    : open.map(({ level, title, message }) => `  ${level}: ${title}: ${message}`).join('\n');
}

function before([x1, x2]: Row['x']): number {
  return sigmoid(2 * x1 - x2);
}

/** The same rows, and another meaning: no score and no column shows it. */
function after([x1, x2]: Row['x']): number {
  return sigmoid(0.5 * x1 - 2.5 * x2);
}

function drawn(prefix: string, count: number, at: (each: number) => number, truth: (x: Row['x']) => number): Row[] {
  return Array.from({ length: count }, (_, each) => {
    const x = normals(random, 2) as Row['x'];
    return { id: `${prefix}${each}`, at: at(each), x, label: Number(random.uniform() < truth(x)) };
  });
}

function table(rows: readonly Row[]): string {
  return `id,x1,x2,label\n${rows.map(({ id, x, label }) => `${id},${x.join(',')},${label}\n`).join('')}`;
}

const configuration = `# The life of a model: see docs/monitoring.md.
version: 1
models:
  credit:
    task: binary-classification
    candidate: models/candidate.onnx
    champion: registry
    columns: { id: id, label: label, features: [x1, x2] }
    data: { evaluation: data/evaluation.csv }
    policy:
      primary: { metric: roc_auc, margin: 0.01, require: superior }
    monitor:
      production: { files: logs/production.csv, time: at, score: score }
      labels: { files: logs/labels.csv, maturity: 2d }
      reference: data/evaluation.csv
    retrain:
      dispatch: { workflow: train.yml }
      # The days of this demo pass in seconds.
      min_labels: 0
      cool_down: 0h
`;
