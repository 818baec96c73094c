import { ageFault } from '../../config/index.ts';
import { shareOf } from '../../config/quantity.ts';
import { datasetSubject, type Dataset } from '../../data/dataset.ts';
import { DataError, instead, UsageError } from '../../errors.ts';
import type { Check, Evidence, RegistryHistory } from '../../evidence/index.ts';
import { readShards } from '../../model/shards.ts';
import { monitoredOf, type Batch } from '../../monitor/schema.ts';
import { categoricalValues, numericValues, presentOf } from '../../profile/column-drift.ts';
import type { CategoricalValues, ColumnValues } from '../../profile/column-drift.ts';
import { distinctNumbers } from '../../profile/same-numbers.ts';
import { defaultDriftLimits, driftOf } from '../../profile/drift.ts';
import { wilson } from '../../statistics/proportions.ts';
import { prepareOut, writeEvidence } from '../gate/output.ts';
import type { Workspace } from '../workspace.ts';
import { championNow, predictWithChampion } from './champion-predictions.ts';
import {
  categoriesIn,
  classNamed,
  hasColumn,
  idsToJoin,
  numbersOf,
  rowsOf,
  textsOf,
  timesIn,
  withLogs,
} from './logs.ts';
import { count, percent } from '../../wording.ts';

/**
 * Judge predictions that were computed before they are asked for, before they are published: are they of the rows that were to be
 * predicted, of the champion, fresh, and of the shape they always had? Writes `evidence/batch.json`.
 * @throws UsageError where the configuration asks for none
 */
export async function checkBatch(
  workspace: Workspace,
  view: RegistryHistory,
  { now, modelDigest }: { now: Date; modelDigest?: string | undefined },
): Promise<Evidence> {
  const { batch } = monitoredOf(workspace.modelConfig);
  if (batch === undefined) {
    throw new UsageError({
      found: 'there is no batch section',
      expected: 'batch: { predictions: file, input: file }',
      where: `models.${workspace.model}`,
      remedy: 'See docs/monitoring.md',
    });
  }
  await prepareOut(workspace);
  const startedAt = new Date();
  return withLogs(workspace, { name: 'batch', uri: batch.predictions, key: 'batch.predictions' }, (predictions) =>
    withLogs(workspace, { name: 'input', uri: batch.input, key: 'batch.input' }, async (input) => {
      const reference = await referenceOf(workspace, view, batch);
      const columns = columnsOf(workspace, batch, predictions);
      const checks = [
        ...(await rowChecks(predictions, input, batch, workspace)),
        ...(await contentChecks(predictions, columns, reference, batch)),
        await modelCheck(predictions, batch, await championNow(workspace, view), modelDigest ?? null),
        ...(await ageChecks(predictions, batch, now)),
      ];
      workspace.signal?.throwIfAborted();
      await workspace.inputs.verify();
      const named = (name: string, datasets: readonly Dataset[]): [string, ReturnType<typeof datasetSubject>][] =>
        datasets.map((dataset, index) => [
          datasets.length === 1 ? name : `${name} ${index + 1}`,
          datasetSubject(dataset),
        ]);
      const datasets = Object.fromEntries([...named('batch', predictions), ...named('input', input)]);
      const details = { reference: reference.from, columns };
      return writeEvidence(workspace, { kind: 'batch', subjects: { datasets }, startedAt, checks, details });
    }),
  );
}

interface Columns {
  /** Null: there are scores alone. */
  prediction: string | null;
  scores: string[];
}

function columnsOf({ modelConfig: { task } }: Workspace, batch: Batch, predictions: readonly Dataset[]): Columns {
  const prediction = batch.prediction ?? (hasColumn(predictions, 'prediction') ? 'prediction' : null);
  const scores = [batch.score ?? (hasColumn(predictions, 'score') ? ['score'] : [])].flat();
  const missing = [...(prediction === null ? [] : [prediction]), ...scores].find(
    (name) => !hasColumn(predictions, name),
  );
  if (missing === undefined && (prediction !== null || scores.length > 0)) return { prediction, scores };
  throw new DataError({
    found:
      missing === undefined ? 'neither a column prediction nor a column score' : `no column ${JSON.stringify(missing)}`,
    expected: `a column with the predictions (${task})`,
    where: predictions[0]?.uri,
    remedy: 'Name the columns: batch.prediction, batch.score',
  });
}

/** Rows in are rows out, each once. */
async function rowChecks(
  predictions: readonly Dataset[],
  input: readonly Dataset[],
  batch: Batch,
  { modelConfig }: Workspace,
): Promise<Check[]> {
  const id = batch.id ?? modelConfig.columns.id;
  const [out, into] = await idsToJoin({ datasets: predictions, id }, { datasets: input, id });
  const twice = repeated(out);
  const [there, wanted] = [new Set(out), new Set(into)];
  const lost = [...wanted].filter((each) => !there.has(each));
  const extra = [...there].filter((each) => !wanted.has(each));
  const example = (ids: readonly (string | null)[]): string => (ids.length === 0 ? '' : `, such as ${shown(ids, 3)}`);
  const inputTwice = repeated(into);
  return [
    batchCheck(
      batch,
      'rows',
      'Same number of rows in input and output',
      out.length === into.length && into.length > 0,
      {
        message:
          into.length === 0
            ? 'the input has no row'
            : `${count(out.length)} rows were predicted of ${count(into.length)} in ${batch.input}`,
        observed: out.length,
        required: into.length,
        unit: 'rows',
      },
    ),
    batchCheck(batch, 'ids-unique', 'Each id once', twice.length === 0 && !out.includes(null), {
      message: out.includes(null)
        ? `a row has no ${id}`
        : twice.length === 0
          ? `no ${id} occurs twice`
          : `${count(twice.length)} ids occur more than once${example(twice)}`,
      ...atMost(twice.length, 0, 'ids'),
    }),
    batchCheck(batch, 'ids', 'The ids of the input', lost.length + extra.length + inputTwice.length === 0, {
      message:
        inputTwice.length > 0
          ? `${count(inputTwice.length)} ids occur more than once in ${batch.input}${example(inputTwice)}: predictions cannot be assigned to rows`
          : lost.length + extra.length === 0
            ? 'every row of the input has its prediction'
            : `${count(lost.length)} rows of the input have no prediction${example(lost)}; ${count(extra.length)} predictions belong to other rows${example(extra)}`,
      ...atMost(lost.length + extra.length, 0, 'ids'),
    }),
  ];
}

interface Reference {
  /** Where it is from, for people. */
  from: string;
  classes: CategoricalValues | null;
  scores: ReadonlyMap<string, ColumnValues>;
}

async function referenceOf(workspace: Workspace, view: RegistryHistory, batch: Batch): Promise<Reference> {
  if (batch.reference !== undefined) {
    const { reference: uri } = batch;
    return withLogs(workspace, { name: 'reference', uri, key: 'batch.reference' }, async (datasets) => {
      const { prediction, scores } = columnsOf(workspace, batch, datasets);
      const values = new Map<string, ColumnValues>();
      for (const name of scores) values.set(name, numericValues(await numbersOf(datasets, name)));
      return { from: uri, classes: await predicted(workspace, datasets, prediction), scores: values };
    });
  }
  const { classes, scores } = await predictWithChampion(workspace, view);
  const name = [batch.score ?? 'score'].flat();
  const regression = isRegression(workspace);
  const values = new Map<string, ColumnValues>();
  // Of several scores the evaluation set tells only the highest: they are not compared.
  if (scores !== null && name.length === 1) values.set(name[0] as string, numericValues(scores));
  if (regression && scores !== null && batch.prediction !== undefined)
    values.set(batch.prediction, numericValues(scores));
  return {
    from: 'the champion on the evaluation set',
    classes: regression ? null : categoricalValues(classes.map(classNamed)),
    scores: values,
  };
}

function isRegression({ modelConfig: { task } }: Workspace): boolean {
  return task === 'regression' || task === 'ranking';
}

async function predicted(
  workspace: Workspace,
  datasets: readonly Dataset[],
  prediction: string | null,
): Promise<CategoricalValues | null> {
  return prediction === null || isRegression(workspace) ? null : await classesIn(datasets, prediction);
}

async function classesIn(datasets: readonly Dataset[], name: string): Promise<CategoricalValues> {
  return categoricalValues(await categoriesIn(datasets, { name, as: 'classes' }));
}

/** Missing values, constants, and the shares of classes and scores against the reference. */
async function contentChecks(
  predictions: readonly Dataset[],
  { prediction, scores }: Columns,
  reference: Reference,
  batch: Batch,
): Promise<Check[]> {
  const rows = rowsOf(predictions);
  const checks: Check[] = [];
  const allowed = limit(batch.max_missing, 0, 'max_missing');
  const add = (name: string, values: ColumnValues): void => {
    const infinite = values.kind === 'number' ? values.infinite.negative + values.infinite.positive : 0;
    const share = rows === 0 ? 1 : (values.missing + infinite) / rows;
    const infiniteText = infinite === 0 ? '' : `, ${count(infinite)} an infinite one`;
    checks.push(
      batchCheck(batch, `missing/${name.slice(0, 200)}`, `Rows without ${name}`, share <= allowed, {
        message: `${count(values.missing)} of ${count(rows)} rows have no ${name}${infiniteText}`,
        ...atMost(share, allowed, 'share'),
      }),
    );
    const distinct = distinctOf(values);
    const before = values.kind === 'category' ? reference.classes : reference.scores.get(name);
    const expected = before === null || before === undefined ? 2 : Math.min(2, distinctOf(before));
    const present = presentOf(values);
    const varies = present < 2 ? null : distinct >= expected;
    checks.push(
      batchCheck(batch, `constant/${name.slice(0, 200)}`, `${name} is not constant`, varies, {
        message:
          present < 2
            ? 'fewer than two values, too few to check'
            : distinct >= 2
              ? `${count(distinct)} different values`
              : `all ${count(present)} values are the same, ${expected < 2 ? 'as in' : 'which they are not in'} ${reference.from}`,
        observed: distinct,
        required: expected,
        limit: 'at least',
        unit: 'values',
      }),
    );
  };
  if (prediction !== null) {
    const values =
      reference.scores.has(prediction) || reference.classes === null
        ? numericValues(await numbersOf(predictions, prediction))
        : await classesIn(predictions, prediction);
    add(prediction, values);
    if (values.kind === 'category' && reference.classes !== null)
      checks.push(...shareChecks(values, reference.classes, batch));
    else if (reference.scores.has(prediction)) checks.push(...driftChecks(prediction, values, reference, batch));
  }
  for (const name of scores) {
    const values = numericValues(await numbersOf(predictions, name));
    add(name, values);
    checks.push(...driftChecks(name, values, reference, batch));
  }
  return checks;
}

/** A class whose share changed by more than is allowed, and by more than chance: its bounds lie beyond. */
function shareChecks(values: CategoricalValues, before: CategoricalValues, batch: Batch): Check[] {
  const most = limit(batch.max_share_change, 0.1, 'max_share_change');
  const [n, m] = [presentOf(before), presentOf(values)];
  const names = [...new Set([...before.counts.keys(), ...values.counts.keys()])].sort();
  const title = 'Shares of the predicted classes';
  if (n === 0 || m === 0) {
    const message = 'one side has no predicted classes';
    return [batchCheck(batch, 'shares', title, null, { message, observed: null, required: most })];
  }
  const changes = names.map((name) => {
    const [a, b] = [(before.counts.get(name) ?? 0) / n, (values.counts.get(name) ?? 0) / m];
    // Newcombe's bounds of a difference of shares, at .001 over all classes.
    const alpha = 0.001 / names.length;
    const [was, is] = [wilson(a * n, n, alpha), wilson(b * m, m, alpha)];
    const sure =
      b > a
        ? b - a - Math.sqrt((b - is.lower) ** 2 + (was.upper - a) ** 2)
        : a - b - Math.sqrt((is.upper - b) ** 2 + (a - was.lower) ** 2);
    return {
      name,
      a,
      b,
      change: Math.abs(b - a),
      fresh: !before.counts.has(name),
      beyond: Math.abs(b - a) > most && sure > 0,
    };
  });
  const worst = changes.toSorted(
    (x, y) => Number(y.beyond) - Number(x.beyond) || y.change - x.change,
  )[0] as (typeof changes)[number];
  const fresh = changes.filter((each) => each.fresh).map(({ name }) => name);
  return [
    batchCheck(batch, 'shares', title, !worst.beyond, {
      message: `class ${JSON.stringify(worst.name.slice(0, 80))}: ${percent(worst.a, 3)} in the reference, ${percent(worst.b, 3)} here`,
      ...atMost(worst.change, most, 'share'),
    }),
    batchCheck(batch, 'classes', 'Known classes', fresh.length === 0, {
      message:
        fresh.length === 0
          ? 'every predicted class is in the reference'
          : `predicted, and not in the reference: ${shown(fresh, 5)}`,
      ...atMost(fresh.length, 0, 'classes'),
      // A rare class need not be in a small evaluation set.
      severity: 'warn',
    }),
  ];
}

function driftChecks(name: string, current: ColumnValues, { scores }: Reference, batch: Batch): Check[] {
  const reference = scores.get(name);
  if (reference === undefined) return [];
  const limits = {
    ...defaultDriftLimits,
    alpha: 0.001,
    maxPsi: batch.max_psi ?? defaultDriftLimits.maxPsi,
    minRows: 30,
  };
  const [found] = driftOf([{ name, reference, current }], limits);
  const psi = found?.tests.find(({ of }) => of === 'distribution');
  const passed = psi === undefined ? null : psi.verdict !== 'fail';
  return [
    batchCheck(batch, `scores/${name.slice(0, 200)}`, `Distribution of ${name}`, passed, {
      message:
        psi === undefined
          ? `too few values to compare (${found?.values.join(' and ') ?? ''}; 30 needed on each side)`
          : `corrected PSI ${psi.effect.toFixed(3)} against the reference, at most ${limits.maxPsi}`,
      ...atMost(psi?.effect ?? null, limits.maxPsi),
    }),
  ];
}

/** Whose predictions they are. What does not say it cannot be published. */
async function modelCheck(
  predictions: readonly Dataset[],
  batch: Batch,
  champion: { version: string | null; sha256: string } | null,
  stated: string | null,
): Promise<Check> {
  const check = (passed: boolean | null, observed: string | null, message: string): Check =>
    batchCheck(batch, 'model', 'Predicted by the champion', passed, {
      message,
      observed,
      required: champion?.sha256 ?? null,
    });
  if (champion === null)
    return check(null, null, 'no champion is recorded, so the model of the predictions cannot be checked');
  const { version: named, sha256 } = champion;
  const names = new Set([sha256, ...(named === null ? [] : [named, `v${named}`])]);
  const expected = `the champion ${named ?? ''} ${sha256.slice(0, 12)}`.replace('  ', ' ');
  const said = await modelsIn(predictions, batch, stated);
  if (said.length === 0) {
    return check(
      null,
      null,
      'the file does not state which model predicted it: name the column (batch.model), pass the digest (--model-digest), or predict with contender predict',
    );
  }
  const others = said.filter((each) => !names.has(each));
  const observed = said.length === 1 ? (said[0] as string) : `${said.length} models`;
  if (others.length === 0) return check(true, observed, `${expected} predicted every row`);
  return check(false, observed, `predicted by ${shown(others, 3)}; expected ${expected}`);
}

async function modelsIn(predictions: readonly Dataset[], { model }: Batch, stated: string | null): Promise<string[]> {
  const found = stated === null ? [] : [stated];
  if (model !== undefined) {
    return [...new Set([...found, ...(await textsOf(predictions, model)).map((each) => each ?? 'nothing')])];
  }
  for (const { path, uri, format } of predictions) {
    if (format !== 'parquet') continue;
    // A file of another program has no word of ours, which is no fault of it.
    const shards = await readShards(path, uri).catch(instead(DataError, []));
    found.push(...shards.map(({ provenance }) => provenance.model));
  }
  return [...new Set(found)];
}

async function ageChecks(predictions: readonly Dataset[], batch: Batch, now: Date): Promise<Check[]> {
  const { time, max_age: maximum } = batch;
  if (maximum === undefined) return [];
  if (time === undefined) {
    throw new UsageError({
      found: 'batch.max_age is set without batch.time',
      expected: 'batch.time: the column with the prediction time of a row',
      where: 'batch.time',
    });
  }
  let [oldest, newest] = [Infinity, -Infinity];
  for (const each of await timesIn(predictions, time)) {
    oldest = Math.min(oldest, each);
    newest = Math.max(newest, each);
  }
  const iso = (at: number): string => new Date(at).toISOString();
  const check = (passed: boolean | null, observed: string | null, message: string): Check =>
    batchCheck(batch, 'age', 'Freshness', passed, { message, observed, required: maximum });
  if (!Number.isFinite(oldest)) return [check(null, null, 'there is no row')];
  const fault = ageFault(iso(oldest), now, maximum) ?? ageFault(iso(newest), now, maximum);
  const span = `predicted from ${iso(oldest)} to ${iso(newest)}`;
  return [check(fault === null, iso(oldest), fault === null ? span : `${span}: ${fault}`)];
}

/** A check that blocks. @param passed null: it cannot be told */
function batchCheck(
  { predictions }: Batch,
  name: string,
  title: string,
  passed: boolean | null,
  found: Pick<Check, 'message' | 'observed' | 'required'> & Partial<Check>,
): Check {
  const verdict = passed === null ? 'inconclusive' : passed ? 'pass' : 'fail';
  return { id: `batch/${name}`, title, verdict, severity: 'block', ...found, location: { file: predictions } };
}

/** An amount and the most of it that passes. */
function atMost(
  observed: number | null,
  required: number,
  unit?: string,
): Pick<Check, 'observed' | 'required' | 'limit' | 'unit'> {
  const found = { observed, required, limit: 'at most' as const };
  return unit === undefined ? found : { ...found, unit };
}

function limit(stated: number | string | undefined, fallback: number, key: string): number {
  return stated === undefined ? fallback : shareOf(stated, key.replaceAll('_', ' '), 'bound', `batch.${key}`);
}

/** The first few of them, for people. */
function shown(texts: readonly (string | null)[], most: number): string {
  const first = texts.slice(0, most).map((each) => JSON.stringify(each?.slice(0, 80) ?? null));
  return first.join(', ');
}

function repeated(values: readonly (string | null)[]): (string | null)[] {
  const [seen, twice] = [new Set<string | null>(), new Set<string | null>()];
  for (const value of values) (seen.has(value) ? twice : seen).add(value);
  return [...twice];
}

/** Different values, of which numbers that are all but equal are one, as where drift is measured. */
function distinctOf(values: ColumnValues): number {
  if (values.kind === 'category') return values.counts.size;
  return distinctNumbers(values.sorted);
}
