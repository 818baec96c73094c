import type { Dataset } from '../../src/data/dataset.ts';
import { buildEvidence, type Evidence } from '../../src/evidence/index.ts';
import { silentLog } from '../../src/log.ts';
import { evaluate as evaluateAlone, type EvaluateInput } from '../../src/stages/evaluation/evaluate.ts';
import type { ContestantsContext, StageResult } from '../../src/stages/stage.ts';
import type { ConfiguredModel } from './configured-model.ts';

/** What a stage gets that judges models, where a test runs it without a pipeline. */
export function stageContext(
  config: ConfiguredModel,
  dataset: Dataset,
  parts: Pick<ContestantsContext, 'candidate'> & Partial<ContestantsContext>,
): ContestantsContext {
  const elsewhere = (): never => {
    throw new Error('this test gives no other files or models');
  };
  return {
    model: 'm',
    task: config.task,
    columns: config.columns,
    config,
    datasets: { evaluation: dataset },
    profiles: {},
    root: process.cwd(),
    folder: process.cwd(),
    pathOf: elsewhere,
    log: silentLog,
    dataset,
    champion: null,
    anchor: null,
    reuse: 0,
    limits: { memoryBytes: 4e9, timeMs: 60_000 },
    predict: elsewhere,
    scorerOf: elsewhere,
    ...parts,
  };
}

/** The evidence that the pipeline makes of what a stage found. */
export function evidenceFrom(kind: string, { checks, details }: StageResult): Evidence {
  return buildEvidence({
    kind,
    model: 'm',
    subjects: { datasets: {} },
    policyDigest: '1'.repeat(64),
    toolVersion: '0.0.0',
    startedAt: new Date('2026-01-02T03:04:05Z'),
    finishedAt: new Date('2026-01-02T03:04:07Z'),
    checks,
    details,
  });
}

/** What the evaluation finds, as evidence. */
export async function evaluate(input: EvaluateInput): Promise<Evidence> {
  return evidenceFrom('evaluation', await evaluateAlone(input));
}
