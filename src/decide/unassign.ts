import { digest, type Decision, type RegistryHistory } from '../evidence/index.ts';
import { UsageError } from '../errors.ts';
import { leavesChampion, madeBy, policyRecord, wordOf, type Act } from './act.ts';
import { madeInRun } from './history.ts';

/**
 * Take the version out of one of the team's environments, so that the environment is empty. The rules of environments say what may enter them, so that
 * this asks for nothing; an environment that the configuration has no more can be emptied too. Pure.
 *
 * @throws UsageError when nothing is in the environment, or it is none of the team's
 */
export function unassign(
  { model, environment }: { model: string; environment: string },
  view: RegistryHistory,
  act: Act,
): Decision {
  const word = wordOf(act);
  const before = madeInRun(
    act.source,
    view,
    (made) => made.action === 'unassign' && made.environment === environment,
    (made) => made.environment === environment,
  );
  if (before !== undefined) return before;
  if (environment === 'champion' || environment === 'previous') {
    throw new UsageError({
      found: `${environment} is not one of your own environments`,
      expected: 'one of registry.environments',
      remedy: 'To change the champion, promote another version or run contender rollback',
    });
  }
  const alias = Object.hasOwn(view.aliases, environment) ? view.aliases[environment] : undefined;
  if (alias === undefined) {
    const last = view.decisions.findLast((made) => made.environment === environment);
    if (last?.action === 'unassign') return last;
    const environments = Object.keys(view.aliases).filter((each) => each !== 'champion' && each !== 'previous');
    throw new UsageError({
      found: `environment ${JSON.stringify(environment)} is empty`,
      expected:
        environments.length === 0 ? 'an environment that holds a version' : `one of: ${environments.join(', ')}`,
    });
  }
  const { artifacts = [] } = view.registered.find(({ version }) => version === alias.version) ?? {};
  return {
    ...madeBy(model, act, word),
    ...leavesChampion(view),
    action: 'unassign',
    reasons: [
      { code: 'unassigned', message: `${word.by} takes ${alias.version} out of ${environment}: ${word.reason}` },
    ],
    candidate: { version: alias.version, artifacts },
    policy: policyRecord({ environment }),
    environment,
    idempotencyKey: digest({ action: 'unassign', model, environment, since: alias.seq }),
  };
}
