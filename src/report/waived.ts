import type { Check } from '../evidence/index.ts';
import type { ShownCheck } from './section.ts';
import type { Result } from './standing.ts';

/** The checks that the decision set aside on a person's word no longer block, and say whose word that was wherever they are shown. */
export function withWaivers<T extends Result>(input: T): T {
  const waived = new Map(
    input.decision?.reasons.flatMap(({ code, check, message }) => (code === 'waived' ? [[check, message]] : [])),
  );
  if (waived.size === 0) return input;
  const shown = (check: Check): ShownCheck => {
    const said = waived.get(check.id)?.slice(check.title.length + ': '.length);
    return said === undefined
      ? check
      : { ...check, severity: 'warn', waived: said, message: `${check.message} Now ${said}` };
  };
  return { ...input, evidence: input.evidence.map((each) => ({ ...each, checks: each.checks.map(shown) })) };
}
