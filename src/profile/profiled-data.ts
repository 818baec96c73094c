import type { DatasetColumn } from '../data/relation.ts';
import { isEmpty } from './columns.ts';
import type { ColumnProfile, Profile } from './profile.ts';

/** Data of which the profile is known and not the rows. */
export interface ProfiledData {
  /** The part it plays: reference, current. */
  name: string;
  uri: string;
  /** Of the profile. */
  sha256: string;
  rows: number;
  columns: DatasetColumn[];
  profile: Profile;
}

export function profiledData(
  name: string,
  { profile, uri, sha256 }: { profile: Profile; uri: string; sha256: string },
): ProfiledData {
  const columns = profile.columns.map((column) => ({
    name: column.name,
    type: column.type,
    ...(column.kind !== 'time' && isEmpty(column) ? { cells: { empty: true } } : {}),
  }));
  return { name, uri, sha256, rows: profile.rows, columns, profile };
}

/** @throws TypeError where the profile has no such column: its columns were asked for by name before */
export function columnOf({ profile }: ProfiledData, name: string): ColumnProfile {
  const found = profile.columns.find((each) => each.name === name);
  if (found === undefined) throw new TypeError(`no profile of ${name}`);
  return found;
}
