import { gt, gte, inc, parse, valid } from 'semver';
import { defaults, type Model } from '../config/index.ts';
import { signatureChanges, signatureChangesText } from '../evidence/index.ts';
import type { Bump, Evidence, Reason, RegistryView } from '../evidence/index.ts';
import { UsageError } from '../errors.ts';

export interface NextVersion {
  version: string;
  /** Why this one, where the policy raises it by the signature. */
  reasons: Reason[];
}

/**
 * The version a promotion gets: the one that was chosen, or the next free one. With `policy.version: signature` what changed of
 * inputs and outputs since the champion says what is raised, and a chosen version must raise as much.
 *
 * @param evidence on which the candidate is promoted, with both signatures where they are known
 * @throws UsageError when the chosen version is not semantic, not free or raises too little
 */
export function nextVersion(
  config: Model,
  evidence: readonly Evidence[],
  view: RegistryView,
  chosen: string | undefined,
): NextVersion {
  if (chosen !== undefined) requireFree(chosen, view);
  const next = following(config, evidence, view, withoutPrefix(chosen));
  if (chosen === undefined) return next;
  const said = `Version ${next.version} was chosen, not derived.`;
  return { ...next, reasons: [{ code: 'version-chosen', message: said }, ...next.reasons] };
}

function following(
  config: Model,
  evidence: readonly Evidence[],
  view: RegistryView,
  chosen: string | undefined,
): NextVersion {
  const highest = highestOf(view);
  if (highest === undefined) return { version: chosen ?? defaults.firstVersion, reasons: [] };
  const { version: raise = 'patch' } = config.policy;
  if (raise === 'signature') return bySignature(evidence, view, highest, chosen);
  return { version: chosen ?? raised(highest, raise), reasons: [] };
}

/** @throws UsageError when a version is not semantic or not free */
export function requireFree(chosen: string, view: RegistryView): void {
  const version = valid(chosen);
  if (version === null || version !== withoutPrefix(chosen)) {
    throw new UsageError({ found: `version ${JSON.stringify(chosen)}`, expected: 'a semantic version such as 1.4.0' });
  }
  if (view.versions.includes(version)) {
    throw new UsageError({
      found: `version ${version} is taken`,
      expected: `a version that the registry does not have yet`,
      remedy: `Omit the version to get the next one (the highest is ${highestOf(view)})`,
    });
  }
}

export function withoutPrefix(chosen: string | undefined): string | undefined {
  return chosen?.replace(/^v/u, '');
}

function highestOf(view: RegistryView): string | undefined {
  return view.versions.reduce<string | undefined>(
    (best, version) => (best === undefined || gt(version, best) ? version : best),
    undefined,
  );
}

function bySignature(
  evidence: readonly Evidence[],
  view: RegistryView,
  highest: string,
  chosen: string | undefined,
): NextVersion {
  const { candidate, champion } = evidence.find(({ signatures }) => signatures !== undefined)?.signatures ?? {};
  const from = view.champion?.version;
  if (candidate === undefined || champion === undefined || from === undefined) {
    const version = chosen ?? raised(highest, 'patch');
    const side = candidate === undefined ? 'candidate' : 'champion';
    const how = chosen === undefined ? `a patch of ${highest}` : 'as it was chosen';
    return reasoned(version, `${how}: the inputs and outputs of the ${side} are not known.`);
  }
  const changes = signatureChanges(champion, candidate);
  const bump = changes[0]?.bump ?? 'patch';
  const why = signatureChangesText(changes);
  if (chosen === undefined) return reasoned(nextFree(from, bump, view), `a ${bump} step from ${from}: ${why}.`);
  const least = raised(from, bump);
  if (bump !== 'patch' && !gte(released(chosen), least)) {
    throw new UsageError({
      found: `version ${chosen}, but since version ${from} ${why}`,
      expected: `${least} or higher, because policy.version is signature`,
      remedy: 'Omit the version to get the next one',
    });
  }
  return reasoned(chosen, `as it was chosen; since ${from} ${why}.`);
}

function reasoned(version: string, why: string): NextVersion {
  return { version, reasons: [{ code: 'version', message: `This is version ${version}, ${why}` }] };
}

/** After a rollback the next number may be taken, by a version whose signature is another. */
function nextFree(from: string, bump: Bump, view: RegistryView): string {
  const taken = new Set(view.versions);
  let version = raised(from, bump);
  while (taken.has(version)) version = raised(version, bump);
  return version;
}

function raised(version: string, bump: Bump): string {
  return inc(version, bump) ?? defaults.firstVersion;
}

/** A version without its pre-release: 2.0.0-rc.1 is on the way to 2.0.0. */
function released(version: string): string {
  const { major = 0, minor = 0, patch = 0 } = parse(version) ?? {};
  return `${major}.${minor}.${patch}`;
}
