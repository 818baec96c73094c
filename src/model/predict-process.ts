/*
 * The process that runs models, so that one that crashes, hangs or exhausts memory takes nothing else with it.
 * Started by predict.ts with a job over IPC; answers with predictions or faults, and ends with its parent.
 */
import { join } from 'node:path';
import { labelColumns } from '../config/columns.ts';
import { classText } from '../data/class-text.ts';
import { ConfigError, ContenderError, DataError, mendable, MismatchError, ModelError, SystemError } from '../errors.ts';
import { openDataset, readColumns, type Dataset } from '../data/dataset.ts';
import { openModel, type OpenedModel } from './artifact.ts';
import { batchRows, featureBatches, type Feeds } from './batches.ts';
import { planInputs, type InputPlan } from './features.ts';
import { gapOfEach } from './gaps.ts';
import { encodedColumns, UnknownValueCount } from './known-values.ts';
import type { PredictionResult } from './predictions.ts';
import type { Stability } from './shards.ts';
import type { Answer, Job } from './predict.ts';
import { outputReader, type OutputReader } from './read-outputs.ts';
import { NonFiniteError } from './read-outputs/scores.ts';
import { planSession, withWeightsFolder, type LoadedModel } from './run.ts';
import { openSession, type SessionPlan } from './session.ts';
import { poolSize, startPool, type BatchOutcome, type SessionPool } from './session-pool.ts';
import { stabilityOf } from './stability.ts';
import { unknownText } from './unknown-values.ts';
import { startWatchdog } from './watchdog.ts';
import { counted } from '../wording.ts';

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
    .then((results) => answer({ kind: 'results', results }))
    .catch((error: unknown) => {
      const fault = mendable(error);
      if (fault !== null) {
        return answer({ kind: 'error', code: fault.code, fault: { ...fault.fault, cause: undefined } });
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

interface Loaded extends LoadedModel {
  plan: SessionPlan;
  encoded(inputs: readonly InputPlan[]): ReturnType<typeof encodedColumns>;
}

interface Runner extends Loaded {
  inputs: InputPlan[];
  reader: OutputReader;
  stability?: Stability;
  unknown: UnknownValueCount;
}

async function predictAll(job: Job, opening: Promise<Dataset>): Promise<PredictionResult[]> {
  const results: PredictionResult[] = [];
  let labels: Promise<readonly string[]> | undefined;
  const runners = new Map<number, Runner>();
  /** All that were asked at first. */
  let started: Runner[] = [];
  // Told when it is waited for: the models load while the engine starts.
  opening.catch(() => {});
  await withWeightsFolder(async (folder) => {
    const loaded = new Map<number, Loaded>();
    const models: OpenedModel[] = [];
    for (const [index, { path, where }] of job.models.entries()) {
      // Whoever asks has read it: what cannot be read now was changed meanwhile, which is no fault of the model.
      models.push(await openModel(path, where, join(folder, `${index}`)));
    }
    await answer({ kind: 'opened', opened: models.map(({ opened }) => opened) });
    for (const [index, model] of models.entries()) {
      await attempt(index, async () => {
        const planned = planSession(model);
        loaded.set(index, {
          ...planned,
          opened: model.opened,
          encoded: (inputs) => encodedColumns(model.model, inputs),
          ...(await openSession(planned.plan)),
        });
      });
    }
    const dataset = await opening;
    const total = job.rows?.count ?? dataset.rows;
    for (const [index, model] of loaded) {
      const reading = job.models[index] as Job['models'][number];
      await attempt(index, async () => {
        const inputs = planInputs(model.inspection, job.columns, dataset.columns);
        const reader = outputReader(model, job.task, job.columns, reading, total);
        runners.set(index, { ...model, inputs, reader, unknown: new UnknownValueCount(model.encoded(inputs)) });
      });
    }
    started = [...runners.values()];
    if (runners.size > 0) await readAll(dataset, total);
  });
  const nonFinite: { inputs: readonly InputPlan[]; where: string; rows: readonly number[] }[] = [];
  for (const [index, { reader, stability, inputs, unknown }] of runners) {
    await attempt(index, async () => {
      const finished = await reader.finish({ dataLabels }).catch((error: unknown) => {
        const where = job.models[index]?.where ?? '';
        if (error instanceof NonFiniteError) nonFinite.push({ inputs, where, rows: error.rows });
        throw error;
      });
      results[index] = {
        ok: true,
        ...finished,
        ...(stability === undefined ? {} : { stability }),
        ...(unknown.found.length === 0 ? {} : { unknownValues: unknown.found }),
        ...(inputs[0]?.inDataOrder === true ? { featuresInDataOrder: inputs[0].columns } : {}),
      };
    });
  }
  // A model that answers these rows shows that they can be answered.
  if (!job.othersAnswer && !results.some(({ ok }) => ok)) for (const each of nonFinite) await refuseGaps(each);
  if (!job.othersAnswer && job.rows === undefined) refuseUnknown((await opening).rows);
  return results;

  /** Where no model knows any value of a column, or answers a row with a value that it does not know, the data are others. */
  function refuseUnknown(rows: number): void {
    const lost = started.map(({ unknown }) => unknown.lost(rows));
    const [first] = lost;
    if (first === undefined || lost.includes(undefined)) return;
    const all = first.rows === rows ? `, nor any other value of it (${counted(rows, 'rows')})` : '';
    throw new DataError({
      found: `${unknownText(first)}: no model has a code for ${JSON.stringify(first.example)}${all}`,
      expected: 'values in the spelling that the models were trained on',
      where: job.dataset.uri,
      remedy: 'Write the values as in training (upper and lower case, spaces, codes), or correct columns.features',
    });
  }

  /** Where the rows without an answer are those without a value, it is for a person to say what stands there. */
  async function refuseGaps({ inputs, where, rows }: (typeof nonFinite)[number]): Promise<void> {
    const dataset = await opening;
    // A model that answers no row at all is broken, whatever is missing.
    if (rows.length === (job.rows?.count ?? dataset.rows)) return;
    const start = job.rows?.start ?? 0;
    const names = [...new Set(inputs.flatMap(({ columns }) => columns))];
    const gap = await gapOfEach(
      dataset,
      rows.map((row) => row + start),
      names,
    );
    if (gap === null) return;
    throw new DataError({
      found: `row ${gap.row + 1} has no value in column ${JSON.stringify(gap.column)}, and ${where} answers NaN for it${rows.length === 1 ? '' : `, as to ${counted(rows.length - 1, 'rows')} more with such gaps`}`,
      expected: 'a value in every feature, or a model that accepts missing values',
      where: job.dataset.uri,
      remedy: 'Fill the missing values as in training, or export the model with the step that fills them',
    });
  }

  /** Texts of the labels of the data, which every model and every look at its steadiness may ask for. */
  function dataLabels(): Promise<readonly string[]> {
    return (labels ??= readLabels());
  }

  async function readLabels(): Promise<readonly string[]> {
    const dataset = await opening;
    const { columns } = dataset;
    const [name = ''] = labelColumns(job.columns);
    if (!columns.some((column) => column.name === name)) return [];
    const values = (await readColumns(dataset, { texts: [name] })).texts.get(name)?.values ?? [];
    return [...new Set(values)].filter((text) => text !== null).map(classText);
  }

  async function readAll(dataset: Dataset, total: number): Promise<void> {
    const reading = [...runners];
    const inputs = reading.map(([, runner]) => runner.inputs);
    const batchSize = batchRows(new Set(inputs.flat().flatMap((plan) => plan.columns)).size);
    const batches = Math.ceil(total / batchSize);
    const waiting: { rows: number; outcomes: Promise<BatchOutcome[]> }[] = [];
    let pool: SessionPool | null = null;
    let [done, told, read, taken] = [0, 0, 0, 0];
    // Read to their end first: the labels are read for them, and another query ends a stream of the same connection.
    const few: { rows: number; feeds: Feeds[] }[] = [];
    const range = { start: job.rows?.start ?? 0, count: Math.min(total, batchSize) };
    for await (const batch of featureBatches(dataset, inputs, range)) few.push(batch);
    for (const { rows, feeds } of few) {
      for (const [position, [index, runner]] of reading.entries()) {
        await steadiness(index, runner, feeds[position] as Feeds, rows);
      }
    }
    try {
      for await (const { rows, feeds } of featureBatches(dataset, inputs, job.rows)) {
        read += 1;
        const asked = reading.map(([index], position) => (runners.has(index) ? (feeds[position] as Feeds) : null));
        for (const [position, [, { unknown }]] of reading.entries()) {
          unknown.add(feeds[position] as Feeds, rows, (job.rows?.start ?? 0) + taken);
        }
        taken += rows;
        if (pool === null) {
          const start = performance.now();
          await collect(rows, await runHere(asked));
          if (read === 1) pool = await poolFor(batches - read, performance.now() - start);
        } else {
          const outcomes = pool.run(asked);
          // Told when its turn comes.
          outcomes.catch(() => {});
          waiting.push({ rows, outcomes });
          if (waiting.length > pool.ahead) await next();
        }
        if (runners.size === 0) break;
      }
      while (waiting.length > 0 && runners.size > 0) await next();
    } finally {
      await pool?.close();
    }

    /** Threads for the batches that are left, where they save time; how long the first took says so. */
    async function poolFor(left: number, batchMs: number): Promise<SessionPool | null> {
      const modelBytes = reading.reduce((sum, [index]) => sum + (job.models[index]?.bytes ?? 0), 0);
      const threads = poolSize({ batches: left, batchMs, modelBytes, memoryBytes: job.memoryBytes });
      if (threads < 2) return null;
      for (const [, { close }] of reading) await close();
      return startPool(
        reading.map(([index, { plan }]) => (runners.has(index) ? plan : null)),
        threads,
      );
    }

    async function next(): Promise<void> {
      const oldest = waiting.shift();
      if (oldest !== undefined) await collect(oldest.rows, await oldest.outcomes);
    }

    async function runHere(asked: readonly (Feeds | null)[]): Promise<BatchOutcome[]> {
      const outcomes: BatchOutcome[] = [];
      for (const [position, batch] of asked.entries()) {
        const runner = (reading[position] as (typeof reading)[number])[1];
        outcomes.push(
          batch === null
            ? null
            : await runner.run(batch).then(
                (outputs) => ({ ok: true as const, outputs }),
                (error: unknown) => {
                  if (error instanceof ModelError) return { ok: false as const, fault: error.fault };
                  throw error;
                },
              ),
        );
      }
      return outcomes;
    }

    async function collect(rows: number, outcomes: readonly BatchOutcome[]): Promise<void> {
      for (const [position, [index, { reader, unknown }]] of reading.entries()) {
        const outcome = outcomes[position] ?? null;
        if (outcome === null || !runners.has(index)) continue;
        await attempt(index, async () => {
          if (!outcome.ok) throw unknown.explain(new ModelError(outcome.fault));
          reader.add(outcome.outputs, rows);
        });
      }
      done += rows;
      if (performance.now() - told > progressEvery) {
        void answer({ kind: 'progress', done, total });
        told = performance.now();
      }
    }
  }

  /** Whether the model has one answer to a row; what the sample leaves unclear is told when all rows are read. */
  async function steadiness(index: number, runner: Runner, feeds: Feeds, rows: number): Promise<void> {
    const reading = job.models[index] as Job['models'][number];
    const reader = (count: number): OutputReader => outputReader(runner, job.task, job.columns, reading, count);
    await stabilityOf((part) => runner.run(part), reader, {
      feeds,
      rows,
      tolerance: job.tolerance,
      dataLabels,
    }).then(
      (stability) => (runner.stability = stability),
      (error: unknown) => {
        if (!(error instanceof ContenderError)) throw error;
      },
    );
  }

  /**
   * Do `work` for a model. A fault of the model becomes its result, and it is not asked again; what a person must settle is thrown,
   * but of a champion only what is not clear.
   */
  async function attempt(index: number, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ContenderError) || error instanceof DataError || error instanceof SystemError) throw error;
      const { where = '', role } = job.models[index] ?? {};
      if (error instanceof ConfigError) throw new ConfigError({ where, ...error.fault });
      if (error instanceof MismatchError && role !== 'champion') throw new MismatchError({ where, ...error.fault });
      const message = error.message.includes(where) ? error.message : `${where}: ${error.message}`;
      results[index] = { ok: false, fault: { code: error.code, message } };
      runners.delete(index);
    }
  }
}

function answer(message: Answer): Promise<void> {
  return new Promise((sent) => {
    if (process.send === undefined) sent();
    else process.send(message, undefined, {}, () => sent());
  });
}
