import { digest, type Decision, type RecordedDecision, type RegistryHistory, type Version } from '../evidence/index.ts';

/**
 * A decision that waited in a pull request, as it stands on a registry that went on without it. Pure.
 *
 * - One that leaves the champion alone stands as it was made, and so does a promotion, while the champion is the same.
 * - A judgement against a champion that is not there any more becomes a hold (`stale`), and so does a promotion that a newer
 *   one replaces (`superseded`): their evidence stays, and nothing is promoted on an old verdict.
 * - What a person did on their word to a champion that is not there any more does not stand: null.
 *
 * @param since the last decision of the registry that it was made on
 * @param superseded whether a newer promotion takes its place
 */
export function carryOver(
  { seq: _seq, prev: _prev, ...decision }: RecordedDecision,
  view: RegistryHistory,
  since: number,
  superseded: boolean,
): Decision | null {
  const { champion, championSeq } = view;
  const changed = championSeq > since;
  const standing = { from: champion, to: champion };
  if (decision.outcome === 'promote' ? !changed && !superseded : decision.action !== 'gate' || !changed) {
    return decision.outcome === 'promote' ? decision : { ...decision, ...standing };
  }
  if (decision.action !== 'gate') return null;
  const code = changed ? 'stale' : 'superseded';
  const was = { promote: 'to be promoted', reject: 'rejected', hold: 'held', 'no-change': 'compared' }[
    decision.outcome
  ];
  const waited = `This candidate was ${was} against champion ${named(decision.from)} and waited for a pull request to be merged`;
  return {
    ...decision,
    ...standing,
    outcome: 'hold',
    candidate: decision.candidate === null ? null : { ...decision.candidate, version: 'candidate' },
    reasons: [
      {
        code,
        message: changed
          ? `${waited} while ${named(champion)} became champion. Evaluate again; an old verdict is not reused.`
          : `${waited} when a newer candidate replaced it.`,
      },
      // It gets no version.
      ...decision.reasons.filter(({ code: why }) => why !== 'version'),
    ],
    idempotencyKey: digest({ waited: decision.idempotencyKey, since: championSeq, code }),
  };
}

function named(version: Version | null): string {
  return version?.version ?? 'none';
}
