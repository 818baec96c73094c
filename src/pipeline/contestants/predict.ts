import { dirname } from 'node:path';
import { ModelError, UsageError } from '../../errors.ts';
import { requireColumns, type Dataset } from '../../data/dataset.ts';
import { idsOf, requireRowIds } from '../../data/row-ids.ts';
import type { RowRange } from '../../model/batches.ts';
import type { Predictions } from '../../model/predictions.ts';
import type { Provenance } from '../../model/shards.ts';
import { registryView } from '../open-registry.ts';
import { resolveCandidate, resolveChampion, type ResolvedModel } from './resolve.ts';
import { predictRows, withDatasets } from './contestants.ts';
import type { Shard } from '../typed.ts';
import { insideRoot, type Workspace } from '../workspace.ts';
import { requireWritable, writing } from '../writing.ts';
import { counted } from '../../wording.ts';

export interface PredictInput {
  role: 'candidate' | 'champion';
  /** The part of the evaluation set to predict. */
  shard: Shard;
  /** CSV or Parquet file to write, relative to the workspace. */
  file: string;
}

export interface PredictResult {
  role: 'candidate' | 'champion';
  file: string;
  /** Digest of the model that predicted. */
  sha256: string;
  rows: number;
  /** Rows of the whole evaluation set. */
  of: number;
  /** Decision threshold, for binary and multilabel classification: the file does not hold it. */
  threshold: number | readonly number[] | null;
}

/**
 * Predict the evaluation set, or a shard of it, with one model and write the predictions, keyed by row id.
 * All shards together stand for the model itself: `evaluate --predictions 'parts/*.parquet'`.
 * @throws ModelError for a model that cannot predict, or gives raw scores; UsageError when there is nothing to predict
 */
export async function runPredict(workspace: Workspace, { role, shard, file }: PredictInput): Promise<PredictResult> {
  const path = await insideRoot(workspace, file);
  if (!/\.(?:csv|parquet)$/iu.test(path)) {
    throw new UsageError({ found: `--file ${JSON.stringify(file)}`, expected: 'a name that ends in .parquet or .csv' });
  }
  await requireWritable(dirname(path));
  return withDatasets(workspace, ['evaluation'], async (datasets) => {
    const dataset = datasets['evaluation'] as Dataset;
    const { columns, task } = workspace.modelConfig;
    await requireRowIds(dataset, columns.id);
    requireColumns(dataset, columns.features ?? []);
    const rows = rangeOf(dataset.rows, shard);
    const { artifact, reading: readAs } = await modelOf(workspace, role);
    const [result] = await predictRows(workspace, dataset, [{ role, artifact, ...readAs }], { rows });
    if (result?.ok !== true) {
      throw new ModelError({
        found: result?.fault.message ?? 'nothing was predicted',
        where: named(workspace, role),
      });
    }
    refuseRawScores(workspace, role, result.predictions);
    const { writePredictionFile } = await import('../../model/prediction-file.ts');
    const { provenanceKey } = await import('../../model/shards.ts');
    const ids = await idsOf(dataset, columns.id, rows);
    const { assumedPositive } = result.predictions;
    const provenance: Provenance = {
      schema: 'contender/predictions/v1',
      role,
      model: artifact.sha256,
      dataset: dataset.sha256,
      rows: { ...rows, of: dataset.rows },
      threshold: plain(result.predictions.threshold),
      ...(result.stability === undefined ? {} : { stability: result.stability }),
      ...(result.featuresInDataOrder === undefined ? {} : { featuresInDataOrder: result.featuresInDataOrder }),
      ...(result.unknownValues === undefined ? {} : { unknownValues: result.unknownValues }),
      ...(assumedPositive === undefined ? {} : { assumedPositive }),
    };
    await writing(path, () =>
      writePredictionFile({
        path,
        uri: file,
        idColumn: columns.id,
        ids,
        predictions: result.predictions,
        metadata: { [provenanceKey]: JSON.stringify(provenance) },
      }),
    );
    const thresholds = task === 'binary-classification' || task === 'multilabel-classification';
    return {
      role,
      file,
      sha256: artifact.sha256,
      rows: rows.count,
      of: dataset.rows,
      threshold: thresholds && result.predictions.scores !== null ? result.predictions.threshold : null,
    };
  });
}

function plain(threshold: Predictions['threshold']): Provenance['threshold'] {
  return typeof threshold === 'number' ? threshold : [...threshold];
}

/** Every row is in exactly one shard, and the sizes of shards differ by one row at most. */
export function rangeOf(rows: number, { index, count }: Shard): RowRange {
  if (count > rows) {
    throw new UsageError({
      found: `${counted(count, 'shards')} of ${counted(rows, 'rows')}`,
      expected: 'at least one row per shard',
      remedy: 'Use fewer shards',
    });
  }
  const start = Math.floor((rows * (index - 1)) / count);
  return { start, count: Math.floor((rows * index) / count) - start };
}

async function modelOf(
  workspace: Workspace,
  role: PredictInput['role'],
): Promise<Extract<ResolvedModel, { kind: 'model' }>> {
  const where = named(workspace, role);
  if (role === 'candidate') return requireModel(await resolveCandidate(workspace), where);
  const champion = await resolveChampion(workspace, await registryView(workspace, false));
  if (champion === null) {
    throw new UsageError({
      found: 'there is no champion yet',
      where,
      remedy: 'Name one with --champion, or register it: contender registry register --artifact',
    });
  }
  if ('fault' in champion) throw new ModelError({ found: champion.fault.message, where });
  return requireModel(champion.resolved, where);
}

function requireModel(resolved: ResolvedModel, where: string): Extract<ResolvedModel, { kind: 'model' }> {
  if (resolved.kind === 'model') return resolved;
  throw new UsageError({
    found: `${resolved.reference.predictions} is already a file of predictions`,
    expected: 'an ONNX model',
    where,
  });
}

/** A file of predictions holds probabilities: raw scores in it would be taken for them, or refused when it is too late. */
function refuseRawScores(workspace: Workspace, role: PredictInput['role'], { kind }: Predictions): void {
  if (kind !== 'score') return;
  throw new ModelError({
    found: 'the model gives raw scores',
    expected: 'probabilities: a file of predictions has no way to declare raw scores',
    where: named(workspace, role),
    remedy: 'Choose the transform: {uri, transform: sigmoid | softmax}',
  });
}

function named(workspace: Workspace, role: PredictInput['role']): string {
  return `models.${workspace.model}.${role}`;
}
