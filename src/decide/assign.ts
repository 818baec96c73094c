import { ageFault, policySubject, type Model, type Environment } from '../config/index.ts';
import { combinedVerdict, digest, evidenceDigest, identityOf, modelIdentity } from '../evidence/index.ts';
import type { Decision, Evidence, RegisteredVersion, RegistryHistory } from '../evidence/index.ts';
import { UsageError } from '../errors.ts';
import { leavesChampion, madeBy, policyRecord, wordOf, type Act } from './act.ts';
import { datasetsOf, referenceTo } from './decide.ts';
import { madeInRun } from './history.ts';
import { namedVersion } from './rollback.ts';

export interface Assignment {
  model: string;
  config: Model;
  environment: string;
  /** What the environment asks of a version; recorded with the assignment. */
  rule: Environment;
  /** The version; default: the champion. */
  version?: string | undefined;
}

/**
 * Put a version into one of the team's environments, in place of the one that is there. Pure.
 *
 * @param evidence on whatever model; what is about this version, passed and is fresh enough counts. It is about it when the
 * registry has it with a decision on this version, or when it names this version's digest and was made under today's policy
 * @throws UsageError when the environment asks for more than there is
 */
export function assign(subject: Assignment, evidence: readonly Evidence[], view: RegistryHistory, act: Act): Decision {
  const word = wordOf(act);
  const { model, environment, rule } = subject;
  const target = targetOf(subject, view);
  const before = madeInRun(
    act.source,
    view,
    (made) =>
      made.action === 'assign' && made.environment === environment && made.candidate?.version === target.version,
    (made) => made.environment === environment,
  );
  if (before !== undefined) return before;
  const alias = view.aliases[environment];
  // The last that put something into the environment or took it out.
  const since = view.decisions.findLast((made) => made.environment === environment)?.seq ?? 0;
  if (alias?.version === target.version) {
    const made = view.decisions.find(({ seq }) => seq === alias.seq);
    if (made !== undefined) return made;
  }
  const { after } = rule;
  if (after !== undefined && !wasIn(after, target.version, view)) {
    throw new UsageError({
      found: `version ${target.version} was never in ${after}`,
      expected: `a version that was in ${after} first: ${environment} comes after it`,
      remedy: `First: contender registry assign --environment ${after} --version ${target.version}`,
    });
  }
  const shown = (rule.evidence ?? []).map((kind) => freshest(kind, subject, target, evidence, view, act.now));
  const version = { version: target.version, artifacts: target.artifacts };
  return {
    ...madeBy(model, act, word),
    ...leavesChampion(view),
    action: 'assign',
    reasons: [{ code: 'assigned', message: `${word.by} puts ${target.version} into ${environment}: ${word.reason}` }],
    candidate: version,
    policy: policyRecord({ environment, ...rule }),
    evidence: shown.map((each) => referenceTo(each)),
    datasets: datasetsOf(shown),
    environment,
    idempotencyKey: digest({ action: 'assign', model, environment, version: target.version, since }),
  };
}

function targetOf({ model, environment, version }: Assignment, view: RegistryHistory): RegisteredVersion {
  if (version === undefined && view.champion === null) {
    throw new UsageError({ found: `${model} has no champion`, expected: `a version to put into ${environment}` });
  }
  const target = namedVersion(version ?? (view.champion as { version: string }).version, view);
  if (target.status === 'active') return target;
  throw new UsageError({
    found: `version ${target.version} is deprecated`,
    expected: 'a version that is not deprecated',
  });
}

function wasIn(environment: string, version: string, view: RegistryHistory): boolean {
  return view.decisions.some(
    (each) => each.action === 'assign' && each.environment === environment && each.candidate?.version === version,
  );
}

/** The newest evidence of a kind that the environment may rely on. */
function freshest(
  kind: string,
  { config, environment, rule }: Assignment,
  target: RegisteredVersion,
  evidence: readonly Evidence[],
  view: RegistryHistory,
  now: Date,
): Evidence {
  const identity = modelIdentity(target);
  const references = view.decisions
    .filter(({ candidate }) => candidate !== null && modelIdentity(candidate) === identity)
    .flatMap((decision) => decision.evidence);
  // What was measured again is kept once: the references say when it was last.
  const recorded = new Map(
    references
      .toSorted((a, b) => Date.parse(a.finishedAt) - Date.parse(b.finishedAt))
      .map(({ sha256, finishedAt }) => [sha256, finishedAt]),
  );
  const policy = digest(policySubject(config));
  const ofKind = evidence
    .filter((each) => each.kind === kind)
    .flatMap((each) => {
      const last = recorded.get(evidenceDigest(each));
      if (last !== undefined && Date.parse(last) > Date.parse(each.finishedAt)) return [{ ...each, finishedAt: last }];
      const { candidate } = each.subjects;
      const isAbout = candidate !== undefined && identityOf(candidate) === identity && each.policy.sha256 === policy;
      return last !== undefined || isAbout ? [each] : [];
    });
  const [newest] = ofKind
    .filter((each) => combinedVerdict(each.checks) === 'pass')
    .sort((a, b) => Date.parse(b.finishedAt) - Date.parse(a.finishedAt));
  const limit = rule.max_age;
  if (newest !== undefined) {
    const fault = limit === undefined ? null : ageFault(newest.finishedAt, now, limit);
    if (fault === null) return newest;
    throw new UsageError({
      found: `the newest ${kind} evidence on ${target.version} was measured at ${newest.finishedAt}, ${fault}`,
      expected: `evidence no older than ${limit}, as ${environment} requires`,
      remedy: `Run that stage again on this version, with the same --out`,
    });
  }
  throw new UsageError({
    found:
      ofKind.length === 0
        ? `there is no ${kind} evidence on version ${target.version}`
        : `the ${kind} evidence on version ${target.version} did not pass`,
    expected: `${kind} evidence that passed, as ${environment} requires`,
    remedy: 'Run that stage on this version, with the same --out',
  });
}
