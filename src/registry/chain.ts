import { isDeepStrictEqual } from 'node:util';
import {
  canonicalJson,
  canonicalOfParsed,
  modelIdentity,
  RecordedDecision,
  sha256,
  type Decision,
  type Version,
} from '../evidence/index.ts';
import { ageFault, environmentNamePattern, type Environment } from '../config/index.ts';
import { decisionPath } from './layout.ts';
import { championOf, extendManifest, versionOf, type ChainLink, type Manifest } from './manifest.ts';

/** A difference between what a registry holds and what it must hold. */
export interface Finding {
  /** The file, relative to the repository. */
  path: string;
  found: string;
  expected: string;
  remedy: string;
}

/** The bytes of one file of the chain, and the number its name claims. */
export interface DecisionFile {
  seq: number;
  /** Relative to the repository. */
  path: string;
  bytes: Uint8Array;
}

export interface Chain {
  links: ChainLink[];
  manifest: Manifest | null;
  findings: Finding[];
}

export const restoreRemedy = 'Restore the file from the commit that recorded it: git log --follow -- <file>';

/** The bytes a decision or a manifest is kept in: canonical JSON (RFC 8785) and a newline. */
export function canonicalBytes(value: unknown): Buffer {
  return Buffer.from(`${canonicalJson(value)}\n`);
}

/** Give a decision its place at the end of a chain. Its time is never before that of the last one. */
export function appendDecision(
  chain: Pick<Chain, 'links' | 'manifest'>,
  decision: Decision,
): { decision: RecordedDecision; bytes: Buffer; manifest: Manifest } {
  const last = chain.links.at(-1);
  // The clock of another machine may be behind that of the one before.
  const time =
    last !== undefined && Date.parse(last.decision.time) > Date.parse(decision.time)
      ? last.decision.time
      : decision.time;
  const recorded = { ...decision, time, seq: (last?.decision.seq ?? 0) + 1, prev: last?.sha256 ?? null };
  const bytes = canonicalBytes(recorded);
  return {
    decision: recorded,
    bytes,
    manifest: extendManifest(chain.manifest, { decision: recorded, sha256: sha256(bytes) }),
  };
}

/**
 * Read a chain from its files and report everything that is wrong with it: numbers missing or doubled, bytes that are not
 * canonical or not a decision, links that do not hold, decisions that contradict the ones before them.
 *
 * @param before what the files follow, where that was read already
 */
export async function readChain(
  model: string,
  files: readonly DecisionFile[],
  before: Pick<Chain, 'links' | 'manifest'> = { links: [], manifest: null },
): Promise<Chain> {
  const readDecision = await decisionReader();
  const chain: Chain = { links: [...before.links], manifest: before.manifest, findings: [] };
  const keys = new Map(before.links.map(({ decision }) => [decision.idempotencyKey, decision.seq]));
  const ordered = [...files].sort((a, b) => a.seq - b.seq);
  for (const file of ordered) {
    const report = (found: string, expected: string, remedy = restoreRemedy): void => {
      chain.findings.push({ path: file.path, found, expected, remedy });
    };
    const read = readDecision(file.bytes);
    if ('fault' in read) {
      report(`not a recorded decision: ${read.fault}`, 'JSON that matches schemas/decision.schema.json');
      continue;
    }
    const { value } = read;
    if (!Buffer.from(`${canonicalOfParsed(value)}\n`).equals(file.bytes))
      report('JSON that is not canonical', 'canonical JSON (RFC 8785) and a newline');
    const last = chain.links.at(-1);
    const next = (last?.decision.seq ?? 0) + 1;
    if (value.seq !== file.seq) report(`decision number ${value.seq}`, `number ${file.seq}, as the file name says`);
    if (file.seq < next) report(`decision ${file.seq} after decision ${next - 1}`, decisionPath(model, next));
    if (file.seq > next) report(`decision ${next} is missing before it`, decisionPath(model, next));
    if (value.prev !== (last?.sha256 ?? null) && file.seq === next) {
      report(
        `prev is ${value.prev ?? 'null'}`,
        last === undefined ? 'null, for the first decision' : `${last.sha256}, the sha256 of decision ${next - 1}`,
        'One of the two files was edited. Restore it from the commit that recorded it',
      );
    }
    if (value.model !== model) report(`a decision about ${value.model}`, `one about ${model}`);
    const twin = keys.get(value.idempotencyKey);
    if (twin === undefined) keys.set(value.idempotencyKey, file.seq);
    else report(`decision ${twin} a second time, by its idempotency key`, 'a decision that is recorded once');
    for (const [found, expected] of contradictions(value, chain)) report(found, expected);
    const link = { decision: { ...value, seq: file.seq }, sha256: sha256(file.bytes) };
    chain.links.push(link);
    chain.manifest = extendManifest(chain.manifest, link);
  }
  return chain;
}

/** What a decision claims against what the chain before it says, as pairs of found and expected. */
export function contradictions(
  decision: RecordedDecision,
  { links, manifest: before }: Pick<Chain, 'links' | 'manifest'>,
): [string, string][] {
  const champion = championOf(before);
  const known = versionOf(before, decision.to?.version);
  const named = decision.candidate === null ? null : versionOf(before, decision.candidate.version);
  const said = (version: { version: string } | null): string => version?.version ?? 'none';
  const wrong: [string, string][] = [];
  const { text, sha256: policy } = decision.policy;
  if (sha256(text) !== policy) {
    wrong.push(['a policy whose digest does not match its text', `${sha256(text)}, the sha256 of the text`]);
  }
  const last = links.at(-1)?.decision.time;
  if (last !== undefined && Date.parse(last) > Date.parse(decision.time)) {
    wrong.push([`a decision of ${decision.time} after one of ${last}`, 'times that rise along the chain']);
  }
  if (!isDeepStrictEqual(decision.from, champion)) {
    wrong.push([`from is ${said(decision.from)}`, `${said(champion)}, the champion at that time`]);
  }
  if (decision.outcome !== 'promote') {
    if (!isDeepStrictEqual(decision.to, champion)) {
      wrong.push([`to is ${said(decision.to)} without a promotion`, `${said(champion)}, the champion at that time`]);
    }
  } else if (decision.to === null) {
    wrong.push(['a promotion to nothing', 'the version promoted']);
  } else if (!isDeepStrictEqual(decision.to, decision.candidate)) {
    wrong.push([`to is another than the candidate ${said(decision.candidate)}`, 'the candidate, which is promoted']);
  } else if (decision.action === 'rollback') {
    if (!isDeepStrictEqual(decision.to, known) || !isActive(before, known))
      wrong.push([`a rollback to ${said(decision.to)}`, 'an earlier version, unchanged and not deprecated']);
  } else if (known !== null) {
    wrong.push([`version ${known.version} a second time`, 'a version that was free']);
  }
  const inUse = Object.entries(before?.aliases ?? {}).some(
    ([alias, { version }]) => alias !== 'previous' && version === named?.version,
  );
  if (decision.action === 'deprecate' && (named === null || inUse)) {
    wrong.push([`a deprecation of ${said(decision.candidate)}`, 'an earlier version that is not in use']);
  }
  if (decision.action === 'assign') wrong.push(...assignmentFaults(decision, links, before));
  if (decision.action === 'unassign') wrong.push(...unassignmentFaults(decision, before));
  if (decision.action === 'override') wrong.push(...overrideFaults(decision, links));
  if (
    decision.action === 'waive' ? decision.waiver === undefined || !isSigned(decision) : decision.waiver !== undefined
  )
    wrong.push([
      'a waiver without a check, or without a named person and a reason',
      'the check, the person who accepts it, and the reason',
    ]);
  return wrong;
}

/** An assignment puts a version in use into an environment whose rule, kept with it, was met. */
function assignmentFaults(
  decision: RecordedDecision,
  links: readonly ChainLink[],
  before: Manifest | null,
): [string, string][] {
  const { environment = '', candidate, policy, evidence, time } = decision;
  const known = versionOf(before, candidate?.version);
  const wrong: [string, string][] = [];
  if (candidate === null || !isDeepStrictEqual(candidate, known) || !isActive(before, known)) {
    wrong.push([
      `an assignment of ${candidate?.version ?? 'nothing'}`,
      'an earlier version, unchanged and not deprecated',
    ]);
  }
  const rule = parsed(Buffer.from(policy.text)) as (Environment & { environment?: string }) | undefined;
  if (!new RegExp(environmentNamePattern, 'u').test(environment) || rule?.environment !== environment) {
    return [
      ...wrong,
      [
        `environment ${JSON.stringify(environment)} with the rule of another environment`,
        'one of your own environments, with its rule',
      ],
    ];
  }
  const passedThrough = links.some(
    ({ decision: each }) =>
      each.action === 'assign' && each.environment === rule.after && each.candidate?.version === candidate?.version,
  );
  if (rule.after !== undefined && !passedThrough) {
    wrong.push([`${environment} for a version that was never in ${rule.after}`, `${environment} after ${rule.after}`]);
  }
  for (const kind of rule.evidence ?? []) {
    const shown = evidence.find((each) => each.kind === kind);
    const aged = rule.max_age !== undefined && ageFault(shown?.finishedAt ?? '', new Date(time), rule.max_age) !== null;
    if (shown?.verdict !== 'pass' || aged) {
      wrong.push([
        `${environment} without ${kind} evidence that passed and was fresh`,
        `${kind} evidence${rule.max_age === undefined ? '' : ` of the last ${rule.max_age}`}`,
      ]);
    }
  }
  return wrong;
}

/** What is taken out of an environment is the version that was in it, and the environment one of the team's. */
function unassignmentFaults(
  { environment = '', candidate, outcome }: RecordedDecision,
  before: Manifest | null,
): [string, string][] {
  const wrong: [string, string][] = [];
  if (outcome !== 'no-change') wrong.push([`an unassignment that gives ${outcome}`, 'no change of the champion']);
  const there = new RegExp(environmentNamePattern, 'u').test(environment)
    ? before?.aliases[environment]?.version
    : undefined;
  if (there === undefined || !isDeepStrictEqual(candidate, versionOf(before, there))) {
    wrong.push([
      `${candidate?.version ?? 'nothing'} taken out of ${JSON.stringify(environment)}`,
      there === undefined ? 'one of your own environments that holds a version' : `${there}, which is there`,
    ]);
  }
  return wrong;
}

function isActive(manifest: Manifest | null, version: Version | null): boolean {
  return manifest?.versions.some((each) => each.version === version?.version && each.status === 'active') ?? false;
}

/** An override sets aside a hold of that same candidate, against the same champion, under the same policy, for a reason. */
function overrideFaults(decision: RecordedDecision, links: readonly ChainLink[]): [string, string][] {
  const held = links[(decision.overrides ?? 0) - 1]?.decision;
  const identityIn = ({ candidate }: RecordedDecision): string | undefined =>
    candidate === null ? undefined : modelIdentity(candidate);
  const last = links.findLast(
    (link) => link.decision.action === 'gate' && identityIn(link.decision) === identityIn(decision),
  )?.decision;
  const wrong: [string, string][] = [];
  if (held === undefined || held.outcome !== 'hold' || held.seq !== last?.seq) {
    wrong.push([
      `an override of ${held === undefined ? 'nothing' : `decision ${held.seq}, a ${held.outcome}`}`,
      'the last decision about this candidate, which must be a hold',
    ]);
  } else {
    if (
      !isDeepStrictEqual(held.from, decision.from) ||
      links.slice(held.seq).some((link) => link.decision.outcome === 'promote')
    ) {
      wrong.push([`an override of decision ${held.seq} after the champion changed`, 'a fresh decision of the gate']);
    }
    if (!isDeepStrictEqual(held.candidate?.artifacts, decision.to?.artifacts)) {
      wrong.push(['artifacts other than those that were held', `those of decision ${held.seq}`]);
    }
    if (held.policy.sha256 !== decision.policy.sha256 || !isDeepStrictEqual(held.evidence, decision.evidence)) {
      wrong.push([`another policy or other evidence than decision ${held.seq}`, 'those of the hold it overrides']);
    }
  }
  if (!isSigned(decision)) {
    wrong.push(['override without a named approver', 'a named person and a reason']);
  }
  return wrong;
}

/** On the word of a named person, with a reason. */
function isSigned({ approvals }: RecordedDecision): boolean {
  return approvals.some(({ by, reason }) => by.trim() !== '' && (reason ?? '').trim() !== '');
}

/** Undefined for what is no JSON. A mark of the byte order and bytes that are no UTF-8 are none: no decoder may hide them. */
export function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

type DecisionReader = (bytes: Uint8Array) => { value: RecordedDecision } | { fault: string };
let reader: Promise<DecisionReader> | undefined;

/** Its validator is loaded with the first decision that is read: an empty registry needs none. */
function decisionReader(): Promise<DecisionReader> {
  reader ??= import('../validator.ts').then(({ validatorOf, firstFault }) => {
    const isDecision = validatorOf<RecordedDecision>(RecordedDecision);
    return (bytes) => {
      const value = parsed(bytes);
      if (value === undefined) return { fault: 'not JSON in UTF-8' };
      return isDecision(value) ? { value } : { fault: firstFault(isDecision) };
    };
  });
  return reader;
}
