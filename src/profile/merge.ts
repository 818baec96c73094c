import { DataError } from '../errors.ts';
import { mergeColumns, summaryOf } from './columns.ts';
import type { ColumnProfile, Profile, ProfileSource } from './profile.ts';

/**
 * One profile of the rows of several. The order makes no difference: profiles of parts give that of the whole, bit by bit.
 * @param profiles at least one, with what each is called
 * @throws DataError where rows are counted twice, where the columns differ, and for a summary
 */
export function mergeProfiles(profiles: readonly { profile: Profile; uri: string }[]): Profile {
  const summary = profiles.find(({ profile }) => profile.form === 'summary');
  if (summary !== undefined && profiles.length > 1) {
    throw new DataError({
      found: 'this profile is a summary',
      expected: 'complete profiles, written by contender profile --file',
      where: summary.uri,
    });
  }
  const [first, ...others] = profiles as [{ profile: Profile; uri: string }, ...{ profile: Profile; uri: string }[]];
  let merged = first.profile;
  for (const { profile, uri } of others) {
    merged = {
      ...merged,
      sources: mergeSources([...merged.sources, ...profile.sources], uri),
      rows: merged.rows + profile.rows,
      columns: mergeAll(merged.columns, profile.columns, uri),
    };
  }
  return merged;
}

function mergeAll(one: readonly ColumnProfile[], other: readonly ColumnProfile[], uri: string): ColumnProfile[] {
  const there = new Map(other.map((column) => [column.name, column]));
  const names = new Set(one.map(({ name }) => name));
  const alone = [
    ...one.filter(({ name }) => !there.has(name)).map(({ name }) => `has no column ${JSON.stringify(name)}`),
    ...other
      .filter(({ name }) => !names.has(name))
      .map(({ name }) => `has an additional column ${JSON.stringify(name)}`),
  ];
  if (alone[0] !== undefined) {
    throw new DataError({
      found: `this profile ${alone[0]}, unlike the others`,
      expected: 'profiles of parts of the same table, with the same columns',
      where: uri,
    });
  }
  return one.map((column) => {
    const next = there.get(column.name) as ColumnProfile;
    const merged = mergeColumns(column, next);
    if (merged !== null) return merged;
    throw new DataError({
      found: `column ${JSON.stringify(column.name)} is of kind ${next.kind} (${next.type}) here, but of kind ${column.kind} (${column.type}) in the profiles before`,
      expected: 'the same kind of values in all parts of a column',
      where: uri,
      remedy: 'Write all parts with the same column types, then profile them again',
    });
  });
}

function mergeSources(sources: readonly ProfileSource[], uri: string): ProfileSource[] {
  const byDigest = new Map<string, ProfileSource[]>();
  for (const source of sources) byDigest.set(source.sha256, [...(byDigest.get(source.sha256) ?? []), source]);
  const merged = [...byDigest.values()].map((same) => {
    const ranges = same.flatMap(({ counted }) => counted).sort(([a], [b]) => a - b);
    const joined: [number, number][] = [];
    for (const [from, to] of ranges) {
      const last = joined.at(-1);
      if (last !== undefined && from < last[1]) {
        const { uri: file } = same[0] as ProfileSource;
        throw new DataError({
          found: `rows ${from + 1} to ${Math.min(to, last[1])} of ${file} are counted twice`,
          expected: 'profiles of different rows',
          where: uri,
          remedy: 'Merge each part only once',
        });
      }
      if (last !== undefined && from === last[1]) last[1] = to;
      else joined.push([from, to]);
    }
    // The same bytes under two names: the least of them, whatever came first.
    const [source] = [...same].sort((a, b) => (a.uri < b.uri ? -1 : 1)) as [ProfileSource];
    return { ...source, counted: joined };
  });
  return merged.sort((a, b) => (a.uri < b.uri ? -1 : a.uri > b.uri ? 1 : a.sha256 < b.sha256 ? -1 : 1));
}

/** A smaller profile for a place where it stays for good. */
export function summaryOfProfile(profile: Profile): Profile {
  return { ...profile, form: 'summary', columns: profile.columns.map(summaryOf) };
}
