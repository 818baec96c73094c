import type { Task } from '../../config/schema.ts';
import { nearest } from '../../config/suggest.ts';
import type { Policy, Slice } from './schema.ts';
import { readColumns, requireColumns, type ColumnVectors, type TextColumn } from '../../data/dataset.ts';
import { idsOfRows } from '../../data/row-ids.ts';
import { ConfigError, DataError, MismatchError } from '../../errors.ts';
import { reported, type Check } from '../../evidence/check.ts';
import { identityOf } from '../../evidence/decision.ts';
import type { Log } from '../../log.ts';
import type { Artifact } from '../../evidence/evidence.ts';
import { profileScores } from '../../profile/profile-scores.ts';
import type { Profile } from '../../profile/profile.ts';
import { openSqlSession, type SqlSession } from '../../sql/session.ts';
import type { Contestant, ContestantsContext, Selection, StageResult } from '../stage.ts';
import { anchorChecks, type HeldAgainst } from './anchor.ts';
import { changedRows, type ChangedRow } from './agreement.ts';
import { detailsOf } from './details.ts';
import { doubtfulLabels, type DoubtfulLabel } from './doubtful-labels.ts';
import { fairnessChecks } from './fairness.ts';
import { baselines, type Baseline } from './baselines.ts';
import { firstModelChecks } from './first-model.ts';
import { cannotCompute, comparisonChecks, floorChecks, type Compared, type Gate } from './gate.ts';
import { reuseChecks } from './holdout.ts';
import { knownClasses, labelUses, readLabels, type Labels } from './labels.ts';
import { measure } from './measure.ts';
import { inOrder, orderOfIds, outputsInOrder } from './row-order.ts';
import { sqlMetrics } from './metrics/sql.ts';
import { outputsOf, type OutputsResult } from './outputs.ts';
import { planOf, type Plan } from './plan.ts';
import { refuseAssumedOrder } from './assumed-order.ts';
import { confidenceChecks, refuseConfidences } from './confidences.ts';
import { labelScoreChecks, readingChecks, unknownValueChecks, type ReadSide } from './reading-checks.ts';
import { columnsAt, countingRows, sampleOf, sampleUses, usesOf } from './read-sample.ts';
import { countQueries } from './metrics/ranking.ts';
import { outputRows, type Outputs, type Sample, takeRows } from './sample.ts';
import {
  checkBins,
  checkPredicates,
  columnSlices,
  hasPredicates,
  isPredicate,
  placeOf,
  predicateRows,
  sliceUses,
  type SliceRows,
} from './slices.ts';
import { directionChecks } from './direction.ts';
import { featureOrderChecks } from './feature-order.ts';
import { labelOrderChecks } from './label-order.ts';
import { scaleChecks } from './scale.ts';
import { steadinessChecks } from './steadiness.ts';
import { weakSliceAdvice } from './weak-slices.ts';
import { firstOf } from '../../wording.ts';

/** What of the context the evaluation reads, and the policy to judge by. */
export interface EvaluateInput extends Pick<
  ContestantsContext,
  'task' | 'columns' | 'dataset' | 'reuse' | 'selection' | 'log' | 'signal'
> {
  policy: Policy;
  candidate: Judged;
  champion: Judged | null;
  /** The version that the policy holds candidates against beside the champion. */
  anchor?: (Judged & { version: string }) | null;
  /** Told once which rows the models decide differently, those the candidate breaks first: at most `changedRowsLimit`. */
  onChanged?: (rows: readonly ChangedRow[]) => void;
}

/** More rows than a person looks through. */
const changedRowsLimit = 100_000;

export type Judged = Pick<Contestant, 'artifact' | 'result'>;

/**
 * Judge the candidate's predictions against the champion's and the policy.
 *
 * @throws ConfigError for a policy that cannot be applied, DataError for labels or columns that cannot be used, MismatchError for a
 * candidate that does not give what the policy asks for
 */
export async function evaluate(input: EvaluateInput): Promise<StageResult> {
  const { task, columns, dataset, policy } = input;
  const { plan, checks, details } = await withSql(input, async (session) => {
    const custom =
      session === null
        ? []
        : await sqlMetrics(session, policy.metrics ?? [], { task, columns, available: dataset.columns });
    const planned = planOf(policy, task, input.reuse, custom, input.selection?.places.length);
    if (session !== null) await checkPredicates(session, policy, dataset.columns);
    return { plan: planned, ...(await judge(input, planned, session)) };
  });
  return {
    checks,
    details: {
      task,
      label: columns.label,
      rows: dataset.rows,
      alpha: plan.alpha,
      seed: plan.seed,
      reuse: input.reuse,
      ...(input.selection === undefined ? {} : { selection: input.selection }),
      ...(plan.spending.rule === null
        ? {}
        : { holdout: { rule: plan.spending.rule, policyAlpha: plan.guardAlpha, budget: plan.spending.budget } }),
      ...details,
      ...(await scoresToKeep(input)),
    },
  };
}

/** What the candidate predicts here, for later comparisons with what it predicts in production. */
async function scoresToKeep(input: EvaluateInput): Promise<{ profiles?: { scores: Profile } }> {
  const { task, columns, dataset, candidate } = input;
  const { result } = candidate;
  if (!result.ok) return {};
  const { rows, classes, scores, labels } = result.predictions;
  const { weight } = columns;
  const counting =
    weight === undefined || weight === null
      ? null
      : countingRows(await readColumns(dataset, { numbers: [weight] }), columns);
  const predicted = {
    rows: counting?.length ?? rows,
    classes: classes?.map(String) ?? null,
    scores: scores === null || counting === null ? scores : takeRows(scores, counting, scores.length / rows),
    labels: labels === null || counting === null ? labels : takeRows(labels, counting, labels.length / rows),
    multilabel: task === 'multilabel-classification',
  };
  const { uri, sha256, rows: all } = dataset;
  return { profiles: { scores: profileScores(predicted, { uri, sha256, rows: all }) } };
}

/**
 * Look at the data for what the policy names, and parse its SQL, before a model is run.
 * @throws ConfigError for SQL that may not be run, DataError for columns that are not there
 */
export async function prepareOnData(
  input: Pick<EvaluateInput, 'policy' | 'task' | 'columns' | 'dataset' | 'signal'>,
): Promise<void> {
  const { policy, task, columns, dataset } = input;
  const slices = (policy.guardrails ?? []).flatMap((guardrail) => guardrail.slices ?? []);
  const sliced = sliceUses(slices);
  requireColumns(dataset, [...sliced.texts, ...sliced.numbers, ...(policy.fairness?.columns ?? [])]);
  checkBins(policy, dataset.columns);
  await withSql(input, async (session) => {
    if (session === null) return;
    await sqlMetrics(session, policy.metrics ?? [], { task, columns, available: dataset.columns });
    await checkPredicates(session, policy, dataset.columns);
  });
}

/** SQL of the policy runs in a process of its own; null where it has none. */
async function withSql<T>(
  { policy, dataset, signal }: Pick<EvaluateInput, 'policy' | 'dataset' | 'signal'>,
  work: (session: SqlSession | null) => Promise<T>,
): Promise<T> {
  if ((policy.metrics ?? []).length === 0 && !hasPredicates(policy)) return work(null);
  const session = await openSqlSession(dataset, { signal });
  try {
    return await work(session);
  } finally {
    session.close();
  }
}

async function judge(
  input: EvaluateInput,
  plan: Plan,
  session: SqlSession | null,
): Promise<{ checks: Check[]; details: Record<string, unknown> }> {
  const { task, columns, dataset, policy, candidate, champion, anchor = null } = input;
  if (dataset.rows === 0) {
    throw new DataError({ found: 'the evaluation set has no rows', expected: 'labelled rows', where: dataset.uri });
  }
  if (!candidate.result.ok) return { checks: [candidateFault(candidate.result.fault.message)], details: {} };
  const read = await readNeeded(input, plan);
  const counting = countingRows(read, columns);
  const inFile = counting === null ? read : columnsAt(read, counting);
  const labelsInFile = readLabels(
    inFile,
    task,
    columns,
    knownClasses(
      [champion, candidate, anchor].flatMap((each) => (each?.result.ok === true ? [each.result.predictions] : [])),
    ),
    dataset.uri,
  );
  refuseBinary(task, labelsInFile);
  const outputsInFile = (judged: Judged): OutputsResult =>
    contestantOutputs(judged, task, labelsInFile, dataset.rows, counting);
  const own = outputsInFile(candidate);
  if (!own.ok && own.mismatch === true) {
    throw new MismatchError({ found: own.message, where: candidate.artifact.uri.replace(/^file:/u, '') });
  }
  if (!own.ok) return { checks: [candidateFault(own.message)], details: {} };

  // What is wrong with a row is told by its place in the file.
  const asked = { task, columns, where: dataset.uri };
  const sampleInFile = sampleOf(asked, inFile, labelsInFile);
  const order = await orderOfIds(dataset, columns.id, counting);
  const { vectors, labels } =
    order === null ? { vectors: inFile, labels: labelsInFile } : inOrder(inFile, labelsInFile, order);
  const outputsOfJudged = (judged: Judged): OutputsResult => outputsInOrder(outputsInFile(judged), order);
  const outputs = outputsInOrder(own, order) as Extract<OutputsResult, { ok: true }>;
  const dataRows =
    order === null ? counting : counting === null ? order : order.map((place) => counting[place] as number);
  const sample: Sample = {
    ...(order === null ? sampleInFile : sampleOf(asked, vectors, labels)),
    ...(dataRows === null ? {} : { dataRows }),
  };
  const same = champion !== null && identityOf(champion.artifact) === identityOf(candidate.artifact);
  if (!same) requireMeasurable({ plan, sample, candidate: outputs.outputs }, dataset.uri);
  const rival = champion === null || same ? null : outputsOfJudged(champion);
  const held = readAnchor(input, rival, outputsOfJudged);
  const alone =
    held?.same === null && held.read?.ok === true ? [{ name: 'the anchor', outputs: held.read.outputs }] : [];
  const side = (each: Judged | null, read: OutputsResult | null): ReadSide | undefined =>
    each?.result.ok === true && read?.ok === true
      ? { predictions: each.result.predictions, tied: read.tied }
      : undefined;
  const sides = { candidate: side(candidate, outputs), champion: side(champion, rival) };
  for (const [each, read] of [
    [candidate, outputs],
    [champion, rival],
    [anchor, held?.read],
  ] as const) {
    if (each?.result.ok !== true || read?.ok !== true) continue;
    const where = each.artifact.uri.replace(/^file:/u, '');
    refuseConfidences(sample, each.result.predictions, read.outputs, where);
    refuseAssumedOrder(sample, each.result.predictions, read.outputs, where);
  }
  const rivals =
    champion === null
      ? baselines(sample, plan.primary.metric, plan.seed)
      : rival !== null && rival.ok
        ? [{ name: 'the champion', outputs: rival.outputs }]
        : [];
  const families = rival === null ? [] : await sliceFamilies(session, plan, vectors, sample, input.log);
  const tried = { name: 'the candidate', outputs: outputs.outputs };
  const known = await measureAll(input, session, plan, sample, [tried, ...rivals, ...alone], families);
  const gate = { plan, sample, candidate: (known.models[0] as Baseline).outputs };
  const against = known.models.slice(1, 1 + rivals.length);
  const rivalOutputs = champion === null ? null : (against[0]?.outputs ?? null);
  const anchorOutputs = alone.length === 0 ? null : (known.models.at(-1)?.outputs ?? null);
  const compared: Compared[] = [];
  if (rivalOutputs !== null) {
    for (const each of comparisonChecks({ ...gate, champion: rivalOutputs }, known.families)) {
      input.signal?.throwIfAborted();
      compared.push(each);
    }
  }
  const fairness = fairnessOf(input, { ...gate, champion: rivalOutputs }, vectors);
  const weak =
    rivalOutputs === null || policy.discover === undefined
      ? { checks: [], details: {} }
      : await weakSliceAdvice({ ...gate, champion: rivalOutputs }, policy.discover, columns, dataset);
  if (rivalOutputs !== null && input.onChanged !== undefined) {
    const changed = changedRows(sample, rivalOutputs, outputs.outputs, labels, changedRowsLimit);
    input.onChanged(changed.map((each) => ({ ...each, row: sample.dataRows?.[each.row] ?? each.row })));
  }
  return {
    checks: [
      ...labelChecks(sample, labels),
      ...readingChecks(sample, labels, sides),
      ...confidenceChecks(sample, {
        candidate: outputs.outputs,
        champion: same ? null : rivalOutputs,
      }),
      ...labelScoreChecks(plan.primary.metric, sides),
      ...featureOrderChecks(sample, outputs.outputs, candidate.result),
      ...scaleChecks(sample, plan.primary.metric, { candidate: outputs.outputs, champion: same ? null : rivalOutputs }),
      ...directionChecks(sample, { candidate: outputs.outputs, champion: same ? null : rivalOutputs }),
      ...labelOrderChecks(sample, { candidate: outputs.outputs, champion: same ? null : rivalOutputs }),
      ...unknownValueChecks(dataset.rows, {
        candidate: candidate.result,
        champion: same ? null : (champion?.result ?? null),
      }),
      ...(same ? [] : reuseChecks(input.reuse, plan.spending)),
      ...(input.selection === undefined ? [] : [selectionCheck(input.selection, plan.primary.metric.title)]),
      ...steadinessChecks(candidate.result, same ? null : (champion?.result ?? null)),
      ...(same
        ? [sameModel(candidate.artifact)]
        : [
            ...compared.map((each) => each.check),
            ...anchorChecks(
              gate,
              held === null ? null : { ...held, outputs: held.same === 'champion' ? rivalOutputs : anchorOutputs },
              compared,
            ),
            ...floorChecks(gate),
            ...fairness.checks,
            ...weak.checks,
            ...(champion === null ? firstModelChecks(gate, policy.allow_first === true, against) : []),
            ...(rival !== null && !rival.ok ? [unusableChampion(rival.message)] : []),
          ]),
    ],
    details: {
      ...(counting === null ? {} : { rows: counting.length }),
      ...detailsOf({ ...gate, champion: rivalOutputs, labels, compared }),
      ...fairness.details,
      ...weak.details,
      ...(same || rivalOutputs === null ? {} : await doubtsOf(input, sample, rivalOutputs, outputs.outputs)),
    },
  };
}

/** Labels for a person to look at again, by id. */
async function doubtsOf(
  { dataset, columns }: EvaluateInput,
  sample: Sample,
  champion: Outputs,
  candidate: Outputs,
): Promise<{ doubtfulLabels?: Record<string, unknown> }> {
  const found = doubtfulLabels(sample, champion, candidate);
  if (found === null || found.rows === 0) return {};
  const rowOf = ({ row }: DoubtfulLabel): number => sample.dataRows?.[row] ?? row;
  const ids = await idsOfRows(dataset, columns.id, found.listed.map(rowOf));
  const listed = found.listed.map((each) => ({
    id: ids.get(rowOf(each)) ?? '',
    label: sample.names?.[each.label] ?? '',
    named: sample.names?.[each.named] ?? '',
    champion: each.champion,
    candidate: each.candidate,
  }));
  return { doubtfulLabels: { ...found, listed } };
}

/** The models and the slices with what the metrics in SQL are on them. The candidate is the first model. */
async function measureAll(
  { task, columns }: EvaluateInput,
  session: SqlSession | null,
  plan: Plan,
  sample: Sample,
  models: readonly Baseline[],
  families: readonly (SliceRows[] | null)[],
): Promise<{ models: readonly Baseline[]; families: readonly (SliceRows[] | null)[] }> {
  const metrics = plan.reported.filter((metric) => metric.kind === 'sql');
  if (metrics.length === 0 || session === null) return { models, families };
  // Only what a guardrail asks of a slice is measured on it.
  const slices = families.flatMap((family, index) => {
    const metric = plan.guardrails[index]?.metric;
    return metric?.kind === 'sql' ? (family ?? []).map((slice) => ({ slice, metrics: [metric] })) : [];
  });
  const [whole = [], ...onSlices] = await measure({
    session,
    task,
    columns,
    sample,
    sides: models.map(({ outputs }) => outputs),
    parts: [{ rows: null, metrics }, ...slices.map(({ slice, metrics: one }) => ({ rows: slice.rows, metrics: one }))],
    seed: plan.seed,
  });
  const found = new Map(slices.map(({ slice }, index) => [slice, onSlices[index] ?? []]));
  return {
    models: models.map((model, index) => {
      const measured = whole[index];
      return measured === undefined ? model : { ...model, outputs: { ...model.outputs, measured } };
    }),
    families: families.map(
      (family) =>
        family?.map((slice) => {
          const [candidate, champion] = found.get(slice) ?? [];
          return candidate === undefined || champion === undefined
            ? slice
            : { ...slice, measured: { candidate, champion } };
        }) ?? null,
    ),
  };
}

/** @param counting rows that count, of all `rows`; null: all */
export function contestantOutputs(
  { result }: Judged,
  task: Task,
  labels: Labels,
  rows: number,
  counting: Uint32Array | null,
): OutputsResult {
  if (!result.ok) return { ok: false, message: result.fault.message };
  const read = outputsOf(result.predictions, task, labels.classes, rows);
  if (!read.ok || counting === null) return read;
  return { ...read, outputs: { ...read.outputs, ...outputRows(read.outputs, { rows }, counting) } };
}

/** The anchor's answers, read once where it is one of the models that are compared. */
function readAnchor(
  { anchor = null, candidate, champion }: EvaluateInput,
  rival: OutputsResult | null,
  read: (judged: Judged) => OutputsResult,
): { version: string; same: HeldAgainst['same']; read: OutputsResult | null; fault: string | null } | null {
  if (anchor === null) return null;
  const { version, artifact } = anchor;
  const is = (other: Judged | null): boolean => other !== null && identityOf(other.artifact) === identityOf(artifact);
  if (is(candidate)) return { version, same: 'candidate', read: null, fault: null };
  const same = is(champion) ? 'champion' : null;
  const found = same === 'champion' ? rival : read(anchor);
  return { version, same, read: found, fault: found?.ok === false ? found.message : null };
}

function fairnessOf(
  { policy, task }: EvaluateInput,
  gate: Gate & { champion: Outputs | null },
  vectors: ColumnVectors,
): { checks: Check[]; details: Record<string, unknown> } {
  const { fairness } = policy;
  if (fairness === undefined) return { checks: [], details: {} };
  const texts = new Map(fairness.columns.map((name) => [name, (vectors.texts.get(name) as TextColumn).values]));
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

async function readNeeded({ task, columns, dataset, policy }: EvaluateInput, plan: Plan): Promise<ColumnVectors> {
  const slices = plan.guardrails.flatMap((guardrail) => guardrail.comparison?.slices?.definitions ?? []);
  const sensitive = { texts: policy.fairness?.columns ?? [], numbers: [] };
  return readColumns(
    dataset,
    usesOf(labelUses(task, columns), sampleUses(task, columns), sensitive, sliceUses(slices)),
  );
}

/** Two classes have metrics of their own, which know which of them is positive. */
function refuseBinary(task: Task, { classes }: Labels): void {
  if (task !== 'multiclass-classification' || classes?.length !== 2) return;
  throw new ConfigError({
    found: `there are two classes, ${classes.map((name) => JSON.stringify(name)).join(' and ')}`,
    expected: 'three or more for task: multiclass-classification',
    where: 'task',
    remedy: 'Set task: binary-classification, or list every class in columns.classes',
  });
}

/** What the policy asks for must be there to be measured, whatever the candidate is worth. */
function requireMeasurable(gate: Gate, uri: string): void {
  for (const [index, { metric, severity }] of [gate.plan.primary, ...gate.plan.guardrails].entries()) {
    const where = index === 0 ? 'policy.primary.metric' : `policy.guardrails[${index - 1}].metric`;
    const problem = cannotCompute(metric, gate.sample, gate);
    if (problem === null) continue;
    if (problem.verdict === 'fail') {
      throw new ConfigError({
        found: `${metric.title} cannot be computed: ${problem.reason}`,
        expected: `${metric.needs} for every row`,
        where,
        remedy: 'Export the model with them, name the output that holds them ({uri, output}), or choose another metric',
      });
    }
    if (severity !== 'block') continue;
    throw new DataError({
      found: `${metric.title}, which the policy uses (${where}), cannot be computed: ${problem.reason}`,
      expected: 'rows on which it can be computed',
      where: uri,
      remedy: 'Add such rows to the evaluation set, or choose another metric',
    });
  }
}

/** The slices of each guardrail, in the order of the plan; null for those compared on the whole. */
async function sliceFamilies(
  session: SqlSession | null,
  plan: Plan,
  vectors: ColumnVectors,
  sample: Sample,
  log: Log,
): Promise<(SliceRows[] | null)[]> {
  const families: (SliceRows[] | null)[] = [];
  const taken = new Map<string, Set<string>>();
  for (const [guardrail, { comparison, metric }] of plan.guardrails.entries()) {
    const names = taken.get(metric.name) ?? new Set();
    taken.set(metric.name, names);
    const resolved: SliceRows[] = [];
    for (const [index, definition] of (comparison?.slices?.definitions ?? []).entries()) {
      const where = placeOf(guardrail, index);
      const slices =
        session !== null && isPredicate(definition)
          ? [inSample(await predicateRows(session, definition, where), sample)]
          : columnSlices(definition as Exclude<Slice, { sql: string }>, vectors);
      for (const { name, rows } of slices) {
        // Values make slices of the rows that have them; a predicate may be true of none.
        if (rows.length === 0)
          log.warning(
            `slice ${JSON.stringify(name)} of ${metric.title} has no rows in the evaluation set, and is not evaluated`,
          );
        if (names.has(name)) throw twiceNamed(metric.name, name, where);
        names.add(name);
      }
      resolved.push(...slices);
    }
    requireSlices(comparison?.slices?.required ?? [], resolved, guardrail);
    families.push((comparison?.slices ?? null) === null ? null : resolved);
  }
  return families;
}

/** A slice that must be shown has rows. @throws ConfigError with the nearest there is */
function requireSlices(required: readonly string[], slices: readonly SliceRows[], guardrail: number): void {
  const there = slices.filter(({ rows }) => rows.length > 0).map(({ name }) => name);
  const absent = required.find((name) => !there.includes(name));
  if (absent === undefined) return;
  const near = nearest(absent, there);
  throw new ConfigError({
    found: `no row of the evaluation set belongs to the required slice ${JSON.stringify(absent)}`,
    expected: `one of ${firstOf(there, 10)}`,
    where: `policy.guardrails[${guardrail}].required`,
    remedy:
      near === undefined
        ? 'Correct the name, or add rows to the evaluation set'
        : `Did you mean ${JSON.stringify(near)}?`,
  });
}

/** A slice of rows of the data as rows of the sample. */
function inSample(slice: SliceRows, { dataRows }: Sample): SliceRows {
  if (dataRows === undefined) return slice;
  const members = new Set(slice.rows);
  return { ...slice, rows: Uint32Array.from(dataRows.keys()).filter((row) => members.has(dataRows[row] as number)) };
}

/** Two checks with one id could not be distinguished. */
function twiceNamed(metric: string, slice: string, where: string): ConfigError {
  return new ConfigError({
    found: `two slices of ${metric} are named ${slice}`,
    expected: 'slices with different names',
    where,
    remedy: 'Give the predicate another name',
  });
}

function candidateFault(fault: string): Check {
  const said = { title: "Candidate's predictions", verdict: 'fail' } as const;
  return unusable('candidate-predictions', said, "The candidate's predictions cannot be used", fault);
}

function unusableChampion(fault: string): Check {
  const said = { title: "Champion's predictions", verdict: 'inconclusive' } as const;
  return unusable('champion', said, 'There is a champion, but it cannot be evaluated, so nothing was compared', fault);
}

function unusable(name: string, said: Pick<Check, 'title' | 'verdict'>, what: string, fault: string): Check {
  const message = `${what}: ${fault}.`.replace(/\.+$/u, '.');
  const required = 'a finite prediction for every row';
  return { id: `evaluation/${name}`, ...said, severity: 'block', message, observed: fault, required };
}

/** The best of many looks better than it is: how many there were, and what that costs, is said. */
function selectionCheck({ places, alpha }: Selection, metric: string): Check {
  const judged = places.filter(({ value }) => value !== null).length;
  const message = `Chosen among ${places.length} candidates by ${metric}${judged < places.length ? `, ${places.length - judged} of which could not be judged` : ''}: to allow for this choice, its tests use alpha ${Number(alpha.toPrecision(3))}, the alpha of the policy divided by ${places.length}.`;
  return reported('evaluation/selection', 'Choice of the candidate', message, places.length);
}

function sameModel(artifact: Artifact): Check {
  const message = `The candidate is the champion, byte for byte (sha256 ${artifact.sha256.slice(0, 12)}): there is nothing to compare.`;
  return { ...reported('evaluation/same-model', 'Same model', message, artifact.sha256), required: 'another model' };
}

function labelChecks(sample: Sample, labels: Labels): Check[] {
  if (sample.queries !== undefined) return uncountedQueries(sample);
  const found = constantLabels(sample, labels);
  return found === null ? [] : [{ id: 'evaluation/labels', title: 'Labels', severity: 'warn', ...found }];
}

type Found = Pick<Check, 'verdict' | 'message' | 'observed' | 'required'>;

function constantLabels({ rows, truth, labels: width = 1 }: Sample, { classes }: Labels): Found | null {
  if (classes === null) return null;
  if (width > 1) {
    const constant = classes.filter((_, label) =>
      truth.every((value, at) => at % width !== label || value === truth[label]),
    );
    if (constant.length === 0) return null;
    return {
      verdict: 'fail',
      message: `In all ${rows} rows each of these labels has the same value: ${constant.map((name) => JSON.stringify(name)).join(', ')}. Metrics that compare rows with and without a label cannot be computed for them.`,
      observed: constant.length,
      required: 'rows with and rows without each label',
    };
  }
  if (new Set(truth).size > 1) return null;
  return {
    verdict: 'fail',
    message: `All ${rows} labels are ${JSON.stringify(classes[truth[0] as number])}: metrics that compare classes cannot be computed.`,
    observed: 1,
    required: 'at least two classes',
  };
}

/** Queries whose order cannot be right or wrong are no mistake, but what is left must be known. */
function uncountedQueries(sample: Sample): Check[] {
  const { queries, counted, oneRow, noneRelevant } = countQueries(sample);
  if (counted === queries) return [];
  return [
    {
      id: 'evaluation/queries',
      title: 'Queries that count',
      verdict: counted === 0 ? 'fail' : 'pass',
      severity: 'warn',
      message: `${counted} of ${queries} queries count: ${oneRow} have only one row and ${noneRelevant} no relevant row, so their order makes no difference.`,
      observed: counted,
      required: null,
    },
  ];
}
