import { isDeepStrictEqual } from 'node:util';
import { deprecate } from '../../decide/deprecate.ts';
import { lastDecisionOn } from '../../decide/history.ts';
import { override } from '../../decide/override.ts';
import { namedVersion, rollback } from '../../decide/rollback.ts';
import { assign } from '../../decide/assign.ts';
import { unassign } from '../../decide/unassign.ts';
import { covers, waive } from '../../decide/waive.ts';
import { environmentRule, milliseconds, didYouMean } from '../../config/index.ts';
import { settingsAt } from '../../config/schema.ts';
import type { Act } from '../../decide/act.ts';
import {
  identityOf,
  modelIdentity,
  type Decision,
  type Evidence,
  type RecordedDecision,
  type RegistryHistory,
} from '../../evidence/index.ts';
import { withTemporaryFolder } from '../../data/temporary.ts';
import { RegistryError, UsageError } from '../../errors.ts';
import { millisecondsIn } from '../../iso-time.ts';
import { fetchArtifact } from '../../registry/fetch-artifact.ts';
import type { Registry } from '../../registry/registry.ts';
import { versionTag } from '../../registry/tags.ts';
import { withdrawnText } from '../../report/index.ts';
import { readApprovals } from './approvals.ts';
import { resolveCandidate } from '../contestants/resolve.ts';
import { discardAllEvidence, prepareOut, readEvidence, writeDecision, keepEvidence } from './output.ts';
import { withdrawnBy } from '../publishing/export.ts';
import { overtaken, type PromoteInput, type PromoteResult } from './promote.ts';
import { sourceHere } from './source.ts';
import { openRegistry } from '../open-registry.ts';
import { instantOf } from '../typed.ts';
import type { Workspace } from '../workspace.ts';

/*
 * What a person does to the registry, beside the gate: override a hold, go back to an earlier version, deprecate one.
 * What would be written is known and checked before anything is, and nothing is where `record` is false.
 */

export interface ActInput extends Omit<PromoteInput, 'version'> {
  reason: string;
  /** Who answers for it, if not the actor. */
  by?: string | undefined;
}

/** Promote the candidate on a person's word although it was held. @throws UsageError where that is not open to a person */
export async function overrideHold(
  workspace: Workspace,
  input: ActInput & { version?: string | undefined },
): Promise<PromoteResult> {
  await prepareOut(workspace);
  const candidate = await resolveCandidate(workspace);
  const identity = identityOf(candidate.artifact);
  const registry = await openRegistry(workspace);
  const held = lastDecisionOn(identity, await registry.view(workspace.model));
  const evidence = await Promise.all(
    (held?.evidence ?? []).map((each) => registry.evidence(workspace.model, each.sha256)),
  );
  const subject = { model: workspace.model, config: workspace.modelConfig, identity };
  const approvals = await readApprovals(workspace, candidate, input);
  const extra = { approvals, version: input.version };
  const result = await perform(workspace, input, registry, (view, act) =>
    override(subject, evidence, view, { ...act, ...extra }),
  );
  await discardAllEvidence(workspace);
  for (const each of evidence) await keepEvidence(workspace, each);
  await writeDecision(workspace, { ...result, evidence });
  return { ...result, evidence };
}

/**
 * Make an earlier version champion again.
 * @param to a version, or `previous`
 * @param moved the traffic is the earlier version's already @throws UsageError, RegistryError
 */
export async function rollBack(
  workspace: Workspace,
  input: ActInput & { to: string; moved?: boolean },
): Promise<PromoteResult> {
  const { model, modelConfig: config } = workspace;
  const result = await perform(workspace, input, await openRegistry(workspace), (view, act) =>
    rollback({ model, config }, input.to, view, act),
  );
  const kind = ['rollout', 'switch'].find((each) => settingsAt(each)(config) !== undefined);
  if (kind !== undefined && input.moved !== true && result.decision.outcome === 'promote') {
    workspace.log.warning(
      `The registry alone goes back, not the traffic: contender ${kind} --put-back --model ${model} gives it to the place of the champion, where the earlier version must be served.`,
    );
  }
  return result;
}

/** Put a version, by default the champion, into one of the team's environments. @throws UsageError, ConfigError, RegistryError */
export async function assignEnvironment(
  workspace: Workspace,
  input: ActInput & { environment: string; version?: string | undefined },
): Promise<PromoteResult> {
  const { environment, version } = input;
  const rule = environmentRule(workspace.config, environment);
  const registry = await openRegistry(workspace);
  const recorded = await recordedEvidence(registry, workspace.model, version, rule.evidence ?? []);
  const evidence = [...(rule.evidence === undefined ? [] : await readEvidence(workspace)), ...recorded];
  const { model, modelConfig: config } = workspace;
  const subject = { model, config, environment, rule, version };
  // Decided more than once, and told of the last.
  let seen: RegistryHistory | undefined;
  const result = await perform(
    workspace,
    input,
    registry,
    (view, act) => assign(subject, evidence, (seen = view), act),
    evidence,
  );
  if (seen !== undefined) warnOfRolledBack(workspace, result.decision, seen);
  return result;
}

/** An environment may keep what is champion no more, but nobody should think that it is as good as before. */
function warnOfRolledBack({ log }: Workspace, { candidate, environment }: Decision, view: RegistryHistory): void {
  const known = view.registered.find(({ version }) => version === candidate?.version);
  const withdrawn = known === undefined ? undefined : withdrawnBy(known, view);
  if (known === undefined || withdrawn === undefined) return;
  log.warning(`Version ${known.version}, now in ${environment ?? ''}, was ${withdrawnText(withdrawn)}`);
}

/** Take the version out of one of the team's environments. @throws UsageError, RegistryError */
export async function emptyEnvironment(
  workspace: Workspace,
  input: ActInput & { environment: string },
): Promise<PromoteResult> {
  const subject = { model: workspace.model, environment: input.environment };
  return perform(workspace, input, await openRegistry(workspace), (view, act) => unassign(subject, view, act));
}

/** What the registry has of these kinds on a version, by default the champion. */
async function recordedEvidence(
  registry: Registry,
  model: string,
  name: string | undefined,
  kinds: readonly string[],
): Promise<Evidence[]> {
  if (kinds.length === 0) return [];
  const view = await registry.view(model);
  const version = name === undefined ? view.champion : namedVersion(name, view);
  if (version === null) return [];
  const digests = view.decisions
    .filter(({ candidate }) => candidate !== null && modelIdentity(candidate) === modelIdentity(version))
    .flatMap((decision) => decision.evidence)
    .filter(({ kind }) => kinds.includes(kind))
    .map(({ sha256 }) => sha256);
  return Promise.all([...new Set(digests)].map((sha256) => registry.evidence(model, sha256)));
}

/** Mark a version as deprecated: it must not be used any more. @throws UsageError, RegistryError */
export async function deprecateVersion(
  workspace: Workspace,
  input: ActInput & { version: string },
): Promise<PromoteResult> {
  const subject = { model: workspace.model, config: workspace.modelConfig };
  return perform(workspace, input, await openRegistry(workspace), (view, act) =>
    deprecate(subject, input.version, view, act),
  );
}

/**
 * Accept for a time that a check does not pass. @param input.until a date, a time in ISO 8601, `now` to end it, or a duration such as `30d`
 * @throws UsageError, RegistryError
 */
export async function waiveCheck(
  workspace: Workspace,
  input: ActInput & { check: string; until: string },
): Promise<PromoteResult> {
  const { check, until } = input;
  const subject = { model: workspace.model, config: workspace.modelConfig };
  const registry = await openRegistry(workspace);
  await refuseUnknownCheck(workspace, registry, check);
  return perform(workspace, input, registry, (view, act) =>
    waive(subject, { check, until: endOf(until, act.now) }, view, act),
  );
}

/** A day lasts to its end. */
function endOf(until: string, now: Date): string {
  const at = /^\d+(?:h|d)$/u.test(until)
    ? now.getTime() + milliseconds(until)
    : until === 'now'
      ? now.getTime()
      : /^\d{4}-\d\d-\d\d$/u.test(until)
        ? millisecondsIn(`${until}T23:59:59Z`)
        : (instantOf(until)?.getTime() ?? null);
  if (at !== null && Math.abs(at) < 2.5e14) return new Date(at).toISOString();
  throw new UsageError({
    found: `until ${JSON.stringify(until.slice(0, 100))}`,
    expected:
      'a date such as 2026-12-31, a time such as 2026-12-31T12:00:00Z, a duration such as 30d, or now to end it',
  });
}

/** A slip of the pen would waive nothing, and nobody would notice before the gate. */
async function refuseUnknownCheck(workspace: Workspace, registry: Registry, check: string): Promise<void> {
  const { decisions } = await registry.view(workspace.model);
  const last = decisions.findLast(({ action, evidence }) => action === 'gate' && evidence.length > 0);
  const digests = last?.evidence.map(({ sha256 }) => sha256) ?? [];
  const recorded = await Promise.all(digests.map((sha256) => registry.evidence(workspace.model, sha256)));
  const known = [...(await readEvidence(workspace)), ...recorded].flatMap(({ checks }) => checks);
  const isKnown =
    known.some((each) => covers({ check, until: '' }, each)) || decisions.some((made) => made.waiver?.check === check);
  if (isKnown) return;
  const ids = [...new Set(known.flatMap(({ id }) => [id, ...(/@.*$/su.exec(id) ?? [])]))];
  throw new UsageError({
    found: `no check ${JSON.stringify(check.slice(0, 300))} in the last evidence about ${workspace.model}`,
    expected:
      'the id of a check as shown in evidence and reports, such as evaluation/recall, or @ and a slice, such as @source=web',
    remedy: didYouMean(check, ids) ?? 'Run the gate first. Its JUnit file and its --json output list the ids',
  });
}

/** Look first: what would become champion must be there, byte for byte. Then record, unless this is a rehearsal. */
async function perform(
  workspace: Workspace,
  { now = () => new Date(), source, actor, by = actor, reason, record }: ActInput,
  registry: Registry,
  decide: (view: RegistryHistory, act: Act) => Decision,
  evidence: readonly Evidence[] = [],
): Promise<PromoteResult> {
  const here = await sourceHere(workspace, source, record ? [] : null);
  const act = { now: now(), source: here, actor, by, reason };
  const planned = decide(await registry.view(workspace.model), act);
  if (planned.outcome === 'promote') await verifyArtifacts(workspace, planned.to);
  if (!record) {
    const status = isRecorded(planned)
      ? 'already-recorded'
      : planned.outcome === 'no-change' && planned.action === 'rollback'
        ? 'no-change'
        : 'not-recorded';
    const newer = isRecorded(planned)
      ? await overtaken(registry, workspace.model, { status: 'already-recorded', decision: planned })
      : {};
    return { decision: planned, evidence: [], status, commit: null, tags: [], ...newer };
  }
  const recorded = await registry.record({
    model: workspace.model,
    decide: (view) => {
      const decided = decide(view, act);
      if (isDeepStrictEqual(decided.to?.artifacts, planned.to?.artifacts)) return decided;
      throw new RegistryError({
        found:
          'another decision was recorded in the meantime, so the checked version is no longer the one that would become champion',
        remedy: 'Nothing was recorded. See contender registry log, then run again',
      });
    },
    evidence,
  });
  return { ...recorded, evidence: [], ...(await overtaken(registry, workspace.model, recorded)) };
}

function isRecorded(decision: Decision): decision is RecordedDecision {
  return 'seq' in decision;
}

/** @throws RegistryError when an artifact is gone or its bytes are others */
async function verifyArtifacts(workspace: Workspace, version: Decision['to']): Promise<void> {
  if (version === null) return;
  const release = versionTag(workspace.model, version.version);
  for (const artifact of version.artifacts) {
    if (artifact.role === 'image') {
      workspace.log.warning(`${artifact.uri} is a container image: Contender did not check that it still exists.`);
      continue;
    }
    await withTemporaryFolder('models', (folder) =>
      fetchArtifact(workspace.repository, artifact, folder, { ...workspace, fresh: true, release }),
    );
  }
}
