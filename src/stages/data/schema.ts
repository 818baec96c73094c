import type { Static } from 'typebox';
import { Closed, Matching, Optional, Part, Text, Type } from '../../forms.ts';
import { Column, OptionalQuantity, strict } from '../../config/forms.ts';
import type { Problem } from '../../config/explain.ts';
import { isProfile, type Data, type Model } from '../../config/schema.ts';

const Share = Type.Number({ minimum: 0, maximum: 1 });
const Count = Type.Integer({ minimum: 0 });
const ColumnList = Type.Array(Column, { minItems: 1, maxItems: 20 });

/** What every rule may say beside what it demands. */
const anyRule = {
  severity: Optional.Choice(['block', 'warn', 'info'], 'what a failure does (default block)'),
  datasets: Optional.List(
    Type.Enum(['evaluation', 'reference', 'current']),
    'the datasets it is about (default: all that are given)',
    { minItems: 1, uniqueItems: true },
  ),
};
/** The same of rules on single rows. */
const rowRule = {
  ...anyRule,
  mostly: Optional.Number('share of the rows that must keep to it (default 1)', { exclusiveMinimum: 0, maximum: 1 }),
};

export const TableRule = Type.Union(
  [
    Closed({
      row_count: Type.Object({ min: Type.Optional(Count), max: Type.Optional(Count) }, { ...strict, minProperties: 1 }),
      ...anyRule,
    }),
    Closed({ unique: ColumnList, ...rowRule }),
    Closed({ null_fraction: Closed({ column: Column, max: Share }), ...anyRule }),
    Closed({
      distinct_count: Type.Object(
        { column: Column, min: Type.Optional(Count), max: Type.Optional(Count) },
        { ...strict, minProperties: 2, description: 'how many different values a column has' },
      ),
      ...anyRule,
    }),
    Closed({
      freshness: Part('how old the newest date or time may be', {
        column: Column,
        max_age: Matching('^[0-9]+(m|h|d)$', 'of the newest row when it is judged, such as 36h'),
      }),
      ...anyRule,
    }),
    Closed({
      monotonic: Part('values in the order of the rows; missing ones are left out', {
        column: Column,
        order: Optional.Choice(['increasing', 'decreasing'], '(default increasing)'),
        strict: Optional.Flag('equal neighbours break it too (default false)'),
      }),
      ...rowRule,
    }),
    Closed({
      foreign_key: Part('values that must stand in another dataset; rows with a missing one are left out', {
        columns: ColumnList,
        dataset: Type.Enum(['evaluation', 'reference', 'current']),
        to: Optional.List(Column, 'default: the same names', { minItems: 1, maxItems: 20 }),
      }),
      ...rowRule,
    }),
    Closed({
      class_balance: Type.Object(
        { column: Type.Optional(Column), min: Type.Optional(Share), max: Type.Optional(Share) },
        {
          ...strict,
          minProperties: 1,
          description: 'share that each class has of the rows (default column: the label)',
        },
      ),
      ...anyRule,
    }),
    Closed({
      value_frequency: Type.Object(
        {
          column: Column,
          values: Type.Array(Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
            minItems: 1,
            maxItems: 1000,
          }),
          min: Type.Optional(Share),
          max: Type.Optional(Share),
        },
        { ...strict, minProperties: 3, description: 'share of the rows that have one of these values' },
      ),
      ...anyRule,
    }),
    Closed({
      functional_dependency: Part('rows that agree in `from` agree in `to`', { from: ColumnList, to: ColumnList }),
      ...rowRule,
    }),
    Closed({
      sql: Text('one SELECT from the table `data`: every row it returns breaks the rule', { maxLength: 100_000 }),
      name: Optional.Matching('^[a-z0-9][a-z0-9_-]{0,59}$', 'how the check is called (default sql)'),
      ...rowRule,
    }),
  ],
  {
    description:
      'row_count, unique, null_fraction, distinct_count, freshness, monotonic, foreign_key, class_balance, value_frequency, functional_dependency or sql',
  },
);
export type TableRule = Static<typeof TableRule>;
/** The rules of one kind. */
export type RuleOf<Kind extends string> = Extract<TableRule, Record<Kind, unknown>>;

const Severity = (fallback: string) =>
  Optional.Choice(['block', 'warn'], `severity of a failure (default ${fallback})`);
const Rows = (description: string) => Optional.Integer(description, { minimum: 0 });

export const Drift = Part('measure how much each column has changed since data.reference', {
  columns: Optional.OneOf(
    [Type.Literal('*'), Type.Array(Column, { minItems: 1, uniqueItems: true })],
    'columns to compare (default "*": all that both datasets have, except ids, times and lists)',
  ),
  against: Optional.List(
    Type.Enum(['current', 'evaluation']),
    'datasets to compare with data.reference (default: those that are configured)',
    { minItems: 1, uniqueItems: true },
  ),
  max_psi: Optional.Number(
    'a column fails above this corrected population stability index, and warns above half of it (default 0.2)',
    { exclusiveMinimum: 0 },
  ),
  max_missing_change: OptionalQuantity('change of the share of missing values (default 0.05)', {
    minimum: 0,
    maximum: 1,
  }),
  max_new_categories: OptionalQuantity('share of rows in categories that are not in the reference (default 0.01)', {
    minimum: 0,
    maximum: 1,
  }),
  max_auc: Optional.Number(
    'AUC beyond which a linear classifier may not tell rows of the two datasets apart, by all columns together (default 0.6)',
    { exclusiveMinimum: 0.5, maximum: 1 },
  ),
  alpha: Optional.Number('family-wise level of all tests of one comparison (default 0.05)', {
    exclusiveMinimum: 0,
    maximum: 0.5,
  }),
  min_rows: Optional.Integer('minimum number of values of a column on each side (default 100)', { minimum: 2 }),
  severity: Severity('block'),
  labels: Optional.Flag('compare the columns of labels too (default true)'),
  predictions: Type.Optional(
    Type.Object(
      {
        score: Type.Optional(Column),
        class: Type.Optional(Column),
        confidence: Type.Optional(Column),
      },
      {
        ...strict,
        minProperties: 1,
        description:
          'columns in which the data have what the champion predicted: its score, or of several classes the class and the largest score. With reference: registry they are compared with what it predicted when it was judged',
      },
    ),
  ),
});
export type Drift = Static<typeof Drift>;

export const Leakage = Closed({
  max_overlap_rows: Rows(
    'rows of the evaluation data that are also in the reference data, ignoring the id (default 0)',
  ),
  max_duplicate_rows: Rows('rows of one dataset that repeat an earlier one, ignoring the id (default: any number)'),
  max_conflicting_rows: Rows(
    'rows of one dataset that differ from another row only in label and id (default: any number)',
  ),
  max_near_duplicate_rows: Rows(
    'rows of the evaluation data that stand in the reference data but for case, punctuation and the fourth digit of numbers (default: any number)',
  ),
  max_skill: Optional.Number(
    'part of the label that one column alone may tell: of classes, of the errors of the most frequent class; of numbers, R squared (default 0.98)',
    { exclusiveMinimum: 0, maximum: 1 },
  ),
  time: Optional.Text('column of a date or time, by which evaluation rows must be later than all reference rows', {
    maxLength: 500,
  }),
  severity: Severity('warn'),
});
export type Leakage = Static<typeof Leakage>;

export const Privacy = Closed({
  mask: Optional.Flag('put such values out of sight in evidence, reports and lists of rows (default true)'),
  allow: Optional.List(
    Column,
    'columns that are known to hold such values and are meant to: neither told nor masked as columns',
    { minItems: 1, uniqueItems: true },
  ),
});
export type Privacy = Static<typeof Privacy>;

/** Keys that the stage adds to `data`. */
export const dataKeys = {
  contract: Optional.Text('JSON Schema 2020-12 of one row'),
  rules: Type.Optional(Type.Array(TableRule)),
  drift: Type.Optional(Drift),
  leakage: Optional.OneOf(
    [Type.Literal(false), Leakage],
    'rows that evaluation and reference data share, and duplicates (default: checked if there is data.reference)',
  ),
  privacy: Optional.OneOf(
    [Type.Literal(false), Privacy],
    'columns that look like personal data (e-mail, phone, card, IBAN, IP address, national id) are a warning, and their values masked (default); false: neither',
  ),
  profile: Optional.Flag(
    'keep a profile of the reference data (if there is none: of the evaluation data) in the evidence, to compare later data with it (default: if there is data.reference)',
  ),
};
const DataSettings = Type.Object(dataKeys);
/** The data with what is asked of them. */
export type DataSettings = Data & Static<typeof DataSettings>;

/** What a model asks of the stage. */
export function dataSettings(model: Model & { data: DataSettings }): DataSettings {
  return model.data;
}

/** Columns in which the data have what the champion predicted, by what it is: `score`, `class`, `confidence`. */
export function predictedColumns(model: Model & { data: DataSettings }): NonNullable<Drift['predictions']> {
  return dataSettings(model).drift?.predictions ?? {};
}

/** What is asked about leakage; null: nothing. */
export function leakageSettings({ reference, leakage }: DataSettings): Leakage | null {
  if (leakage === false) return null;
  return leakage ?? (reference === undefined || isProfile(reference) ? null : {});
}

/** What no key shows alone. */
export function problems(model: Model): Problem[] {
  const { reference, current, drift, leakage } = dataSettings(model);
  const found: Problem[] = [];
  if (drift !== undefined && reference === undefined) {
    found.push({
      pointer: '/data',
      key: 'drift',
      message:
        'drift is a change since the reference data, and there are none: add data.reference, such as the data that the champion was trained on',
    });
  }
  if (current === 'registry') {
    found.push({
      pointer: '/data',
      key: 'current',
      message: 'registry is what the champion was judged on, which only data.reference may be: name the data of today',
    });
  }
  const index = drift?.against?.indexOf('current') ?? -1;
  if (index >= 0 && current === undefined) {
    found.push({ pointer: `/data/drift/against/${index}`, message: 'there are no current data: add data.current' });
  }
  if (leakage !== undefined && leakage !== false && leakage.max_overlap_rows !== undefined) {
    const message =
      reference === undefined
        ? 'overlap is with the reference data, and there are none: add data.reference'
        : isProfile(reference)
          ? 'overlap is of rows, and data.reference is a profile, which has none: name the data themselves'
          : null;
    if (message !== null) found.push({ pointer: '/data/leakage', key: 'max_overlap_rows', message });
  }
  if (leakage !== undefined && leakage !== false && leakage.time !== undefined) {
    if (reference === undefined || isProfile(reference)) {
      const message =
        'the times are compared with those of the reference rows, and there are none: name them in data.reference';
      found.push({ pointer: '/data/leakage', key: 'time', message });
    }
  }
  return found;
}
