import type { Check, Evidence } from '../../evidence/index.ts';

/** What running a stage again says of its recorded evidence. */
export interface StageAgreement {
  kind: string;
  title: string;
  /** Why it was not run again; absent: it was. */
  notRun?: string;
  /** How many checks agree: verdict and, of a stage that measures no time, numbers. */
  agree: number;
  /** How many have the same verdict and other numbers, where numbers are measured and differ from run to run. */
  measured: number;
  differ: CheckDifference[];
}

/** A check that does not agree; null: one of the two does not have it. */
export interface CheckDifference {
  id: string;
  title: string;
  recorded: Check | null;
  again: Check | null;
  why: string;
}

/** Numbers are the same if they differ by no more than this, of their size or absolutely: another processor moves the last bits. */
const tolerance = 1e-6;

/** Hold what was recorded against what came of it again, check by check. @param repeatable whether numbers must agree too */
export function agreement(
  recorded: Evidence,
  again: Evidence,
  { title, repeatable }: { title: string; repeatable: boolean },
): StageAgreement {
  const said: StageAgreement = { kind: recorded.kind, title, agree: 0, measured: 0, differ: [] };
  const [old, now] = [recorded, again].map(
    ({ checks }) => new Map(checks.map((check) => [check.id, check] as const)),
  ) as [Map<string, Check>, Map<string, Check>];
  for (const id of new Set([...old.keys(), ...now.keys()])) {
    const [was, is] = [old.get(id) ?? null, now.get(id) ?? null];
    const why = difference(was, is);
    if (why === null) said.agree += 1;
    else if (why.numbersAlone && !repeatable) said.measured += 1;
    else said.differ.push({ id, title: (was ?? is)?.title ?? id, recorded: was, again: is, why: why.text });
  }
  return said;
}

function difference(was: Check | null, is: Check | null): { text: string; numbersAlone: boolean } | null {
  if (was === null) return { text: 'the record does not have this check', numbersAlone: false };
  if (is === null) return { text: 'this check was not made again', numbersAlone: false };
  if (was.verdict !== is.verdict)
    return { text: `${was.verdict} was recorded, ${is.verdict} came out now`, numbersAlone: false };
  if (was.severity !== is.severity)
    return { text: `severity ${was.severity} was recorded, ${is.severity} came out now`, numbersAlone: false };
  const path = numbersApart(
    { observed: was.observed, required: was.required, comparison: was.comparison },
    { observed: is.observed, required: is.required, comparison: is.comparison },
  );
  return path === null ? null : { text: path, numbersAlone: true };
}

/** Where two values part, numbers by the tolerance; null where they do not. What is told in words follows from the numbers. */
function numbersApart(was: unknown, is: unknown, path = ''): string | null {
  if (typeof was === 'number' && typeof is === 'number') {
    const near = Math.abs(was - is) <= tolerance * Math.max(1, Math.abs(was), Math.abs(is));
    return near ? null : `${path}: ${was} was recorded, ${is} came out now`;
  }
  if (typeof was === 'object' && typeof is === 'object' && was !== null && is !== null) {
    for (const key of new Set([...Object.keys(was), ...Object.keys(is)])) {
      if (key === 'outlook' || key === 'finding') continue;
      const found = numbersApart(
        (was as Record<string, unknown>)[key],
        (is as Record<string, unknown>)[key],
        path === '' ? key : `${path}.${key}`,
      );
      if (found !== null) return found;
    }
    return null;
  }
  return was === is ? null : `${path}: ${shown(was)} was recorded, ${shown(is)} came out now`;
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
