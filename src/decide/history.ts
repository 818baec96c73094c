import { modelIdentity, type RecordedDecision, type RegistryHistory, type Source } from '../evidence/index.ts';

/** The decisions of the gate about a candidate, oldest first. @param identity as `identityOf` gives it */
export function decisionsOn(identity: string, view: RegistryHistory): RecordedDecision[] {
  return view.decisions.filter(
    ({ action, candidate }) => action === 'gate' && candidate !== null && modelIdentity(candidate) === identity,
  );
}

/** The last of them. */
export function lastDecisionOn(identity: string, view: RegistryHistory): RecordedDecision | undefined {
  return decisionsOn(identity, view).at(-1);
}

/** The rollback that took a model away, if no later decision made it champion again. */
export function takenBackBy(identity: string, view: RegistryHistory): RecordedDecision | undefined {
  const last = view.decisions.findLast(({ outcome, from, to }) => {
    const [before, after] = [from, to].map((version) => (version === null ? undefined : modelIdentity(version)));
    return outcome === 'promote' && before !== after && (before === identity || after === identity);
  });
  const leftIt = last?.from !== null && last?.from !== undefined && modelIdentity(last.from) === identity;
  return last?.action === 'rollback' && leftIt ? last : undefined;
}

/**
 * What the same run of a workflow did already: a job that is run again acts once, whatever happened to the registry since.
 * Undefined outside of workflows, whose runs have no number.
 *
 * @param isAsked whether a decision is what is asked for now
 */
export function madeInRun(
  action: RecordedDecision['action'],
  { repository, run }: Source,
  view: RegistryHistory,
  isAsked: (made: RecordedDecision) => boolean,
): RecordedDecision | undefined {
  if (run === undefined) return undefined;
  return view.decisions.findLast(
    (made) =>
      made.action === action && made.source.run === run && made.source.repository === repository && isAsked(made),
  );
}
