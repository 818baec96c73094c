import { labelColumns } from '../../config/index.ts';
import { shareOf } from '../../config/quantity.ts';
import type { Check } from '../../evidence/check.ts';
import { compareColumn, defaultDriftLimits, judgeColumns } from '../../profile/drift.ts';
import type { ComparedColumn, DriftLimits, JudgedTest, TestedColumn } from '../../profile/drift.ts';
import type { StageContext } from '../stage.ts';
import { checkId, located } from './check-id.ts';
import {
  aTime,
  comparableColumns,
  nearlyAllDifferent,
  pairsOfValues,
  type ComparableColumns,
  type Side,
} from './drift-columns.ts';
import { columnDetails, type ColumnDetails } from './drift-details.ts';
import { multivariateDrift, type MultivariateDetails } from './drift-multivariate.ts';
import type { Drift } from './schema.ts';
import { rowsOf, showColumn, showValue } from './show.ts';
import { count, percent, rounded, firstOf, counted } from '../../wording.ts';

/** One comparison of the reference data with others, as the evidence keeps it. */
export interface ComparisonDetails {
  reference: { rows: number };
  current: { dataset: string; rows: number };
  limits: DriftLimits;
  columns: Record<string, ColumnDetails & { part?: Part }>;
  /** Of all columns together, where both sides have rows enough. */
  together?: MultivariateDetails;
  leftOut: { name: string; why: string }[];
  onlyIn: { reference: string[]; current: string[] };
}

type DriftInput = Pick<StageContext, 'config' | 'datasets' | 'log' | 'signal'> &
  Partial<Pick<StageContext, 'profiles'>>;

/** Of columns that are no input. */
type Part = 'label' | 'prediction';

/** How a column is told, beside what was found of it. */
interface Told {
  tested: TestedColumn;
  note?: string | undefined;
  /** Of categories that the reference has none of, the most frequent. */
  fresh: string[];
}

/**
 * Compare the reference data with the datasets that the settings name: a check of each comparison, and one of each column that
 * changed, with all values in `details`, by comparison such as `reference_vs_current`.
 */
export async function driftChecks(
  input: DriftInput,
  settings: Drift,
): Promise<{ checks: Check[]; details: Record<string, ComparisonDetails> }> {
  const limits = driftLimits(settings);
  const all: Check[] = [];
  const details: Record<string, ComparisonDetails> = {};
  const sides: Readonly<Record<string, Side>> = { ...input.datasets, ...input.profiles };
  const { reference } = sides;
  const labels = new Set(labelColumns(input.config.columns));
  const predicted = new Set(Object.values(settings.predictions ?? {}));
  const partOf = (name: string): Part | null =>
    labels.has(name) ? 'label' : predicted.has(name) ? 'prediction' : null;
  for (const name of settings.against ?? (['current', 'evaluation'] as const)) {
    const current = sides[name];
    if (reference === undefined || current === undefined) continue;
    const { told, columns, texts } = await compare(reference, current, settings, limits, input);
    const severity = settings.severity ?? 'block';
    const checks = [
      wholeCheck(current, told, limits, severity),
      ...textsCheck(current, texts),
      ...told.flatMap((each) => columnCheck(current, each, told.length, { severity, part: partOf(each.tested.name) })),
    ];
    const together = await multivariateDrift(reference, current, columns.compared, {
      columns: input.config.columns,
      settings,
    });
    if (together !== null) checks.push(together.check);
    if (settings.columns === undefined || settings.columns === '*') checks.push(...aloneCheck(current, columns));
    all.push(...located(checks, current));
    details[`reference_vs_${name}`] = {
      reference: { rows: reference.rows },
      current: { dataset: name, rows: current.rows },
      limits,
      // As own properties, whatever the columns are called.
      columns: Object.fromEntries(
        told.map(({ tested, note }) => {
          const part = partOf(tested.name);
          return [tested.name, { ...columnDetails(tested, note), ...(part === null ? {} : { part }) }];
        }),
      ),
      ...(together === null ? {} : { together: together.details }),
      leftOut: columns.leftOut,
      onlyIn: columns.alone,
    };
  }
  return { checks: all, details };
}

/** @throws ConfigError for a share that is none */
function driftLimits({ alpha, max_psi, max_missing_change, max_new_categories, min_rows }: Drift): DriftLimits {
  const share = (stated: number | string | undefined, what: string, key: string, fallback: number): number =>
    stated === undefined ? fallback : shareOf(stated, what, 'bound', `data.drift.${key}`);
  return {
    alpha: alpha ?? defaultDriftLimits.alpha,
    maxPsi: max_psi ?? defaultDriftLimits.maxPsi,
    maxMissing: share(
      max_missing_change,
      'a change of missing values',
      'max_missing_change',
      defaultDriftLimits.maxMissing,
    ),
    maxNewCategories: share(
      max_new_categories,
      'new categories',
      'max_new_categories',
      defaultDriftLimits.maxNewCategories,
    ),
    minRows: min_rows ?? defaultDriftLimits.minRows,
  };
}

async function compare(
  reference: Side,
  current: Side,
  { columns: asked = '*', labels = true, predictions = {} }: Drift,
  limits: DriftLimits,
  { config, log, signal }: DriftInput,
): Promise<{ told: Told[]; columns: ComparableColumns; texts: string[] }> {
  const { columns: roles, task } = config;
  const columns = comparableColumns(reference, current, asked, { columns: roles, task, labels, predictions });
  const compared: ComparedColumn[] = [];
  const said: Omit<Told, 'tested'>[] = [];
  const texts: string[] = [];
  let done = 0;
  for await (const { column, unjudged, times, ...values } of pairsOfValues(
    reference,
    current,
    columns.compared,
    asked,
  )) {
    signal?.throwIfAborted();
    log.progress(`Columns of the ${current.name} data compared`, ++done, columns.compared.length);
    // Formats without times write them as texts.
    if (times && asked === '*') {
      columns.leftOut.push({ name: column.name, why: aTime });
      columns.compared = columns.compared.filter((each) => each !== column);
      continue;
    }
    const { reference: before, current: now } = values;
    const isCounted = before !== null && now !== null;
    if (!isCounted && unjudged === null) {
      texts.push(column.name);
      columns.leftOut.push({ name: column.name, why: 'too many different texts to be categories' });
      continue;
    }
    const found = isCounted ? compareColumn(column.name, before, now, limits) : withoutTests(column.name);
    const different = column.texts !== undefined && nearlyAllDifferent(before, now) && !found.tooFew;
    if (unjudged === null && different) texts.push(column.name);
    const why = unjudged ?? (different ? noCategories : null);
    compared.push(why === null ? found : { ...found, unjudged: why });
    said.push({ note: why ?? column.note, fresh: freshCategories(found) });
  }
  const told = judgeColumns(compared, limits).map((tested, index) => ({ tested, fresh: [], ...said[index] }));
  return { told, columns, texts };
}

const noCategories = 'nearly every text is different, so they are not categories';

/** A column of which there are more values than are counted. */
function withoutTests(name: string): ComparedColumn {
  return { name, values: [0, 0], missing: [0, 0], drift: null, tests: [], tooFew: false };
}

/** Texts that are no categories: nothing is known of how they are distributed. */
function textsCheck(current: Side, names: readonly string[]): Check[] {
  if (names.length === 0) return [];
  return [
    {
      id: `data/drift-texts/${current.name}`,
      title: `Texts of the ${current.name} data that are not categories`,
      verdict: 'inconclusive',
      severity: 'warn',
      message: `drift of ${firstOf(names.map(showColumn), 10, 'columns')} cannot be tested: nearly every text is different. List the other columns in data.drift.columns, or add columns with relevant properties, such as the length of a text`,
      observed: null,
      required: null,
    },
  ];
}

/** Enough to recognise them by, and not so few rows that a value would tell of one person. */
function freshCategories({ drift }: ComparedColumn): string[] {
  if (drift?.bins.categories === undefined) return [];
  const { categories, reference, current } = drift.bins;
  return categories
    .map((name, index) => ({ name, before: reference[index] ?? 0, now: current[index] ?? 0 }))
    .filter(({ before, now }) => before === 0 && now >= 5)
    .sort((a, b) => b.now - a.now)
    .slice(0, 3)
    .map(({ name }) => name);
}

function wholeCheck(current: Side, told: readonly Told[], limits: DriftLimits, severity: 'block' | 'warn'): Check {
  const of = (verdict: TestedColumn['verdict']): Told[] => told.filter(({ tested }) => tested.verdict === verdict);
  // Of texts that are no categories a check of their own tells.
  const open = of('inconclusive').filter(({ tested }) => tested.unjudged !== noCategories);
  const judged = told.filter(({ tested }) => tested.unjudged !== noCategories);
  const [failed, warned] = [of('fail'), of('warn')];
  const check = {
    id: `data/drift/${current.name}`,
    title: `Columns of the ${current.name} data that drifted from the reference data`,
    severity,
    observed: failed.length,
    required: 0,
    limit: 'at most' as const,
    unit: 'columns',
  };
  const worst = byEffect(failed.length > 0 ? failed : judged.length > 0 ? judged : told)[0];
  const all = counted(told.length, 'columns');
  if (worst === undefined) {
    return {
      ...check,
      verdict: 'inconclusive',
      observed: null,
      message: 'the datasets have no column in common to compare',
    };
  }
  const example = sentence(worst, told.length);
  if (failed.length > 0) {
    const message = `${count(failed.length)} of ${all} drifted${failed.length === 1 ? '' : ', the most'}: ${example}`;
    return { ...check, verdict: 'fail', message };
  }
  if (open.length > 0) {
    const [first] = open as [Told];
    const unjudged = open.find(({ tested }) => tested.unjudged !== undefined);
    if (unjudged !== undefined) {
      const others = open.length > 1 ? ` (and ${count(open.length - 1)} more)` : '';
      const message = `${count(open.length)} of ${all} cannot be compared: ${showColumn(unjudged.tested.name)}${others}: ${unjudged.note ?? ''}`;
      return { ...check, verdict: 'inconclusive', observed: null, message };
    }
    const fewest = Math.min(...first.tested.values);
    const message = `${open.length === told.length ? '' : `${count(open.length)} of `}${all} cannot be tested, such as ${showColumn(first.tested.name)}: ${count(fewest)} value${fewest === 1 ? '' : 's'} on one side, at least ${count(limits.minRows)} needed (data.drift.min_rows)`;
    return { ...check, verdict: 'inconclusive', observed: null, message };
  }
  const warnings = warned.length === 0 ? '' : `, ${count(warned.length)} with a warning (more than half of the limit)`;
  return { ...check, verdict: 'pass', message: `none of ${all} drifted${warnings}; the largest change: ${example}` };
}

function columnCheck(
  current: Side,
  each: Told,
  columns: number,
  { severity, part }: { severity: 'block' | 'warn'; part: Part | null },
): Check[] {
  const { name, verdict } = each.tested;
  if (verdict !== 'warn' && verdict !== 'fail') return [];
  const { of, effect, threshold } = worstTest(each.tested) as JudgedTest;
  const note = each.note === undefined ? '' : ` (${each.note})`;
  return [
    {
      id: checkId(`data/drift/${current.name}/${name}`),
      title: `Drift of ${part === null ? '' : `the ${part} `}${showColumn(name)} in the ${current.name} data`,
      verdict: 'fail',
      severity: verdict === 'warn' ? 'warn' : severity,
      message: `${sentence(each, columns)}${note}`,
      observed: effect,
      // Of a warning the effect is beyond the half of it.
      required: verdict === 'warn' ? threshold / 2 : threshold,
      limit: 'at most',
      ...(of === 'distribution' ? {} : { unit: 'share' }),
    },
  ];
}

/** Columns that one side has alone. Whether a column must be there, the contract says. */
function aloneCheck(current: Side, { alone }: ComparableColumns): Check[] {
  const lists = [
    { where: 'the reference data', names: alone.reference },
    { where: `the ${current.name} data`, names: alone.current },
  ].filter(({ names }) => names.length > 0);
  if (lists.length === 0) return [];
  const shown = lists.map(({ where, names }) => `only in ${where}: ${firstOf(names.map(showColumn), 10, 'columns')}`);
  return [
    {
      id: `data/drift-columns/${current.name}`,
      title: `Columns that only the reference data or only the ${current.name} data have`,
      verdict: 'fail',
      severity: 'warn',
      message: shown.join('; '),
      observed: alone.reference.length + alone.current.length,
      required: 0,
      limit: 'at most',
      unit: 'columns',
    },
  ];
}

/** "word_free: PSI 0.24 (corrected 0.23), at most 0.2; p < 0.001 over 60 columns". */
function sentence({ tested, fresh }: Told, columns: number): string {
  const test = worstTest(tested);
  const name = showColumn(tested.name);
  const { missing, values } = tested;
  if (test === undefined) {
    return `${name}: ${rowsOf(Math.min(...values))} with a value on one side, too few to compare`;
  }
  const p = test.adjustedP < 0.001 ? 'p < 0.001' : `p = ${test.adjustedP.toPrecision(2)}`;
  const ending = `; ${p} over ${counted(columns, 'columns')}`;
  if (test.of === 'distribution') {
    const limit =
      test.verdict === 'warn' ? `more than half of the limit ${test.threshold}` : `at most ${test.threshold}`;
    return `${name}: PSI ${short(test.psi ?? 0)} (corrected ${effectText(test)}), ${limit}${ending}`;
  }
  if (test.of === 'missing') {
    const [before, now] = missing.map((rows, side) => percent(rows / (rows + (values[side] ?? 0)), 3));
    return `${name}: ${before} of the values missing in the reference data, ${now} here, a change of at most ${rounded(100 * test.threshold, 3)} points${ending}`;
  }
  const such = fresh.length === 0 ? '' : ` such as ${fresh.map(showValue).join(', ')}`;
  return `${name}: ${percent(test.effect, 3)} of the rows in new categories${such}, at most ${percent(test.threshold, 3)}${ending}`;
}

/** The test that says most: of the column's own verdict, the effect that is largest against its threshold. */
function worstTest({ tests, verdict }: TestedColumn): JudgedTest | undefined {
  const telling = tests.filter((test) => test.verdict === verdict);
  return [...(telling.length > 0 ? telling : tests)].sort((a, b) => ratio(b) - ratio(a))[0];
}

function byEffect(told: readonly Told[]): Told[] {
  const effect = ({ tested }: Told): number => {
    const test = worstTest(tested);
    return test === undefined ? -1 : ratio(test);
  };
  return [...told].sort((a, b) => effect(b) - effect(a));
}

function ratio({ effect, threshold }: JudgedTest): number {
  return threshold > 0 ? effect / threshold : effect * Number.MAX_SAFE_INTEGER;
}

/** In as many digits as tell an effect from its threshold. */
function effectText({ effect, threshold }: JudgedTest): string {
  const texts = [2, 3, 4, 6].map((digits) => short(effect, digits));
  return effect === threshold ? short(effect) : (texts.find((text) => text !== String(threshold)) ?? String(effect));
}

function short(value: number, digits = 2): string {
  return value !== 0 && value < 0.01 ? value.toPrecision(1) : String(Number(value.toFixed(digits)));
}
