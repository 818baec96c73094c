import { valid } from 'semver';
import { policySubject, type Model } from '../config/index.ts';
import { digest, type Decision, type RegisteredVersion, type RegistryHistory } from '../evidence/index.ts';
import { UsageError } from '../errors.ts';
import { madeBy, policyRecord, wordOf, type Act } from './act.ts';
import { madeInRun } from './history.ts';

/**
 * Make an earlier version champion again, on a person's word. Pure.
 *
 * Run again it finds its own decision and changes nothing. After a rollback, a further step back names its version, so that a
 * job that is run twice does not go back twice.
 *
 * @param to a version, or `previous`: the champion that this one replaced
 * @throws UsageError when there is no such version or it is deprecated
 */
export function rollback(
  subject: { model: string; config: Model },
  to: string,
  view: RegistryHistory,
  act: Act,
): Decision {
  const word = wordOf(act);
  const before = madeInRun(
    act.source,
    view,
    (made) => made.action === 'rollback' && (to === 'previous' || made.to?.version === valid(to)),
    ({ outcome }) => outcome === 'promote',
  );
  if (before !== undefined) return before;
  const { champion } = view;
  if (champion === null) {
    throw new UsageError({
      found: `${subject.model} has no champion`,
      expected: 'a champion to roll back from',
      remedy: 'See what was recorded with contender registry log',
    });
  }
  const made = view.decisions.find(({ seq }) => seq === view.championSeq);
  const byRollback = made?.action === 'rollback' ? made : undefined;
  const again = byRollback?.approvals.some(({ by, reason }) => by === word.by && reason === word.reason);
  if (byRollback !== undefined && again === true && to === 'previous') return byRollback;
  const target = to === 'previous' ? previousVersion(view, byRollback?.seq) : namedVersion(to, view);
  if (target.version === champion.version && byRollback !== undefined) return byRollback;
  if (target.status === 'deprecated') {
    const others = othersThanChampion(view);
    throw new UsageError({
      found: `version ${target.version} is deprecated`,
      expected: 'a version that is not deprecated',
      remedy:
        others.length === 0
          ? 'There is nothing to roll back to: promote or register another model'
          : `Name another with --to: ${listed(others)}`,
    });
  }
  const version = { version: target.version, artifacts: target.artifacts };
  const same = target.version === champion.version;
  return {
    ...madeBy(subject.model, act, word),
    action: 'rollback',
    outcome: same ? 'no-change' : 'promote',
    reasons: [
      same
        ? { code: 'same-model', message: `Version ${target.version} is already the champion.` }
        : { code: 'rollback', message: `${word.by} rolls back from ${champion.version}: ${word.reason}` },
    ],
    from: champion,
    to: version,
    candidate: version,
    policy: policyRecord(policySubject(subject.config)),
    evidence: [],
    datasets: {},
    idempotencyKey: digest({ action: 'rollback', model: subject.model, to: target.version, since: view.championSeq }),
  };
}

function previousVersion(view: RegistryHistory, rolledBackIn: number | undefined): RegisteredVersion {
  const alias = view.aliases['previous'];
  if (rolledBackIn !== undefined) {
    throw new UsageError({
      found: `the champion ${view.champion?.version} was set by the rollback of decision ${rolledBackIn}`,
      expected: 'the version to roll back to, so that a repeated job does not roll back twice',
      remedy: alias === undefined ? 'There is no earlier version' : `To go back further: --to ${alias.version}`,
    });
  }
  if (alias === undefined) {
    const others = othersThanChampion(view);
    throw new UsageError({
      found: `there is no version before ${view.champion?.version}`,
      expected: 'an earlier champion',
      remedy:
        others.length === 0
          ? 'There is nothing to roll back to: promote or register another model'
          : `Name a version with --to: ${listed(others)}`,
    });
  }
  return namedVersion(alias.version, view);
}

/** A version by its number, with or without a leading v. @throws UsageError when the registry does not have it */
export function namedVersion(name: string, view: RegistryHistory): RegisteredVersion {
  const found = view.registered.find(({ version }) => version === (valid(name) ?? name));
  if (found !== undefined) return found;
  throw new UsageError({ found: `there is no version ${JSON.stringify(name)}`, expected: `one of: ${usable(view)}` });
}

function othersThanChampion({ registered, champion }: RegistryHistory): RegisteredVersion[] {
  return registered.filter(({ version, status }) => status === 'active' && version !== champion?.version);
}

function usable(view: RegistryHistory): string {
  return listed(view.registered.filter(({ status }) => status === 'active'));
}

function listed(registered: readonly RegisteredVersion[]): string {
  const versions = registered.map(({ version }) => version);
  const shown = versions.slice(-10).join(', ');
  return versions.length > 10 ? `..., ${shown}` : shown || 'none';
}
