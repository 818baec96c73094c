import { nearest } from '../../config/suggest.ts';
import { rowKeywords } from './cell-types.ts';
import type { Contract } from './contract.ts';
import { count } from '../../wording.ts';

const shown = 10;

/**
 * One warning for each column that the contract speaks of, does not require, and no dataset has: what it says of that checks
 * nothing. A column that it forbids is left out by intention.
 */
export function unknownColumns({ uri, schema }: Contract, columns: ReadonlySet<string>): string[] {
  const { named, required } = rowKeywords(schema);
  const unknown = [...named].filter((name) => !columns.has(name) && !required.has(name));
  const others = [...columns].filter((name) => !named.has(name));
  const warnings = unknown.slice(0, shown).map((name) => {
    const near = nearest(name, others);
    const meant = near === undefined ? '' : ` Did you mean ${JSON.stringify(near)}?`;
    return `${uri}: there is no column ${JSON.stringify(name.slice(0, 200))} in any dataset, so its rule checks nothing.${meant}`;
  });
  const more = unknown.length - warnings.length;
  return more === 0 ? warnings : [...warnings, `${uri}: ${count(more)} more columns that no dataset has`];
}
