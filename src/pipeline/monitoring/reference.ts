import { canonicalClass, classText } from '../../data/class-text.ts';
import type { Dataset } from '../../data/dataset.ts';
import { categoriesOfColumn, numbersOfColumn } from '../../profile/profile-values.ts';
import { columnOf, profiledData, type ProfiledData } from '../../profile/profiled-data.ts';
import { readProfile } from '../../profile/read-profile.ts';
import { categoricalValues, numericValues, type ColumnValues } from '../../profile/column-drift.ts';
import type { ComparableColumn, Side } from '../../stages/data/drift-columns.ts';
import { championsData } from '../gate/champion-profiles.ts';
import { openRegistry } from '../open-registry.ts';
import { inside, type Workspace } from '../workspace.ts';
import { isProfile } from '../../config/index.ts';
import { categoriesIn, numbersOf, withLogs } from './logs.ts';

/** What production is compared with: rows, or a profile of them. */
export interface Reference {
  side: Side;
  /** The values of a column, and how far its numbers are rounded. Null: too many texts to be categories. */
  valuesOf(column: ComparableColumn): Promise<{ values: ColumnValues; shift: number } | null>;
}

/** @param uri a file of rows, a profile, or registry: the profile that was kept with the champion */
export async function withReference<T>(
  workspace: Workspace,
  { uri, key }: { uri: string; key: string },
  work: (reference: Reference) => Promise<T>,
): Promise<T> {
  if (isProfile(uri)) {
    const profile =
      uri === 'registry'
        ? await championsData(await openRegistry(workspace), workspace.model)
        : { uri, ...(await readProfile(await inside(workspace, uri, key), uri)) };
    return work(ofProfile(profiledData('reference', profile)));
  }
  return withLogs(workspace, { name: 'reference', uri, key }, (datasets) => work(ofRows(datasets)));
}

function ofRows(datasets: readonly Dataset[]): Reference {
  return {
    side: datasets[0] as Dataset,
    async valuesOf(column) {
      const values =
        column.as === 'numbers'
          ? numericValues(await numbersOf(datasets, column.name))
          : categoricalValues(await categoriesIn(datasets, column));
      return { values, shift: 0 };
    },
  };
}

function ofProfile(side: ProfiledData): Reference {
  return {
    side,
    valuesOf({ name, as }) {
      const column = columnOf(side, name);
      if (as === 'numbers' && column.kind === 'number') {
        return Promise.resolve({ values: numbersOfColumn(column), shift: column.shift });
      }
      const values = categoriesOfColumn(column, as === 'classes' ? canonicalClass : classText);
      return Promise.resolve(values === null ? null : { values, shift: 0 });
    },
  };
}
