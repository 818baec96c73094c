/*
 * A process that keeps one model and answers questions about how it behaves, so that a model that crashes, hangs or exhausts
 * memory takes nothing else with it. Started by hosted-model.ts; ends with its parent.
 */
import type { Columns, Task } from '../config/schema.ts';
import { ContenderError, mendable } from '../errors.ts';
import type { Opened } from './artifact.ts';
import { batchRows, type Feeds } from './batches.ts';
import type { InputPlan } from './features.ts';
import type { ModelInspection } from './inspect.ts';
import { perturbableColumns, perturbed, type PerturbableColumns, type Perturbation } from './perturbation.ts';
import type { PredictionResult, ReadingOptions, SettledReading } from './predictions.ts';
import { answerParent } from './questions.ts';
import { outputReader } from './read-outputs.ts';
import { loadModel, type LoadedModel } from './run.ts';
import { takeRows } from './tensor.ts';
import { startWatchdog } from './watchdog.ts';

process.on('disconnect', () => process.exit(0));
const functions = { load, feed, predict, time, peakBytes: () => process.resourceUsage().maxRSS * 1024 };
export type ModelProcess = typeof functions;
// One at a time: what is timed must not share the process with anything.
answerParent(functions, (error) => {
  const fault = mendable(error);
  return fault === null ? null : { code: fault.code, message: fault.message };
});

let model: LoadedModel | undefined;
let reading: ReadingOptions = {};
let fed: (FedRows & { batches: Map<string, Feeds> }) | undefined;

/** Rows that are kept, and what is needed to read the answers to them. */
export interface FedRows {
  plans: InputPlan[];
  feeds: Feeds;
  rows: number;
  task: Task;
  columns: Columns;
  /** How the predictions of the whole evaluation set were read; null: nobody has read them. */
  settled: SettledReading | null;
}

/** What loading a model tells. */
export interface Loading {
  inspection: ModelInspection;
  opened: Opened;
  /** Milliseconds that loading the model took, the runtime being there. */
  loadMs: number;
  /** Resident memory of the process before the model was loaded. */
  idleBytes: number;
}

async function load(path: string, where: string, memoryBytes: number, options: ReadingOptions): Promise<Loading> {
  startWatchdog(memoryBytes);
  reading = options;
  // The runtime is there before the model: what is measured is the model.
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  await import('onnxruntime-node');
  const idleBytes = process.memoryUsage.rss();
  const start = process.hrtime.bigint();
  model = await loadModel(path, where);
  return { inspection: model.inspection, opened: model.opened, loadMs: millisecondsSince(start), idleBytes };
}

function feed(rows: FedRows): PerturbableColumns {
  fed = { ...rows, batches: new Map() };
  return perturbableColumns(rows.plans, rows.feeds);
}

async function predict(change: Perturbation | null): Promise<PredictionResult> {
  const { loaded, feeds, plans, rows, task, columns, settled } = ready();
  const changed = change === null ? feeds : perturbed(feeds, plans, change);
  try {
    const reader = outputReader(loaded, task, columns, reading, rows);
    const most = batchRows(new Set(plans.flatMap((plan) => plan.columns)).size);
    for (let start = 0; start < rows; start += most) {
      const count = Math.min(most, rows - start);
      reader.add(await loaded.run(count === rows ? changed : rowsOf(changed, plans, start, count, rows)), count);
    }
    const known = settled === null ? { dataLabels: () => Promise.resolve([]) } : { settled };
    return { ok: true, ...(await reader.finish(known)) };
  } catch (error) {
    if (!(error instanceof ContenderError)) throw error;
    return { ok: false, fault: { code: error.code, message: error.message } };
  }
}

/** Milliseconds of each of `runs` runs over `batch` rows, other rows each time. */
async function time(batch: number, runs: number, first: number): Promise<Float64Array> {
  const { loaded, feeds, plans, rows, batches } = ready();
  const times = new Float64Array(runs);
  for (let run = 0; run < runs; run += 1) {
    const start = ((first + run) % differentBatches) * batch;
    const key = `${batch} ${start}`;
    const inputs = batches.get(key) ?? rowsOf(feeds, plans, start, batch, rows);
    batches.set(key, inputs);
    const began = process.hrtime.bigint();
    await loaded.run(inputs);
    times[run] = millisecondsSince(began);
  }
  return times;
}

/** Batches made ready before they are timed; more would measure the caches of the machine. */
const differentBatches = 32;

/** `count` rows from `start` on, beginning anew behind the last. */
function rowsOf(feeds: Feeds, plans: readonly InputPlan[], start: number, count: number, rows: number): Feeds {
  const taken = Array.from({ length: count }, (_, index) => (start + index) % rows);
  return Object.fromEntries(
    plans.map(({ input }) => [input.name, takeRows(feeds[input.name] as Feeds[string], taken)]),
  );
}

function ready(): NonNullable<typeof fed> & { loaded: LoadedModel } {
  if (model === undefined || fed === undefined) throw new Error('the model is asked before it is loaded and fed');
  return { ...fed, loaded: model };
}

function millisecondsSince(start: bigint): number {
  return Number(process.hrtime.bigint() - start) / 1e6;
}
