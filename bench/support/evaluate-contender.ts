/* What bench/evaluate.ts measures of Contender. Arguments: folder, features. */
import { join } from 'node:path';
import type { Policy } from '../../src/stages/evaluation/schema.ts';
import { openDataset } from '../../src/data/dataset.ts';
import { evaluate } from '../../src/stages/evaluation/evaluate.ts';
import { metricsOf } from '../../src/stages/evaluation/metrics/catalogue.ts';
import { silentLog } from '../../src/log.ts';
import { localModel } from '../../src/model/artifact.ts';
import { predictModels } from '../../src/model/predict.ts';
import type { Measured } from '../evaluate.ts';

const task = 'binary-classification';
const [, , folder = '', width = ''] = process.argv;
process.send?.(
  await measure(
    folder,
    Array.from({ length: Number(width) }, (_, index) => `f${index}`),
  ),
);

/** All binary metrics with intervals, and accuracy on ten slices. */
async function measure(source: string, features: string[]): Promise<Measured> {
  const columns = { id: 'id', label: 'label', features };
  const path = join(source, 'data.parquet');
  const artifacts = {
    candidate: await localModel(join(source, 'candidate.onnx'), 'file:candidate.onnx'),
    champion: await localModel(join(source, 'champion.onnx'), 'file:champion.onnx'),
  };
  const started = performance.now();
  const results = await predictModels({
    models: (['candidate', 'champion'] as const).map((each) => ({ role: each, artifact: artifacts[each] })),
    dataset: { name: 'evaluation', path, uri: 'data.parquet' },
    columns,
    task,
    limits: { memoryBytes: 4 * 2 ** 30, timeMs: 600_000 },
    log: silentLog,
  });
  const predicted = performance.now();
  const [candidate, champion] = results;
  if (candidate?.ok !== true || champion?.ok !== true) throw new Error(JSON.stringify(results));
  const policy: Policy = {
    primary: { metric: 'roc_auc', margin: 0.01 },
    guardrails: [
      ...metricsOf(task)
        .filter(({ name }) => name !== 'roc_auc')
        .map(({ name }) => ({ metric: name, margin: 0.01 })),
      { metric: 'accuracy', margin: 0.02, slices: ['segment'] },
    ],
  };
  const intervals: Measured['intervals'] = {};
  const dataset = await openDataset({ name: 'evaluation', path, uri: 'data.parquet' });
  try {
    const evidence = await evaluate({
      task,
      columns,
      policy,
      dataset,
      candidate: { artifact: artifacts.candidate, result: candidate },
      champion: { artifact: artifacts.champion, result: champion },
      reuse: 0,
      log: silentLog,
    });
    for (const { id, comparison } of evidence.checks) {
      if (comparison !== undefined) intervals[id.slice('evaluation/'.length)] = [comparison.lower, comparison.upper];
    }
  } finally {
    dataset.close();
  }
  return {
    predict: predicted - started,
    evaluate: performance.now() - predicted,
    whole: performance.now(),
    checksum: sum([candidate, champion].map(({ predictions }) => predictions.scores as Float64Array)),
    memory: peak(),
    intervals,
  };
}

function sum(arrays: readonly Float64Array[]): number {
  return arrays.reduce((total, values) => values.reduce((a, b) => a + b, total), 0);
}

function peak(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024);
}
