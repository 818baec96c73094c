import type { Check } from '../evidence/index.ts';
import { oneLine } from './escape.ts';
import { isOpen, worstFirst, type Result } from './standing.ts';
import { withWaivers } from './waived.ts';

/** A remark on a run or on a line of a file, as GitHub shows them. */
export interface Annotation {
  level: 'error' | 'warning' | 'notice';
  title: string;
  message: string;
  file?: string;
  line?: number;
  column?: number;
}

/** GitHub shows no more than this many of each level from one step. */
export const annotationsPerLevel = 10;

/** The annotations of a step, worst first. Where there are more than GitHub shows of one level, the last says how many. */
export function annotations(input: Result): Annotation[] {
  const all = annotationsOf(input);
  return levels.flatMap((level) => capped(all.filter((annotation) => annotation.level === level)));
}

const levels = ['error', 'warning', 'notice'] as const;

/**
 * What a person should look at, worst first: blocking checks that failed are errors, other checks that did not pass are
 * warnings (those for information, notices). Reasons that come from no check count too.
 */
export function annotationsOf(given: Result): Annotation[] {
  const input = withWaivers(given);
  const checks = worstFirst(input.evidence, input.decision).filter(isOpen);
  const known = new Set(checks.map((check) => check.id));
  const { outcome, reasons = [] } = input.decision ?? {};
  const others =
    outcome === 'hold' || outcome === 'reject'
      ? reasons.filter((reason) => reason.check === undefined || !known.has(reason.check))
      : [];
  const all: Annotation[] = [
    ...others.map(({ code, message }): Annotation => ({
      level: outcome === 'reject' ? 'error' : 'warning',
      title: oneLine(code),
      message: oneLine(message),
    })),
    ...checks.map(ofCheck),
  ];
  return all.sort((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level));
}

function ofCheck(check: Check): Annotation {
  const level =
    check.severity === 'info' ? 'notice' : check.severity === 'block' && check.verdict === 'fail' ? 'error' : 'warning';
  return { level, title: oneLine(check.title), message: oneLine(check.message), ...check.location };
}

function capped(annotations: Annotation[]): Annotation[] {
  const [first] = annotations;
  if (first === undefined || annotations.length <= annotationsPerLevel) return annotations;
  const kept = annotations.slice(0, annotationsPerLevel - 1);
  const left = annotations.length - kept.length;
  return [
    ...kept,
    { level: first.level, title: `${left} more`, message: `${left} more checks did not pass; the report has them all` },
  ];
}
