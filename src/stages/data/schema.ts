import { Type, type Static } from 'typebox';
import { Column, Quantity, strict } from '../../config/forms.ts';
import type { Problem } from '../../config/explain.ts';
import { isProfile, type Data, type Model } from '../../config/schema.ts';

export const TableRule = Type.Union(
  [
    Type.Object(
      {
        row_count: Type.Object(
          { min: Type.Optional(Type.Integer({ minimum: 0 })), max: Type.Optional(Type.Integer({ minimum: 0 })) },
          { ...strict, minProperties: 1 },
        ),
      },
      strict,
    ),
    Type.Object({ unique: Type.Array(Column, { minItems: 1 }) }, strict),
    Type.Object(
      {
        null_fraction: Type.Object({ column: Column, max: Type.Number({ minimum: 0, maximum: 1 }) }, strict),
      },
      strict,
    ),
  ],
  { description: 'row_count, unique or null_fraction' },
);
export type TableRule = Static<typeof TableRule>;

const Severity = (fallback: string) =>
  Type.Optional(Type.Enum(['block', 'warn'], { description: `severity of a failure (default ${fallback})` }));
const Rows = (description: string) => Type.Optional(Type.Integer({ minimum: 0, description }));

export const Drift = Type.Object(
  {
    columns: Type.Optional(
      Type.Union([Type.Literal('*'), Type.Array(Column, { minItems: 1, uniqueItems: true })], {
        description: 'columns to compare (default "*": all that both datasets have, except ids, times and lists)',
      }),
    ),
    against: Type.Optional(
      Type.Array(Type.Enum(['current', 'evaluation']), {
        minItems: 1,
        uniqueItems: true,
        description: 'datasets to compare with data.reference (default: those that are configured)',
      }),
    ),
    max_psi: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        description:
          'a column fails above this corrected population stability index, and warns above half of it (default 0.2)',
      }),
    ),
    max_missing_change: Type.Optional(
      Quantity({ minimum: 0, maximum: 1, description: 'change of the share of missing values (default 0.05)' }),
    ),
    max_new_categories: Type.Optional(
      Quantity({
        minimum: 0,
        maximum: 1,
        description: 'share of rows in categories that are not in the reference (default 0.01)',
      }),
    ),
    alpha: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 0.5,
        description: 'family-wise level of all tests of one comparison (default 0.05)',
      }),
    ),
    min_rows: Type.Optional(
      Type.Integer({ minimum: 2, description: 'minimum number of values of a column on each side (default 100)' }),
    ),
    severity: Severity('block'),
    labels: Type.Optional(Type.Boolean({ description: 'compare the columns of labels too (default true)' })),
  },
  { ...strict, description: 'measure how much each column has changed since data.reference' },
);
export type Drift = Static<typeof Drift>;

export const Leakage = Type.Object(
  {
    max_overlap_rows: Rows(
      'rows of the evaluation data that are also in the reference data, ignoring the id (default 0)',
    ),
    max_duplicate_rows: Rows('rows of one dataset that repeat an earlier one, ignoring the id (default: any number)'),
    max_conflicting_rows: Rows(
      'rows of one dataset that differ from another row only in label and id (default: any number)',
    ),
    severity: Severity('warn'),
  },
  strict,
);
export type Leakage = Static<typeof Leakage>;

/** Keys that the stage adds to `data`. */
export const dataKeys = {
  contract: Type.Optional(Type.String({ minLength: 1, description: 'JSON Schema 2020-12 of one row' })),
  rules: Type.Optional(Type.Array(TableRule)),
  drift: Type.Optional(Drift),
  leakage: Type.Optional(
    Type.Union([Type.Literal(false), Leakage], {
      description:
        'rows that evaluation and reference data share, and duplicates (default: checked if there is data.reference)',
    }),
  ),
  profile: Type.Optional(
    Type.Boolean({
      description:
        'keep a profile of the reference data (if there is none: of the evaluation data) in the evidence, to compare later data with it (default: if there is data.reference)',
    }),
  ),
};
const DataSettings = Type.Object(dataKeys);
/** The data with what is asked of them. */
export type DataSettings = Data & Static<typeof DataSettings>;

/** What a model asks of the stage. */
export function dataSettings(model: Model & { data: DataSettings }): DataSettings {
  return model.data;
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
  return found;
}
