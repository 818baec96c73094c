/*
 * The process that runs models, so that one that crashes, hangs or exhausts memory takes nothing else with it.
 * Started by predict.ts with a job over IPC; answers with predictions or faults, and ends with its parent.
 */
import { ContenderError, DataError } from '../errors.ts';
import { openDataset } from '../data/dataset.ts';
import { featureBatches, type Feeds } from './batches.ts';
import { planInputs, type InputPlan } from './features.ts';
import type { PredictionResult } from './predictions.ts';
import type { Answer, Job, JobModel } from './predict.ts';
import { outputReader, type OutputReader } from './read-outputs.ts';
import { loadModel, type LoadedModel } from './run.ts';

process.on('disconnect', () => process.exit(0));
process.once('message', (job: Job) => {
  predictAll(job)
    .then((results) => answer({ kind: 'results', results }))
    .catch((error: unknown) => {
      if (error instanceof ContenderError) {
        return answer({
          kind: 'error',
          data: error instanceof DataError,
          code: error.code,
          fault: { ...error.fault, cause: undefined },
        });
      }
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return answer({ kind: 'bug', text });
    })
    .finally(() => process.disconnect());
});

interface Runner {
  model: LoadedModel;
  plans: InputPlan[];
  reader: OutputReader;
}

async function predictAll(job: Job): Promise<PredictionResult[]> {
  const dataset = await openDataset(job.dataset, {
    memoryLimit: `${Math.max(256, Math.round(job.memoryBytes / 4 / 2 ** 20))}MiB`,
  });
  const results: (PredictionResult | null)[] = job.models.map(() => null);
  const runners: (Runner | null)[] = [];
  for (const [index, each] of job.models.entries()) {
    runners.push(
      await attempt(index, async () => {
        const model = await loadModel(each.path, each.where);
        const plans = planInputs(model.inspection, job.columns, dataset.columns);
        return { model, plans, reader: outputReader(model, job.task, job.columns, readingOf(each), dataset.rows) };
      }),
    );
  }
  let done = 0;
  const live = (): number[] => runners.flatMap((runner, index) => (runner === null ? [] : [index]));
  const reading = live();
  if (reading.length > 0) {
    for await (const batch of featureBatches(
      dataset,
      reading.map((index) => (runners[index] as Runner).plans),
    )) {
      for (const [position, index] of reading.entries()) {
        const runner = runners[index];
        if (runner === null || runner === undefined) continue;
        const ran = await attempt(index, async () => {
          runner.reader.add(await runner.model.run(batch.feeds[position] as Feeds), batch.rows);
          return true;
        });
        if (ran === null) runners[index] = null;
      }
      done += batch.rows;
      await answer({ kind: 'progress', done, total: dataset.rows });
      if (live().length === 0) break;
    }
  }
  for (const index of live()) {
    const predictions = await attempt(index, async () => (runners[index] as Runner).reader.finish());
    if (predictions !== null) results[index] = { ok: true, predictions };
  }
  for (const runner of runners) await runner?.model.close();
  dataset.close();
  return results as PredictionResult[];

  /** Do `work` for a model; a fault of the model becomes its result. */
  async function attempt<T>(index: number, work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ContenderError) || error instanceof DataError) throw error;
      results[index] = { ok: false, fault: { code: error.code, message: error.message } };
      return null;
    }
  }
}

function readingOf({ output, transform, threshold }: JobModel): Pick<JobModel, 'output' | 'transform' | 'threshold'> {
  return { output, transform, threshold };
}

function answer(message: Answer): Promise<void> {
  return new Promise((sent) => {
    if (process.send === undefined) sent();
    else process.send(message, undefined, {}, () => sent());
  });
}
