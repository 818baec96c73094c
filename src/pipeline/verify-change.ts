import { relative, resolve, sep } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';
import {
  defaults,
  maximumConfigBytes,
  parseConfig,
  policySubject,
  stageRule,
  type Config,
  type Model,
} from '../config/index.ts';
import { decide } from '../decide/decide.ts';
import { assign } from '../decide/assign.ts';
import { unassign } from '../decide/unassign.ts';
import { deprecate } from '../decide/deprecate.ts';
import { override } from '../decide/override.ts';
import { register } from '../decide/register.ts';
import { rollback } from '../decide/rollback.ts';
import { ConfigError, ContenderError, UsageError } from '../errors.ts';
import {
  digest,
  evidenceDigest,
  Evidence as EvidenceSchema,
  modelIdentity,
  type Decision,
  type Evidence,
} from '../evidence/index.ts';
import type { Finding } from '../registry/chain.ts';
import { entryAt, readBlobs } from '../registry/git/objects.ts';
import { openRepository, registryFolder, type Repository } from '../registry/git/repository.ts';
import { changeBetween, verifyChange, type AppendedDecision } from '../registry/verify-change.ts';
import { openRegistry } from './promote.ts';
import type { Workspace } from './workspace.ts';

export type { Finding } from '../registry/chain.ts';

export interface VerifyChangeInput {
  /** Absolute path of a folder in the repository. */
  root: string;
  /** Path of contender.yml, relative to `root`. */
  config: string;
  /** What the change is made to: a branch, tag or commit, as git names it. */
  base: string;
}

/** What verification found, and what there is to say where it found nothing. */
export interface Verified {
  findings: Finding[];
  sound: string;
}

/** Verify the whole registry as it is, or what HEAD makes of it, where there is a base to hold it against. */
export async function verify(
  input: Omit<VerifyChangeInput, 'base'> & { base: string | undefined },
  open: () => Promise<Workspace>,
): Promise<Verified> {
  const { base } = input;
  if (base === undefined) {
    return {
      findings: await (await openRegistry(await open())).verify(),
      sound: 'The registry is sound: every chain, manifest and piece of evidence agrees.',
    };
  }
  const change = await verifyAgainst({ ...input, base });
  return { findings: change.findings, sound: soundChange(change) };
}

export interface VerifiedChange {
  findings: Finding[];
  /** How many decisions the change appends. */
  appended: number;
  /** Whether the base has a configuration: without one, the change's own says where the registry is, and no decision is held against it. */
  held: boolean;
}

/**
 * Hold what HEAD makes of the registry against what a base has: nothing recorded may be gone or other, the result must be sound, and
 * every decision that is added must be the one that Contender makes of its evidence **under the base's configuration**. The
 * configuration of the change itself is believed in nothing.
 *
 * @throws RegistryError, ConfigError, UsageError when the two cannot be compared
 */
export async function verifyAgainst({ root, config: file, base }: VerifyChangeInput): Promise<VerifiedChange> {
  const repository = await openRepository(root);
  const path = relative(repository.folder, resolve(root, file)).split(sep).join('/');
  if (path.startsWith('../')) {
    throw new UsageError({ found: `${file} lies outside the repository`, expected: 'a file of it', where: 'config' });
  }
  const change = await changeBetween(repository, base);
  const before = await configAt(repository, change.base, path);
  if (before === null) {
    const after = await configAt(repository, change.merged, path);
    if (after === null) {
      throw new ConfigError({
        found: 'neither the base nor the change has this file',
        expected: 'a configuration',
        where: path,
        remedy: 'Name it with --config',
      });
    }
    const { findings, appended } = await verifyChange(repository, change, folderOf(after));
    return { findings, appended: appended.length, held: false };
  }
  const artifactsYaml = before.registry?.artifacts_yaml === true;
  const { findings, appended } = await verifyChange(repository, change, folderOf(before), { artifactsYaml });
  const moved = await placeFindings(repository, change.merged, path, before);
  return {
    findings: [...moved, ...findings, ...appended.flatMap((each) => appendedFindings(each, before, path))],
    appended: appended.length,
    held: true,
  };
}

/** What there is to say of a change in which nothing was found, in a sentence. */
function soundChange({ appended, held }: VerifiedChange): string {
  if (!held) {
    return 'The registry is sound. The base has no configuration, so that decisions are held against none: have them reviewed.';
  }
  if (appended === 0) return 'The registry is sound, and what the base recorded is as it was.';
  const added = appended === 1 ? 'the decision that is added is' : `the ${appended} decisions that are added are`;
  return `The registry is sound, what the base recorded is as it was, and ${added} what Contender makes of the evidence under the policy of the base.`;
}

/** A change may not lead the readers of the registry to another place: what was recorded would be left behind. */
async function placeFindings(repository: Repository, commit: string, path: string, before: Config): Promise<Finding[]> {
  const finding = (found: string, expected: string, remedy: string): Finding => ({ path, found, expected, remedy });
  let after: Config | null;
  try {
    after = await configAt(repository, commit, path);
  } catch (error) {
    if (!(error instanceof ContenderError)) throw error;
    return [finding(error.message, 'a configuration that can be read', 'Mend it')];
  }
  if (after === null) return [finding('no such file any more', 'the configuration', 'Restore it')];
  const [old, now] = [before.registry, after.registry];
  const remedy = 'Set it back. To move a registry is for those who may merge past this check';
  const places: [string, string, string][] = [
    ['path', folderOf(before), folderOf(after)],
    ['branch', old?.branch ?? 'the branch checked out', now?.branch ?? 'the branch checked out'],
  ];
  return places.flatMap(([key, was, is]) =>
    was === is ? [] : [finding(`registry.${key}: ${is}`, `${was}, as on the base`, remedy)],
  );
}

/** An added decision must be what Contender itself makes of the evidence under the base's configuration. */
function appendedFindings(added: AppendedDecision, config: Config, path: string): Finding[] {
  const { decision } = added;
  const finding = (found: string, expected: string, remedy: string): Finding[] => [
    { path: added.path, found, expected, remedy },
  ];
  const model = Object.hasOwn(config.models, decision.model) ? config.models[decision.model] : undefined;
  if (model === undefined) {
    return finding(
      `a decision about ${decision.model}, of which ${path} of the base says nothing`,
      'a model whose policy is merged',
      'Merge its configuration first, then record',
    );
  }
  const policy = digest(policySubject(model));
  if (!['assign', 'unassign'].includes(decision.action) && decision.policy.sha256 !== policy) {
    return finding(
      `a decision under policy ${decision.policy.sha256.slice(0, 12)}`,
      `policy ${policy.slice(0, 12)}, that of ${path} of the base`,
      'Merge a change of the policy first, then decide under it',
    );
  }
  const expected = `what Contender makes of its evidence (${decision.evidence.map(({ kind }) => kind).join(', ') || 'none'}) under the base's policy`;
  const remedy = 'Take it out, and let Contender record its own decision: contender gate';
  try {
    const own = decidedAgain(added, model, config);
    if (isDeepStrictEqual(bindingOf(own), bindingOf(decision)) || isCarriedOver(decision, own)) return [];
    const why = own.reasons[0]?.message ?? '';
    return own.outcome === decision.outcome
      ? finding(`a ${deed(decision)} with other contents than its evidence gives`, expected, remedy)
      : finding(`a ${deed(decision)} where the outcome is ${own.outcome}: ${why}`, expected, remedy);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return finding(
      `a ${deed(decision)} that is refused: ${error.fault.found}`,
      error.fault.expected ?? expected,
      remedy,
    );
  }
}

/** The decision that Contender makes where and when this one was made. @throws UsageError when it makes none */
function decidedAgain({ decision, view, evidence: kept }: AppendedDecision, config: Model, all: Config): Decision {
  const { model, action, actor, source, approvals, to, candidate, stage = '' } = decision;
  const now = new Date(decision.time);
  const artifact = candidate?.artifacts[0];
  if (Number.isNaN(now.getTime()) || candidate === null || artifact === undefined) {
    throw new UsageError({ found: 'it has no time or no candidate', expected: 'both' });
  }
  const invalid = kept.find((each) => !isEvidence(each));
  if (invalid !== undefined)
    throw new UsageError({ found: 'its evidence is no evidence', expected: 'what a stage wrote' });
  // Evidence that was measured again is kept once: when, the decision says.
  const times = new Map(decision.evidence.map(({ sha256, finishedAt }) => [sha256, finishedAt]));
  const evidence = kept.map((each) => ({ ...each, finishedAt: times.get(evidenceDigest(each)) ?? each.finishedAt }));
  const subject = { model, config };
  const version = decision.outcome === 'promote' && to !== null ? { version: to.version } : {};
  const act = { now, actor, source, by: approvals[0]?.by ?? '', reason: approvals[0]?.reason ?? '' };
  switch (action) {
    case 'gate':
      return decide({ ...subject, candidate: artifact }, evidence, view, { now, actor, source, approvals, ...version });
    case 'override':
      return override({ ...subject, identity: modelIdentity(candidate) ?? '' }, evidence, view, {
        ...act,
        approvals: approvals.slice(1),
        ...version,
      });
    case 'rollback':
      return rollback(subject, to?.version ?? '', view, act);
    case 'deprecate':
      return deprecate(subject, candidate.version, view, act);
    case 'assign':
      return assign(
        { ...subject, stage, rule: stageRule(all, stage), version: candidate.version },
        evidence,
        view,
        act,
      );
    case 'unassign':
      return unassign({ model, stage }, view, act);
    case 'register':
      return register({ ...subject, candidate: artifact }, view, { now, actor, source, approvals, ...version });
  }
}

/** What a decision binds, and nothing that is a matter of words, people or time. */
function bindingOf({
  action,
  outcome,
  from,
  to,
  candidate,
  policy,
  evidence,
  datasets,
  overrides,
  stage,
  idempotencyKey,
}: Decision) {
  const references = evidence.map(({ kind, sha256, verdict }) => ({ kind, sha256, verdict }));
  return { action, outcome, from, to, candidate, policy, references, datasets, overrides, stage, idempotencyKey };
}

/**
 * A judgement that waited for a pull request to be merged, and is a hold since its champion is gone or a newer candidate took
 * its place (`carryOver`). It lets nobody in: what it must not be is one that a person may override though the gate rejects it.
 */
function isCarriedOver(decision: Decision, own: Decision): boolean {
  const [first] = decision.reasons;
  const { outcome: _outcome, candidate, to: _to, idempotencyKey: _key, ...rest } = bindingOf(decision);
  const { outcome: _own, candidate: ownCandidate, to: _ownTo, idempotencyKey: _ownKey, ...ownRest } = bindingOf(own);
  return (
    decision.action === 'gate' &&
    decision.outcome === 'hold' &&
    (first?.code === 'stale' || (first?.code === 'superseded' && own.outcome === 'promote')) &&
    isDeepStrictEqual(decision.to, decision.from) &&
    isDeepStrictEqual(candidate?.artifacts, ownCandidate?.artifacts) &&
    isDeepStrictEqual(rest, ownRest)
  );
}

let validator: ((value: unknown) => value is Evidence) | undefined;

function isEvidence(value: unknown): value is Evidence {
  validator ??= new Ajv2020({ strict: false }).compile<Evidence>(EvidenceSchema);
  return validator(value);
}

function deed({ action, outcome }: Decision): string {
  return action === 'gate' ? (outcome === 'promote' ? 'promotion' : `decision to ${outcome}`) : `decision to ${action}`;
}

/** Null where the commit has no such file. @throws ConfigError */
async function configAt(repository: Repository, commit: string, path: string): Promise<Config | null> {
  const entry = await entryAt(repository, commit, path);
  if (entry === null) return null;
  const where = `${path} of ${commit.slice(0, 12)}`;
  if (!entry.mode.startsWith('100') || entry.size > maximumConfigBytes) {
    throw new ConfigError({
      found: `a file of mode ${entry.mode} and ${entry.size} bytes`,
      expected: `a plain file of at most ${maximumConfigBytes} bytes`,
      where,
    });
  }
  const bytes = (await readBlobs(repository, [entry])).get(entry.oid);
  return parseConfig(bytes?.toString('utf8') ?? '', where);
}

function folderOf({ registry }: Config): string {
  return registryFolder(registry?.path ?? defaults.registryPath);
}
