/*
 * The process that runs models, so that one that crashes, hangs or exhausts memory takes nothing else with it.
 * Started by predict.ts with a job over IPC; answers with predictions or faults, and ends with its parent.
 */
import { ConfigError, ContenderError, DataError } from '../errors.ts';
import { labelColumns } from '../config/columns.ts';
import { classText } from '../data/class-text.ts';
import { openDataset, readColumns, type Dataset } from '../data/dataset.ts';
import { featureBatches, type Feeds } from './batches.ts';
import { planInputs, type InputPlan } from './features.ts';
import type { PredictionResult } from './predictions.ts';
import type { Answer, Job, SentResult } from './predict.ts';
import { outputReader, type OutputReader } from './read-outputs.ts';
import { loadModel, type LoadedModel } from './run.ts';
import { startWatchdog } from './watchdog.ts';

process.on('disconnect', () => process.exit(0));
process.once('message', (job: Job) => {
  startWatchdog(job.memoryBytes);
  const dataset = openDataset(job.dataset, {
    // Whoever asks has identified the file.
    sha256: '',
    // What the engine cannot keep within its part of the limit goes to disk.
    memoryLimit: `${Math.max(512, Math.round(job.memoryBytes / 4 / 2 ** 20))}MiB`,
  });
  predictAll(job, dataset)
    .then((results) => answer({ kind: 'results', results: results.map(narrowed) }))
    .catch((error: unknown) => {
      if (error instanceof ContenderError) {
        return answer({ kind: 'error', fault: { ...error.fault, cause: undefined } });
      }
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return answer({ kind: 'bug', text });
    })
    .then(() => dataset)
    .then(({ close }) => close())
    .catch(() => {})
    // The sessions end with the process.
    .finally(() => process.exit(0));
});

/** Milliseconds. */
const progressEvery = 100;

interface Runner {
  model: LoadedModel;
  plans: InputPlan[];
  reader: OutputReader;
}

async function predictAll(job: Job, opening: Promise<Dataset>): Promise<PredictionResult[]> {
  const results: PredictionResult[] = [];
  const runners = new Map<number, Runner>();
  // Told when it is waited for: the models load while the engine starts.
  opening.catch(() => {});
  const models: (LoadedModel | undefined)[] = [];
  for (const [index, { path, where }] of job.models.entries()) {
    await attempt(index, async () => {
      models[index] = await loadModel(path, where);
    });
  }
  const dataset = await opening;
  const total = job.rows?.count ?? dataset.rows;
  for (const [index, each] of job.models.entries()) {
    await attempt(index, async () => {
      const model = models[index];
      if (model === undefined) return;
      const plans = planInputs(model.inspection, job.columns, dataset.columns);
      runners.set(index, { model, plans, reader: outputReader(model, job.task, job.columns, each, total) });
    });
  }
  const reading = [...runners];
  if (reading.length > 0) await readAll();
  for (const [index, runner] of runners) {
    await attempt(index, async () => {
      results[index] = { ok: true, ...(await runner.reader.finish({ dataLabels: () => labelsOf(dataset) })) };
    });
  }
  return results;

  /** Texts of the labels of the data. */
  async function labelsOf({ columns }: Dataset): Promise<readonly string[]> {
    const [name = ''] = labelColumns(job.columns);
    if (!columns.some((column) => column.name === name)) return [];
    const values = (await readColumns(dataset, { texts: [name] })).texts.get(name)?.values ?? [];
    return [...new Set(values)].filter((text) => text !== null).map(classText);
  }

  async function readAll(): Promise<void> {
    let done = 0;
    let told = 0;
    for await (const { rows, feeds } of featureBatches(
      dataset,
      reading.map(([, runner]) => runner.plans),
      job.rows,
    )) {
      for (const [position, [index, runner]] of reading.entries()) {
        if (runners.has(index)) {
          await attempt(index, async () => runner.reader.add(await runner.model.run(feeds[position] as Feeds), rows));
        }
      }
      done += rows;
      if (performance.now() - told > progressEvery) {
        void answer({ kind: 'progress', done, total });
        told = performance.now();
      }
      if (runners.size === 0) break;
    }
  }

  /** Do `work` for a model. A fault of the model becomes its result, and it is not asked again; what a person must settle is thrown. */
  async function attempt(index: number, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ContenderError) || error instanceof DataError) throw error;
      if (error instanceof ConfigError) throw new ConfigError({ where: job.models[index]?.where, ...error.fault });
      const where = job.models[index]?.where ?? '';
      const message = error.message.includes(where) ? error.message : `${where}: ${error.message}`;
      results[index] = { ok: false, fault: { code: error.code, message } };
      runners.delete(index);
    }
  }
}

/** Scores of single precision are sent as such: half the bytes. */
function narrowed(result: PredictionResult): SentResult {
  if (!result.ok || result.predictions.scores === null) return result;
  const { scores } = result.predictions;
  const singles = new Float32Array(scores);
  for (let index = 0; index < scores.length; index += 1) if (singles[index] !== scores[index]) return result;
  return { ...result, predictions: { ...result.predictions, scores: singles } };
}

function answer(message: Answer): Promise<void> {
  return new Promise((sent) => {
    if (process.send === undefined) sent();
    else process.send(message, undefined, {}, () => sent());
  });
}
