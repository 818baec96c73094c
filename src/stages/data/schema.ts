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
  severity: Optional.Choice(['block', 'warn', 'info'], 'severity of a failure (default block)'),
  datasets: Optional.List(
    Type.Enum(['evaluation', 'reference', 'current']),
    'datasets to check (default: all configured datasets)',
    { minItems: 1, uniqueItems: true },
  ),
};
/** The same of rules on single rows. */
const rowRule = {
  ...anyRule,
  mostly: Optional.Number('share of rows that must satisfy the rule (default 1)', { exclusiveMinimum: 0, maximum: 1 }),
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
        { ...strict, minProperties: 2, description: 'number of different values of a column' },
      ),
      ...anyRule,
    }),
    Closed({
      freshness: Part('maximum age of the newest date or time', {
        column: Column,
        max_age: Matching('^[0-9]+(m|h|d)$', 'maximum age of the newest row at the time of the check, such as 36h'),
      }),
      ...anyRule,
    }),
    Closed({
      monotonic: Part('values that rise or fall in the order of the rows; missing values are ignored', {
        column: Column,
        order: Optional.Choice(['increasing', 'decreasing'], '(default increasing)'),
        strict: Optional.Flag('equal neighbouring values are also a violation (default false)'),
      }),
      ...rowRule,
    }),
    Closed({
      foreign_key: Part('values that must exist in another dataset; rows with a missing value are ignored', {
        columns: ColumnList,
        dataset: Type.Enum(['evaluation', 'reference', 'current']),
        to: Optional.List(Column, 'columns in the other dataset (default: the same names)', {
          minItems: 1,
          maxItems: 20,
        }),
      }),
      ...rowRule,
    }),
    Closed({
      class_balance: Type.Object(
        { column: Type.Optional(Column), min: Type.Optional(Share), max: Type.Optional(Share) },
        {
          ...strict,
          minProperties: 1,
          description: 'share of each class in the rows (default column: the label)',
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
        { ...strict, minProperties: 3, description: 'share of rows that have one of these values' },
      ),
      ...anyRule,
    }),
    Closed({
      functional_dependency: Part('rows with equal values in `from` must have equal values in `to`', {
        from: ColumnList,
        to: ColumnList,
      }),
      ...rowRule,
    }),
    Closed({
      sql: Text('one SELECT from the table `data`: every returned row is a violation', { maxLength: 100_000 }),
      name: Optional.Matching('^[a-z0-9][a-z0-9_-]{0,59}$', 'name of the check (default sql)'),
      ...rowRule,
    }),
  ],
  {
    description:
      'row_count, unique, null_fraction, distinct_count, freshness, monotonic, foreign_key, class_balance, value_frequency, functional_dependency or sql',
  },
);
export type TableRule = Static<typeof TableRule>;
export type RuleOf<Kind extends string> = Extract<TableRule, Record<Kind, unknown>>;

const Severity = (fallback: string) =>
  Optional.Choice(['block', 'warn'], `severity of a failure (default ${fallback})`);
const Rows = (description: string) => Optional.Integer(description, { minimum: 0 });

export const Drift = Part('measure how much each column has changed since data.reference', {
  columns: Optional.OneOf(
    [Type.Literal('*'), Type.Array(Column, { minItems: 1, uniqueItems: true })],
    'columns to compare (default "*": all columns of both datasets except ids, times and lists)',
  ),
  against: Optional.List(
    Type.Enum(['current', 'evaluation']),
    'datasets to compare with data.reference (default: all configured datasets)',
    { minItems: 1, uniqueItems: true },
  ),
  max_psi: Optional.Number(
    'largest corrected population stability index (PSI) of a column; above half of it there is a warning (default 0.2)',
    { exclusiveMinimum: 0 },
  ),
  max_missing_change: OptionalQuantity('largest change of the share of missing values (default 0.05)', {
    minimum: 0,
    maximum: 1,
  }),
  max_new_categories: OptionalQuantity(
    'largest share of rows in categories that are not in the reference (default 0.01)',
    {
      minimum: 0,
      maximum: 1,
    },
  ),
  max_auc: Optional.Number(
    'largest AUC with which a linear classifier on all columns may distinguish rows of the two datasets (default 0.6)',
    { exclusiveMinimum: 0.5, maximum: 1 },
  ),
  alpha: Optional.Number('family-wise level of all tests of one comparison (default 0.05)', {
    exclusiveMinimum: 0,
    maximum: 0.5,
  }),
  min_rows: Optional.Integer('minimum number of values of a column on each side (default 100)', { minimum: 2 }),
  severity: Severity('block'),
  labels: Optional.Flag('also compare the label columns (default true)'),
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
          'columns with the predictions of the champion: its score, or for several classes the class and the largest score. With reference: registry they are compared with its predictions on the data of its own evaluation',
      },
    ),
  ),
});
export type Drift = Static<typeof Drift>;

export const Leakage = Closed({
  max_overlap_rows: Rows(
    'largest number of evaluation rows that are also in the reference data, ignoring the id (default 0)',
  ),
  max_duplicate_rows: Rows(
    'largest number of rows of a dataset that repeat an earlier row, ignoring the id (default: no limit)',
  ),
  max_conflicting_rows: Rows(
    'largest number of rows of a dataset that differ from another row only in label and id (default: no limit)',
  ),
  max_near_duplicate_rows: Rows(
    'largest number of evaluation rows that are in the reference data except for case, punctuation and the fourth digit of numbers (default: no limit)',
  ),
  max_skill: Optional.Number(
    'largest part of the label that a single column may predict: for classes the reduction of the errors of the majority class; for numbers R squared (default 0.98)',
    { exclusiveMinimum: 0, maximum: 1 },
  ),
  time: Optional.Text('date or time column in which every evaluation row must be later than all reference rows', {
    maxLength: 500,
  }),
  severity: Severity('warn'),
});
export type Leakage = Static<typeof Leakage>;

export const Privacy = Closed({
  mask: Optional.Flag('hide such values in evidence, reports and lists of rows (default true)'),
  allow: Optional.List(Column, 'columns that are meant to contain such values: no warning, and not masked', {
    minItems: 1,
    uniqueItems: true,
  }),
});
export type Privacy = Static<typeof Privacy>;

/** Keys that the stage adds to `data`. */
export const dataKeys = {
  contract: Optional.Text('JSON Schema 2020-12 of one row'),
  rules: Type.Optional(Type.Array(TableRule)),
  drift: Type.Optional(Drift),
  leakage: Optional.OneOf(
    [Type.Literal(false), Leakage],
    'rows shared by evaluation and reference data, and duplicates (default: checked if data.reference is set)',
  ),
  privacy: Optional.OneOf(
    [Type.Literal(false), Privacy],
    'warn about columns that look like personal data (e-mail, phone, card, IBAN, IP address, national id), and mask their values (default); false: off',
  ),
  profile: Optional.Flag(
    'store a profile of the reference data (or else of the evaluation data) in the evidence, to compare later data with it (default: if data.reference is set)',
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
      message: 'drift needs reference data: add data.reference, such as the training data of the champion',
    });
  }
  if (current === 'registry') {
    found.push({
      pointer: '/data',
      key: 'current',
      message: 'registry is allowed only for data.reference: name a file of current data',
    });
  }
  const index = drift?.against?.indexOf('current') ?? -1;
  if (index >= 0 && current === undefined) {
    found.push({ pointer: `/data/drift/against/${index}`, message: 'current data are missing: add data.current' });
  }
  if (leakage !== undefined && leakage !== false && leakage.max_overlap_rows !== undefined) {
    const message =
      reference === undefined
        ? 'the overlap check needs reference data: add data.reference'
        : isProfile(reference)
          ? 'the overlap check needs the rows of the reference data, but data.reference is a profile: name the data themselves'
          : null;
    if (message !== null) found.push({ pointer: '/data/leakage', key: 'max_overlap_rows', message });
  }
  if (leakage !== undefined && leakage !== false && leakage.time !== undefined) {
    if (reference === undefined || isProfile(reference)) {
      const message = 'the check of times needs the rows of the reference data: name them in data.reference';
      found.push({ pointer: '/data/leakage', key: 'time', message });
    }
  }
  return found;
}
