import { evidenceDigest, type Decision, type RecordedDecision } from '../evidence/index.ts';
import { EvidenceError } from '../errors.ts';
import { appendDecision, canonicalBytes, type Chain } from './chain.ts';
import { withChampion } from './artifacts-yaml.ts';
import { commitMessage } from './commit-message.ts';
import { packEvidence } from './evidence-file.ts';
import { artifactsPath, attributesPath, attributesText, decisionPath, evidencePath, manifestPath } from './layout.ts';
import { championOf, viewOfChain } from './manifest.ts';
import type { ModelState } from './model-state.ts';
import type { RecordInput } from './registry.ts';

/** What lies around the files of a model, and may change with a decision about it. */
export interface Surroundings {
  /** Whether the registry has its .gitattributes already. */
  hasAttributes: boolean;
  /** The text of artifacts.yaml, null where there is none yet; undefined: it is not kept. */
  artifactsYaml: string | null | undefined;
}

/** What recording comes to on the state that was found: nothing to write, or one commit. */
export type RecordPlan =
  | { status: 'already-recorded'; decision: RecordedDecision; path: string }
  | { status: 'no-change'; decision: Decision }
  | {
      status: 'write';
      decision: RecordedDecision;
      /** Of the bytes the decision will lie in. */
      sha256: string;
      /** Where the decision will lie, relative to the repository. */
      path: string;
      /** What the commit adds or replaces, by path relative to the repository. */
      files: Map<string, Uint8Array>;
      message: string;
      /** The chain with it. */
      next: Pick<Chain, 'links' | 'manifest'>;
    };

/**
 * Decide against the state found, and say what that changes. Every store does the same here. Pure, if `input.decide` is.
 *
 * @param folder the registry, relative to the repository
 * @param state a sound one
 * @throws EvidenceError when the decision refers to evidence that is neither there nor handed over, RegistryError when artifacts.yaml
 * cannot be kept
 */
export function planRecord(
  folder: string,
  state: ModelState,
  input: RecordInput,
  { hasAttributes, artifactsYaml }: Surroundings,
): RecordPlan {
  const decision = input.decide(viewOfChain(state));
  if (decision.model !== input.model) throw new TypeError(`a decision about ${decision.model}, not ${input.model}`);
  const known = state.links.find((link) => link.decision.idempotencyKey === decision.idempotencyKey)?.decision;
  const pathOf = ({ seq }: RecordedDecision): string => `${folder}/${decisionPath(input.model, seq)}`;
  if (known !== undefined) return { status: 'already-recorded', decision: known, path: pathOf(known) };
  if (isNothingNew(decision)) return { status: 'no-change', decision };
  const appended = appendDecision(state, decision);
  const path = pathOf(appended.decision);
  const inRegistry = newFiles(state, appended, input, hasAttributes);
  const files = new Map([...inRegistry].map(([name, bytes]) => [`${folder}/${name}`, bytes]));
  const artifacts = artifactsYaml === undefined ? null : changedArtifacts(artifactsYaml, appended);
  if (artifacts !== null) files.set(artifactsPath, Buffer.from(artifacts));
  return {
    status: 'write',
    decision: appended.decision,
    sha256: appended.manifest.head.sha256,
    path,
    files,
    message: commitMessage(appended.decision, path),
    next: {
      links: [...state.links, { decision: appended.decision, sha256: appended.manifest.head.sha256 }],
      manifest: appended.manifest,
    },
  };
}

/** What a person does with a version or a check changes no champion and is recorded all the same. */
export function isNothingNew({ outcome, action }: Decision): boolean {
  return outcome === 'no-change' && !['deprecate', 'assign', 'unassign', 'waive'].includes(action);
}

/** By path in the registry. */
function newFiles(
  state: ModelState,
  { decision, bytes, manifest }: ReturnType<typeof appendDecision>,
  input: RecordInput,
  hasAttributes: boolean,
): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  if (!hasAttributes) files.set(attributesPath, Buffer.from(attributesText));
  const given = new Map(input.evidence.map((each) => [evidenceDigest(each), each]));
  for (const { kind, sha256 } of decision.evidence) {
    const path = evidencePath(input.model, sha256);
    // The same evidence measured at another hour: what is there says the same.
    if (state.files.has(path)) continue;
    const evidence = given.get(sha256);
    if (evidence === undefined) {
      throw new EvidenceError({
        found: `the decision refers to ${kind} evidence ${sha256.slice(0, 12)}, which is missing`,
      });
    }
    files.set(path, packEvidence(evidence));
  }
  files.set(decisionPath(input.model, decision.seq), bytes);
  files.set(manifestPath(input.model), canonicalBytes(manifest));
  return files;
}

/** The text of artifacts.yaml after a decision; null when it is as before. */
function changedArtifacts(
  text: string | null,
  { decision: { model, seq }, manifest }: ReturnType<typeof appendDecision>,
): string | null {
  const champion = championOf(manifest);
  if (champion === null || manifest.aliases['champion']?.seq !== seq) return null;
  const changed = withChampion(text, model, champion, seq);
  return changed === text ? null : changed;
}
