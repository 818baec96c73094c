import type { Static, TSchema, TUnsafe } from 'typebox';
import { Closed, List, Optional, Part, Type } from '../forms.ts';
import { exactPattern } from './exact-sum.ts';

export const profileSchemaId = 'contender/profile/v1';

const Count = Type.Integer({ minimum: 0 });

/** Exactly two; JSON Schema 2020-12 has another keyword for it than the library. */
function pairOf<A, B>(first: TSchema, second: TSchema, description?: string): TUnsafe<[A, B]> {
  const pair = { type: 'array', prefixItems: [first, second], items: false, minItems: 2 };
  return Type.Unsafe<[A, B]>(description === undefined ? pair : { ...pair, description });
}

const common = {
  name: Type.String(),
  type: Type.String({ description: "the engine's type, such as DOUBLE" }),
  missing: Type.Integer({ minimum: 0, description: 'rows without a value; NaN is one' }),
};

const Distinct = Closed({
  count: Type.Integer({ minimum: 0, description: 'how many different values' }),
  exact: Type.Boolean({ description: 'false: an estimate, with a standard error of about 4.5%' }),
  registers: Optional.String('of an estimate: what it comes from, base64'),
});

export const NumberColumn = Closed({
  ...common,
  kind: Type.Literal('number'),
  nan: Type.Integer({ minimum: 0, description: 'rows with NaN, which are among those missing' }),
  infinite: pairOf<number, number>(Count, Count, 'rows with -infinity and +infinity'),
  n: Type.Integer({ minimum: 0, description: 'rows with a finite number' }),
  min: Type.Union([Type.Number(), Type.Null()]),
  max: Type.Union([Type.Number(), Type.Null()]),
  mean: Type.Union([Type.Number(), Type.Null()]),
  sd: Type.Union([Type.Number(), Type.Null()], { description: 'standard deviation, with n - 1' }),
  moments: Optional.Part('sums without rounding: hexadecimal mantissa, p, power of two', {
    sum: Type.String({ pattern: exactPattern }),
    squares: Type.String({ pattern: exactPattern }),
    huge: Type.Integer({ minimum: 0, description: 'numbers too large to be summed' }),
  }),
  distinct: Distinct,
  shift: Type.Integer({
    minimum: 0,
    maximum: 63,
    description: 'numbers of one bucket differ in the last bits of their magnitude: so many. 0: numbers as they are',
  }),
  values: List(Type.Number(), 'buckets, ascending: the number of least magnitude in each', { maxItems: 4096 }),
  counts: Type.Array(Type.Integer({ minimum: 1 }), { maxItems: 4096 }),
  quantiles: List(Type.Number(), '0%, 1%, ... 100% (type 7); none where there is no number'),
  bins: Part('about tenths, (a, b] with the outer ones open; a frequent value has one to itself', {
    edges: Type.Array(Type.Number()),
    counts: Type.Array(Count),
  }),
});
export type NumberColumn = Static<typeof NumberColumn>;

export const CategoryColumn = Closed({
  ...common,
  kind: Type.Literal('category'),
  length: Type.Union([
    pairOf<number, number>(Count, Count, 'characters of the shortest and the longest text'),
    Type.Null(),
  ]),
  distinct: Distinct,
  categories: Type.Union(
    [Type.Array(pairOf<string, number>(Type.String(), Type.Integer({ minimum: 1 }))), Type.Null()],
    { description: 'rows by category, most frequent first; null: more different texts than are kept' },
  ),
  rare: Optional.Part('of a summary: categories that it does not name', { categories: Count, rows: Count }),
});
export type CategoryColumn = Static<typeof CategoryColumn>;

export const TimeColumn = Closed({
  ...common,
  kind: Type.Literal('time'),
  min: Type.Union([Type.String(), Type.Null()]),
  max: Type.Union([Type.String(), Type.Null()]),
});
export type TimeColumn = Static<typeof TimeColumn>;

export const NestedColumn = Closed({ ...common, kind: Type.Literal('nested') });
export type NestedColumn = Static<typeof NestedColumn>;

export const ColumnProfile = Type.Union([NumberColumn, CategoryColumn, TimeColumn, NestedColumn]);
export type ColumnProfile = Static<typeof ColumnProfile>;

/** A file, and which of its rows were counted. */
export const ProfileSource = Closed({
  uri: Type.String(),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  rows: Count,
  counted: List(
    pairOf<number, number>(Count, Count),
    'from the row of the first number (the first row is 0) to before that of the second',
  ),
});
export type ProfileSource = Static<typeof ProfileSource>;

/** What is kept of the rows of a dataset, column by column. Profiles of parts merge to that of the whole. */
export const Profile = Closed({
  schema: Type.Literal(profileSchemaId),
  form: Type.Enum(['full', 'summary'], {
    description: 'a summary is smaller, names no category of fewer than five rows, and cannot be merged',
  }),
  sources: Type.Array(ProfileSource),
  rows: Count,
  columns: Type.Array(ColumnProfile),
});
export type Profile = Static<typeof Profile>;
