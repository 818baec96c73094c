/**
 * What SQL can say of whether a value is valid: two conditions, each of them sound. `yes` holds only of values that are valid, `no` only
 * of values that are not; of the rest, and where a condition is null, only ajv can tell. Conditions are joined by `and` and `or` alone,
 * in which null does what false does, so that one look at the end is enough.
 */
export interface Verdict {
  yes: () => string;
  no: () => string;
  /** The verdicts that all must hold, where it is made of several. */
  parts?: readonly Verdict[];
  /** What is asked where a condition holds. */
  guarded?: { condition: string; verdict: Verdict };
}

export const always: Verdict = { yes: () => 'true', no: () => 'false' };
export const never: Verdict = { yes: () => 'false', no: () => 'true' };
export const unknown: Verdict = { yes: () => 'false', no: () => 'false' };

/** A condition that says neither more nor less than the keyword. Where it is null nothing is said. */
export function exactly(condition: string): Verdict {
  if (condition === 'true') return always;
  if (condition === 'false') return never;
  return { yes: () => condition, no: () => `not (${condition})` };
}

/** A condition that only valid values meet. */
export function sufficient(condition: string): Verdict {
  return { yes: () => condition, no: () => 'false' };
}

export function all(verdicts: readonly Verdict[]): Verdict {
  const parts = verdicts.flatMap((each) => each.parts ?? [each]);
  return {
    parts,
    yes: () => {
      const said = parts.map(({ guarded, yes }) => (guarded === undefined ? yes() : undefined));
      const known = new Set(said);
      // What is asked where a condition holds that is asked for too, is asked.
      return and(
        parts.map(({ guarded, yes }, index) =>
          guarded !== undefined && known.has(guarded.condition) ? guarded.verdict.yes() : (said[index] ?? yes()),
        ),
      );
    },
    no: () => or(parts.map(({ no }) => no())),
  };
}

export function any(verdicts: readonly Verdict[]): Verdict {
  const [only] = verdicts;
  if (only !== undefined && verdicts.length === 1) return only;
  return { yes: () => or(verdicts.map(({ yes }) => yes())), no: () => and(verdicts.map(({ no }) => no())) };
}

export function not({ yes, no }: Verdict): Verdict {
  return { yes: no, no: yes };
}

/** Exactly one holds: one is, and all the others are not. */
export function one(verdicts: readonly Verdict[]): Verdict {
  const alone = verdicts.map((each) => all(verdicts.map((other) => (other === each ? each : not(other)))));
  const pairs = verdicts.flatMap((first, index) => verdicts.slice(index + 1).map((second) => all([first, second])));
  return {
    yes: () => or(alone.map(({ yes }) => yes())),
    no: () => or([and(verdicts.map(({ no }) => no())), ...pairs.map(({ yes }) => yes())]),
  };
}

/** What is asked only of values of one kind. `condition` is never null, nor is its opposite. */
export function where(condition: string, verdict: Verdict, otherwise = negated(condition)): Verdict {
  if (condition === 'true') return verdict;
  return { ...any([exactly(otherwise), verdict]), guarded: { condition, verdict } };
}

/** Whether a condition that may be null does not hold. */
export function notTrue(condition: string): string {
  return condition === 'true' || condition === 'false' ? negated(condition) : `(${condition}) is not true`;
}

export function and(conditions: readonly string[]): string {
  return joined(conditions, 'and', 'true', 'false');
}

export function or(conditions: readonly string[]): string {
  return joined(conditions, 'or', 'false', 'true');
}

/** Of a condition that is never null. */
export function negated(condition: string): string {
  if (condition === 'true') return 'false';
  return condition === 'false' ? 'true' : `not (${condition})`;
}

function joined(conditions: readonly string[], word: string, neutral: string, decisive: string): string {
  if (conditions.includes(decisive)) return decisive;
  const parts = [...new Set(conditions)].filter((condition) => condition !== neutral);
  if (parts.length === 0) return neutral;
  return parts.length === 1 ? (parts[0] as string) : `(${parts.join(` ${word} `)})`;
}
