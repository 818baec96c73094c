import type { Labels } from './labels.ts';
import type { Outputs, Sample } from './sample.ts';
import type { SliceRows } from './slices.ts';
import { mcnemar } from './statistics/mcnemar.ts';

/** Rows that the models decide differently. */
export interface Changes {
  rows: number;
  changed: number;
  /** Of the changed: right now and not before; right before and not now. Of several wrong classes a row may change to another. */
  fixed: number;
  broken: number;
}

/**
 * Where the models agree (in all labels of a row): McNemar's table and test, the share of rows decided differently, and where
 * they lie, slice by slice. Empty where there are no decisions, as in a regression.
 */
export function agreement(
  sample: Sample,
  champion: Outputs,
  candidate: Outputs,
  slices: readonly SliceRows[],
): Record<string, unknown> {
  const states = rowStates(sample, champion, candidate);
  if (states === null) return {};
  const table = { bothRight: 0, onlyChampionRight: 0, onlyCandidateRight: 0, bothWrong: 0 };
  for (const { before, after } of states.rows()) {
    table[before ? (after ? 'bothRight' : 'onlyChampionRight') : after ? 'onlyCandidateRight' : 'bothWrong'] += 1;
  }
  const all = states.count(null);
  return {
    mcnemar: { ...table, ...mcnemar(table.onlyCandidateRight, table.onlyChampionRight) },
    churn: {
      ...all,
      share: all.changed / all.rows,
      slices: slices.map(({ name, rows: members }) => ({ slice: name, ...states.count(members) })),
    },
  };
}

export interface ChangedRow {
  /** From 0, in the order of the dataset. */
  row: number;
  /** Class names; several labels are joined by `, `. */
  truth: string;
  champion: string;
  candidate: string;
}

/** The rows decided differently: first those the candidate breaks, then those it fixes, then those wrong both ways. */
export function changedRows(
  sample: Sample,
  champion: Outputs,
  candidate: Outputs,
  { classes }: Labels,
  limit: number,
): ChangedRow[] {
  const states = rowStates(sample, champion, candidate);
  if (states === null || classes === null) return [];
  const groups: number[][] = [[], [], []];
  for (const { row, before, after, changed } of states.rows()) {
    if (changed) (groups[before ? 0 : after ? 1 : 2] as number[]).push(row);
  }
  const { labels = 1 } = sample;
  const labelAt = (values: ArrayLike<number>, row: number): string =>
    sample.labels === undefined
      ? (classes[values[row] as number] ?? '')
      : classes.filter((_, label) => values[row * labels + label] === 1).join(', ');
  return groups
    .flat()
    .slice(0, limit)
    .map((row) => ({
      row,
      truth: labelAt(sample.truth, row),
      champion: labelAt(champion.decisions as ArrayLike<number>, row),
      candidate: labelAt(candidate.decisions as ArrayLike<number>, row),
    }));
}

function rowStates(sample: Sample, champion: Outputs, candidate: Outputs) {
  const { decisions: first } = champion;
  const { decisions: second } = candidate;
  if (first === null || second === null) return null;
  const { labels = 1 } = sample;
  const same = (some: ArrayLike<number>, others: ArrayLike<number>, row: number): boolean => {
    for (let at = row * labels; at < (row + 1) * labels; at += 1) if (some[at] !== others[at]) return false;
    return true;
  };
  const state = (row: number): { row: number; before: boolean; after: boolean; changed: boolean } => ({
    row,
    before: same(first, sample.truth, row),
    after: same(second, sample.truth, row),
    changed: !same(first, second, row),
  });
  return {
    *rows() {
      for (let row = 0; row < sample.rows; row += 1) yield state(row);
    },
    count(members: Uint32Array | null): Changes {
      const counts = { rows: members?.length ?? sample.rows, changed: 0, fixed: 0, broken: 0 };
      for (let index = 0; index < counts.rows; index += 1) {
        const { before, after, changed } = state(members === null ? index : (members[index] as number));
        if (!changed) continue;
        counts.changed += 1;
        if (before) counts.broken += 1;
        else if (after) counts.fixed += 1;
      }
      return counts;
    },
  };
}
