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
 * What the same run of a workflow did already: a job that is run again acts once, whatever happened to the registry since. A step of
 * the same attempt that asks for it anew, after another step did the contrary, is no second run of the first.
 * Undefined outside of workflows, whose runs have no number.
 *
 * @param isAsked whether a decision is what is asked for now
 * @param isRival whether a decision is about the same thing, whatever it says of it
 */
export function madeInRun(
  { repository, run, attempt }: Source,
  view: RegistryHistory,
  isAsked: (made: RecordedDecision) => boolean,
  isRival: (made: RecordedDecision) => boolean,
): RecordedDecision | undefined {
  if (run === undefined) return undefined;
  const ofRun = view.decisions.filter(({ source }) => source.run === run && source.repository === repository);
  const made = ofRun.findLast(isAsked);
  const contrary = ofRun.findLast((each) => isRival(each) && each.source.attempt === attempt);
  return made === undefined || (contrary !== undefined && contrary.seq > made.seq) ? undefined : made;
}

/** What holds now in place of what a decision did, in words; undefined while that still holds. */
export function holdsNow(made: RecordedDecision, view: RegistryHistory): string | undefined {
  const { action, environment } = made;
  if (action === 'deprecate' || action === 'gate' || action === 'waive') return undefined;
  if (action === 'assign' || action === 'unassign') {
    const last = view.decisions.findLast((each) => each.environment === environment);
    if (last === undefined || last.seq === made.seq) return undefined;
    return `${environment ?? ''} ${last.action === 'assign' ? `has ${last.candidate?.version ?? ''}` : 'is empty'} since decision ${last.seq}`;
  }
  if (view.championSeq === made.seq) return undefined;
  return `the champion is ${view.champion?.version ?? 'none'} since decision ${view.championSeq}`;
}
