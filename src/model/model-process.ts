/*
 * A process that keeps one model and answers questions about how it behaves, so that a model that crashes, hangs or exhausts
 * memory takes nothing else with it. Started by hosted-model.ts; ends with its parent.
 */
import { ContenderError, mendable } from '../errors.ts';
import { batchRows, type Feeds } from './batches.ts';
import type { InputPlan } from './features.ts';
import type { Question, Answers, Reply } from './hosted-model.ts';
import { perturbableColumns, perturbed, type Perturbation } from './perturbation.ts';
import type { PredictionResult } from './predictions.ts';
import { outputReader } from './read-outputs.ts';
import { loadModel, type LoadedModel } from './run.ts';
import { takeRows } from './tensor.ts';
import { startWatchdog } from './watchdog.ts';

process.on('disconnect', () => process.exit(0));
// One at a time: what is timed must not share the process with anything.
let last: Promise<void> = Promise.resolve();
process.on('message', (question: Question) => {
  last = last.then(() => reply(question));
});

let model: LoadedModel | undefined;
let loading: Extract<Question, { kind: 'load' }> | undefined;
let fed: (Extract<Question, { kind: 'feed' }> & { batches: Map<string, Feeds> }) | undefined;

async function reply(question: Question): Promise<void> {
  const answer: Reply = await respond(question).then(
    (value) => ({ id: question.id, ok: true, value }),
    (error: unknown) => {
      const fault = mendable(error);
      return fault !== null
        ? { id: question.id, ok: false, fault: { code: fault.code, message: fault.message } }
        : { id: question.id, ok: false, bug: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    },
  );
  await new Promise<void>((sent) => process.send?.(answer, undefined, {}, () => sent()));
}

async function respond(question: Question): Promise<Answers[Question['kind']]> {
  switch (question.kind) {
    case 'load':
      return load(question);
    case 'feed': {
      fed = { ...question, batches: new Map() };
      return perturbableColumns(question.plans, question.feeds);
    }
    case 'predict':
      return predict(question.change);
    case 'time':
      return time(question);
    case 'memory':
      return { peakBytes: process.resourceUsage().maxRSS * 1024 };
  }
}

async function load(question: Extract<Question, { kind: 'load' }>): Promise<Answers['load']> {
  startWatchdog(question.memoryBytes);
  loading = question;
  // The runtime is there before the model: what is measured is the model.
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  await import('onnxruntime-node');
  const idleBytes = process.memoryUsage.rss();
  const start = process.hrtime.bigint();
  model = await loadModel(question.path, question.where);
  return { inspection: model.inspection, opened: model.opened, loadMs: millisecondsSince(start), idleBytes };
}

async function predict(change: Perturbation | null): Promise<PredictionResult> {
  const { loaded, feeds, plans, rows, task, columns, settled } = ready();
  const changed = change === null ? feeds : perturbed(feeds, plans, change);
  try {
    const reader = outputReader(loaded, task, columns, loading ?? {}, rows);
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
async function time({ batch, runs, first }: Extract<Question, { kind: 'time' }>): Promise<Float64Array> {
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
