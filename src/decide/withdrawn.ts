import { identityOf, modelDigest, type Reason, type RegistryHistory } from '../evidence/index.ts';
import type { CandidateSubject } from './subject.ts';
import { takenBackBy } from './history.ts';

/** A person said that these bytes must not be used any more. */
export function deprecation({ model, candidate }: CandidateSubject, view: RegistryHistory): Reason[] {
  const version = view.registered.find(
    (each) => each.status === 'deprecated' && modelDigest(each) === candidate.sha256,
  )?.version;
  if (version === undefined) return [];
  const made = view.decisions.find((each) => each.action === 'deprecate' && each.candidate?.version === version);
  const why = made === undefined ? '' : ` by decision ${made.seq}: ${made.approvals[0]?.reason ?? ''}`;
  return [{ code: 'deprecated', message: `This file is ${model} ${version}, which was deprecated${why}.` }];
}

/** What a person took away does not come back by itself, however well it does. */
export function rolledBack({ candidate }: Pick<CandidateSubject, 'candidate'>, view: RegistryHistory): Reason[] {
  const back = takenBackBy(identityOf(candidate), view);
  if (back === undefined) return [];
  const version = back.from?.version ?? '';
  return [
    {
      code: 'rolled-back',
      message: `This model is version ${version}, which decision ${back.seq} rolled back to ${back.to?.version ?? ''} (${back.approvals[0]?.reason ?? ''}). To restore it: contender rollback --to ${version}, or propose another candidate.`,
    },
  ];
}
