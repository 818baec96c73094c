import type { Columns, Policy, Slice, Task } from '../config/schema.ts';
import { columnTexts, datasetSubject, readColumns, type ColumnVector, type Dataset } from '../data/dataset.ts';
import { DataError } from '../errors.ts';
import { buildEvidence } from '../evidence/build.ts';
import type { Check } from '../evidence/check.ts';
import type { Artifact, Evidence } from '../evidence/evidence.ts';
import type { Log } from '../log.ts';
import type { PredictionResult } from '../model/predictions.ts';
import { version } from '../version.ts';
import { detailsOf } from './details.ts';
import { fairnessChecks } from './fairness.ts';
import { firstModelChecks } from './first-model.ts';
import { comparisonChecks, floorChecks, type Compared, type Gate } from './gate.ts';
import { reuseChecks } from './holdout.ts';
import { classText, readLabels, readNumbers, type Labels } from './labels.ts';
import { outputsOf, type OutputsResult } from './outputs.ts';
import { planOf, type Plan } from './plan.ts';
import type { Outputs, Sample } from './sample.ts';
import { columnSlices, predicateRows, sliceColumns, type SliceRows } from './slices.ts';
import { weakSliceAdvice } from './weak-slices.ts';

export interface EvaluateInput {
  model: string;
  task: Task;
  columns: Columns;
  policy: Policy;
  policyDigest: string;
  dataset: Dataset;
  candidate: Contestant;
  /** Null: there is no champion yet. `result.ok` false: there is one, and it cannot be evaluated. */
  champion: Contestant | null;
  /** Decisions already made on this evaluation set. */
  reuse: number;
  log: Log;
  signal?: AbortSignal;
}

interface Contestant {
  artifact: Artifact;
  result: PredictionResult;
}

/**
 * Judge the candidate's predictions against the champion's and the policy: evidence of kind `evaluation`.
 *
 * @throws ConfigError for a policy that cannot be applied, DataError for labels or columns that cannot be used
 */
export async function evaluate(input: EvaluateInput): Promise<Evidence> {
  const startedAt = new Date();
  const { task, columns, dataset, policy } = input;
  const plan = planOf(policy, task, input.reuse);
  const { checks, details } = await judge(input, plan);
  input.signal?.throwIfAborted();
  return buildEvidence({
    kind: 'evaluation',
    model: input.model,
    subjects: {
      candidate: input.candidate.artifact,
      ...(input.champion === null ? {} : { champion: input.champion.artifact }),
      datasets: { evaluation: datasetSubject(dataset) },
    },
    policyDigest: input.policyDigest,
    toolVersion: version,
    startedAt,
    finishedAt: new Date(),
    checks,
    details: {
      task,
      label: columns.label,
      rows: dataset.rows,
      alpha: plan.alpha,
      seed: plan.seed,
      reuse: input.reuse,
      ...(plan.spending.rule === null
        ? {}
        : { holdout: { rule: plan.spending.rule, policyAlpha: plan.guardAlpha, budget: plan.spending.budget } }),
      ...details,
    },
  });
}

async function judge(input: EvaluateInput, plan: Plan): Promise<{ checks: Check[]; details: Record<string, unknown> }> {
  const { task, columns, dataset, policy, candidate, champion } = input;
  if (dataset.rows === 0) {
    throw new DataError({ found: 'the evaluation set has no rows', expected: 'labelled rows', where: dataset.uri });
  }
  if (!candidate.result.ok) return { checks: [candidateFault(candidate.result.fault.message)], details: {} };
  const vectors = await readNeeded(input, plan);
  const labels = readLabels(
    vectors.get(columns.label) as ColumnVector,
    task,
    columns,
    knownClasses(input),
    dataset.uri,
  );
  const outputs = contestantOutputs(candidate, task, labels, dataset.rows);
  if (!outputs.ok) return { checks: [candidateFault(outputs.message)], details: {} };

  const sample = sampleOf(input, vectors, labels);
  const gate = { plan, sample, candidate: outputs.outputs };
  const same = champion !== null && champion.artifact.sha256 === candidate.artifact.sha256;
  const rival = champion === null || same ? null : contestantOutputs(champion, task, labels, dataset.rows);
  const rivalOutputs = rival !== null && rival.ok ? rival.outputs : null;
  const compared: Compared[] = [];
  if (rivalOutputs !== null) {
    const families = await sliceFamilies(input, plan, vectors);
    for (const each of comparisonChecks({ ...gate, champion: rivalOutputs }, families)) {
      input.signal?.throwIfAborted();
      compared.push(each);
    }
  }
  const fairness = fairnessOf(input, { ...gate, champion: rivalOutputs }, vectors);
  const weak =
    rivalOutputs === null || policy.discover === undefined
      ? { checks: [], details: {} }
      : await weakSliceAdvice({ ...gate, champion: rivalOutputs }, policy.discover, columns, dataset);
  return {
    checks: [
      ...labelChecks(sample, labels),
      ...(same ? [] : reuseChecks(input.reuse, plan.spending)),
      ...(same
        ? [sameModel(candidate.artifact)]
        : [
            ...compared.map((each) => each.check),
            ...floorChecks(gate),
            ...fairness.checks,
            ...weak.checks,
            ...(champion === null ? firstModelChecks(gate, policy.allow_first === true) : []),
            ...(rival !== null && !rival.ok ? [unusableChampion(rival.message)] : []),
          ]),
    ],
    details: {
      ...detailsOf({ ...gate, champion: rivalOutputs, labels, compared }),
      ...fairness.details,
      ...weak.details,
    },
  };
}

function contestantOutputs({ result }: Contestant, task: Task, labels: Labels, rows: number): OutputsResult {
  return result.ok
    ? outputsOf(result.predictions, task, labels.classes, rows)
    : { ok: false, message: result.fault.message };
}

function fairnessOf(
  { policy, task }: EvaluateInput,
  gate: Gate & { champion: Outputs | null },
  vectors: ReadonlyMap<string, ColumnVector>,
): { checks: Check[]; details: Record<string, unknown> } {
  const { fairness } = policy;
  if (fairness === undefined) return { checks: [], details: {} };
  const texts = new Map(fairness.columns.map((name) => [name, columnTexts(vectors.get(name) as ColumnVector)]));
  const { sample, candidate, champion, plan } = gate;
  const result = fairnessChecks({
    fairness,
    task,
    sample,
    champion,
    candidate,
    alpha: plan.alpha,
    guardAlpha: plan.guardAlpha,
    seed: plan.seed,
    texts,
  });
  return { checks: result.checks, details: { fairness: result.details } };
}

async function readNeeded({ columns, dataset, policy }: EvaluateInput, plan: Plan): Promise<Map<string, ColumnVector>> {
  const slices = plan.guardrails.flatMap((guardrail) => guardrail.comparison?.slices?.definitions ?? []);
  const sensitive = policy.fairness?.columns ?? [];
  const names = [columns.label, columns.weight, columns.cluster, ...sensitive, ...sliceColumns(slices)];
  return readColumns(dataset, [...new Set(names.filter((name) => name !== undefined && name !== null))]);
}

function sampleOf(
  { columns, dataset }: EvaluateInput,
  vectors: ReadonlyMap<string, ColumnVector>,
  labels: Labels,
): Sample {
  const weightColumn = columns.weight ?? null;
  const clusterColumn = columns.cluster ?? null;
  return {
    rows: labels.truth.length,
    classes: labels.classes?.length ?? 0,
    names: labels.classes,
    truth: labels.truth,
    weights: weightColumn === null ? null : readWeights(vectors.get(weightColumn) as ColumnVector, dataset.uri),
    clusters: clusterColumn === null ? null : readClusters(vectors.get(clusterColumn) as ColumnVector, dataset.uri),
  };
}

function readWeights(vector: ColumnVector, where: string): Float64Array {
  const weights = readNumbers(vector, where);
  const negative = weights.findIndex((weight) => weight < 0);
  if (negative >= 0) {
    throw new DataError({
      found: `row ${negative + 1} has the weight ${weights[negative]} in column "${vector.name}"`,
      expected: 'weights of at least 0',
      where,
    });
  }
  if (weights.some((weight) => weight > 0)) return weights;
  throw new DataError({ found: `every weight in column "${vector.name}" is 0`, where });
}

function readClusters(vector: ColumnVector, where: string): Int32Array {
  const numbers = new Map<string, number>();
  return Int32Array.from(columnTexts(vector), (text, row) => {
    if (text === null) {
      throw new DataError({
        found: `row ${row + 1} has no cluster in column "${vector.name}"`,
        expected: 'a cluster in every row',
        where,
      });
    }
    const known = numbers.get(text);
    if (known !== undefined) return known;
    numbers.set(text, numbers.size);
    return numbers.size - 1;
  });
}

function knownClasses({ candidate, champion }: EvaluateInput): string[] {
  return [champion, candidate].flatMap((each) =>
    each !== null && each.result.ok ? (each.result.predictions.classes ?? []).map(classText) : [],
  );
}

/** The slices of each guardrail, in the order of the plan; null for those compared on the whole. */
async function sliceFamilies(
  input: EvaluateInput,
  plan: Plan,
  vectors: ReadonlyMap<string, ColumnVector>,
): Promise<(SliceRows[] | null)[]> {
  const resolve = async (definition: Slice): Promise<SliceRows[]> =>
    typeof definition !== 'string' && 'sql' in definition
      ? [await predicateRows(input.dataset, definition.name, definition.sql)]
      : columnSlices(definition, vectors);
  const families: (SliceRows[] | null)[] = [];
  // One after the other: a connection runs one query at a time.
  for (const { comparison } of plan.guardrails) {
    const resolved: SliceRows[] = [];
    for (const definition of comparison?.slices?.definitions ?? []) resolved.push(...(await resolve(definition)));
    families.push((comparison?.slices ?? null) === null ? null : resolved);
  }
  return families;
}

function candidateFault(message: string): Check {
  return {
    id: 'evaluation/candidate-predictions',
    title: "Candidate's predictions",
    verdict: 'fail',
    severity: 'block',
    message: `The candidate's predictions cannot be used: ${message}.`.replace(/\.+$/u, '.'),
    observed: message,
    required: 'a finite prediction for every row',
  };
}

function unusableChampion(message: string): Check {
  return {
    id: 'evaluation/champion',
    title: "Champion's predictions",
    verdict: 'inconclusive',
    severity: 'block',
    message: `There is a champion, but it cannot be evaluated, so nothing was compared: ${message}.`.replace(
      /\.+$/u,
      '.',
    ),
    observed: message,
    required: 'a finite prediction for every row',
  };
}

function sameModel(artifact: Artifact): Check {
  return {
    id: 'evaluation/same-model',
    title: 'Same model',
    verdict: 'pass',
    severity: 'info',
    message: `The candidate is the champion, byte for byte (sha256 ${artifact.sha256.slice(0, 12)}): there is nothing to compare.`,
    observed: artifact.sha256,
    required: 'another model',
  };
}

function labelChecks(sample: Sample, labels: Labels): Check[] {
  if (labels.classes === null) return [];
  const present = new Set(sample.truth);
  if (present.size > 1) return [];
  const only = labels.classes[sample.truth[0] as number] as string;
  return [
    {
      id: 'evaluation/labels',
      title: 'Labels',
      verdict: 'fail',
      severity: 'warn',
      message: `All ${sample.rows} labels are ${JSON.stringify(only)}: metrics that set one class against another cannot be computed.`,
      observed: 1,
      required: 'at least two classes',
    },
  ];
}
