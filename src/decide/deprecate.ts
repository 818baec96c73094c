import { policySubject, type Model } from '../config/index.ts';
import { digest, type Decision, type RegistryHistory } from '../evidence/index.ts';
import { UsageError } from '../errors.ts';
import { leavesChampion, madeBy, policyRecord, wordOf, type Act } from './act.ts';
import { namedVersion } from './rollback.ts';

/**
 * Say that a version must not be used any more: nothing rolls back to it or assigns it. Its artifact and its past stay. Pure.
 * @throws UsageError when there is no such version, or it is the champion or in an environment
 */
export function deprecate(
  subject: { model: string; config: Model },
  name: string,
  view: RegistryHistory,
  act: Act,
): Decision {
  const word = wordOf(act);
  const target = namedVersion(name, view);
  if (target.status === 'deprecated') {
    const made = view.decisions.find(
      ({ action, candidate }) => action === 'deprecate' && candidate?.version === target.version,
    );
    if (made !== undefined) return made;
  }
  const used = Object.entries(view.aliases).find(
    ([alias, { version }]) => alias !== 'previous' && version === target.version,
  )?.[0];
  if (used !== undefined) {
    throw new UsageError({
      found: `version ${target.version} is ${used === 'champion' ? 'the champion' : `in environment ${used}`}`,
      expected: 'a version that is not in use',
      remedy:
        used === 'champion'
          ? 'Promote another version first, or roll back: contender rollback'
          : `Assign another version to ${used} first (contender registry assign --environment ${used}), or empty the environment: contender registry unassign --environment ${used}`,
    });
  }
  const version = { version: target.version, artifacts: target.artifacts };
  return {
    ...madeBy(subject.model, act, word),
    ...leavesChampion(view),
    action: 'deprecate',
    reasons: [{ code: 'deprecated', message: `${word.by} deprecates ${target.version}: ${word.reason}` }],
    candidate: version,
    policy: policyRecord(policySubject(subject.config)),
    idempotencyKey: digest({ action: 'deprecate', model: subject.model, version: target.version }),
  };
}
