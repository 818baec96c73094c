import { combinedVerdict, excess } from '../evidence/index.ts';
import type { Check, Decision, Evidence, RecordedDecision, Verdict } from '../evidence/index.ts';
import type { Mood, StageReport } from './section.ts';

/** What came of a run. Without a decision it is what the evidence says. */
export interface Result {
  decision: Decision | RecordedDecision | null;
  evidence: readonly Evidence[];
  /** Where the decision waits to be merged; absent: it does not. */
  pullRequest?: { number: number; url: string; open: boolean } | undefined;
  /** Where the report in HTML can be opened; absent: nowhere but in a folder. */
  reportUrl?: string | undefined;
  /** Of an act that was done before, and that later ones have overtaken: what holds now. */
  holdsNow?: string | undefined;
  /** Options of the command line that stood for what contender.yml names, as `overriding` of the workspace. */
  overriding?: string | undefined;
}

/** Address of a GitHub server; absent: https://github.com, null: nothing is to be linked. */
export type Server = string | null | undefined;

export interface ReportInput extends Result {
  /** What each stage shows of its evidence. */
  stages: readonly StageReport[];
  /** Where the commit and the run are linked to. */
  server?: Server;
}

/** How it stands, in a word, and whether that is good news. */
export interface Standing {
  word: string;
  mood: Mood;
}

/** How it stands. A promotion that is not in the registry has not happened yet, and is not called one. */
export function standing({ decision, evidence, pullRequest }: Result): Standing {
  if (decision === null) return verdicts[combinedVerdict(evidence.flatMap((each) => each.checks))];
  if (decision.action === 'rollback' && decision.outcome === 'promote') {
    if (pullRequest !== undefined) return { word: 'Rollback pending', mood: 'open' };
    return { word: 'seq' in decision ? 'Rolled back' : 'Ready to roll back', mood: 'open' };
  }
  if (decision.action === 'register') return { word: 'Registered', mood: 'good' };
  if (decision.action === 'assign') return { word: 'Assigned', mood: 'good' };
  if (decision.action === 'unassign') return { word: 'Unassigned', mood: 'open' };
  if (decision.action === 'waive') return { word: 'Waived', mood: 'open' };
  if (decision.action === 'deprecate') return { word: 'Deprecated', mood: 'open' };
  switch (decision.outcome) {
    case 'promote':
      if (pullRequest !== undefined) return { word: 'Promotion pending', mood: 'open' };
      if (!('seq' in decision)) return { word: 'Ready to promote', mood: 'good' };
      return { word: decision.action === 'override' ? 'Promoted by override' : 'Promoted', mood: 'good' };
    case 'hold':
      return { word: 'Held', mood: 'open' };
    case 'reject':
      return { word: 'Rejected', mood: 'bad' };
    case 'no-change':
      return { word: 'No change', mood: 'none' };
  }
}

const verdicts: Record<Verdict, Standing> = {
  pass: { word: 'Passed', mood: 'good' },
  fail: { word: 'Failed', mood: 'bad' },
  inconclusive: { word: 'Inconclusive', mood: 'open' },
  skipped: { word: 'Nothing shown', mood: 'open' },
};

/** What decided: the first reason of the decision, or the worst check where there is no decision. */
export function deciding({ decision, evidence }: Result): {
  message: string;
  others: number;
  check?: Check | undefined;
} {
  if (decision !== null) {
    const [first, ...others] = decision.reasons;
    // Why the version is what it is decided nothing, and what is waived keeps nobody out.
    const deciding = others.filter(
      ({ code }) => code !== 'version' && code !== 'waived' && code !== 'waiver-not-needed',
    );
    const check = evidence.flatMap((each) => each.checks).find(({ id }) => id === first?.check);
    return { message: first?.message ?? 'no reason was given', others: deciding.length, check };
  }
  const blocking = worstFirst(evidence).filter((check) => check.severity === 'block');
  const [worst, ...others] = blocking.filter(isOpen);
  if (worst !== undefined) return { message: worst.message, others: others.length, check: worst };
  const passed = blocking.filter((check) => check.verdict === 'pass').length;
  if (passed === 0) {
    const all = worstFirst(evidence);
    const why = all.find(isOpen) ?? all.find(({ id }) => id === 'evaluation/same-model');
    return { message: why?.message ?? 'no blocking check could be computed', others: 0, check: why };
  }
  // Who forgot to name the champion must not take floors alone for a comparison.
  const alone = evidence.some(
    ({ kind, subjects, checks }) =>
      kind === 'evaluation' &&
      subjects.champion === undefined &&
      !checks.some(({ comparison }) => comparison !== undefined),
  );
  const rest = alone ? ', and there was no champion to compare with' : '';
  return {
    message: `${passed === 1 ? 'the one blocking check' : `all ${passed} blocking checks`} passed${rest}`,
    others: 0,
  };
}

/** Every check: those that decided first, in the order of the decision's reasons, then whatever keeps a candidate out. */
export function worstFirst(evidence: readonly Evidence[], decision: Result['decision'] = null): Check[] {
  const reasons = new Map(decision?.reasons.map(({ check }, index) => [check, index]));
  const rank = (check: Check): number => (isOpen(check) ? reasons.get(check.id) : undefined) ?? Infinity;
  return evidence
    .flatMap((each) => each.checks)
    .sort(
      (a, b) => compare(rank(a), rank(b)) || badness(a) - badness(b) || (isOpen(a) ? compare(excess(b), excess(a)) : 0),
    );
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a - b;
}

/** A check that someone should read: it failed, or could not say. */
export function isOpen(check: Check): boolean {
  return check.verdict === 'fail' || check.verdict === 'inconclusive';
}

/** Smaller is worse. */
export function badness(check: Check): number {
  const verdict = { fail: 0, inconclusive: 1, skipped: 6, pass: 7 }[check.verdict];
  const severity = { block: 0, warn: 2, info: 4 }[check.severity];
  return isOpen(check) ? severity + verdict : verdict;
}
