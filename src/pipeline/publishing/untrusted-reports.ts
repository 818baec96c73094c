import { firstFault, validatorOf, type LazyValidator } from '../../validator.ts';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Decision as DecisionSchema, Evidence as EvidenceSchema, evidenceDigest } from '../../evidence/index.ts';
import type { Decision, Evidence } from '../../evidence/index.ts';
import { EvidenceError } from '../../errors.ts';
import { isModelName } from '../../registry/layout.ts';
import type { ReportInput } from '../../report/index.ts';
import { stages } from '../../stages/index.ts';

const mostModels = 20;
const mostKinds = 16;
const mostBytes = 16 * 1024 * 1024;
const mostChecks = 5000;

/** A model's decision and evidence as somebody else's run left them. */
export interface UntrustedReport {
  model: string;
  input: ReportInput;
}

const [isDecision, isEvidence] = [validatorOf<Decision>(DecisionSchema), validatorOf<Evidence>(EvidenceSchema)];

/**
 * Read what the gate wrote in a run that strangers control: plain files of bounded size, of the right form, about one model and each
 * other. Only a gate that recorded nothing is believed to have been one, since no such run may record. What these files
 * say is still only their author's word, and none of their Markdown is used.
 *
 * @param folder absolute path of a downloaded artifact: `<model>/decision.json`, `<model>/evidence/<kind>.json`
 * @throws EvidenceError
 */
export async function readUntrustedReports(folder: string): Promise<UntrustedReport[]> {
  const names = (await readdir(folder)).filter(isModelName).sort();
  if (names.length > mostModels) throw refused(folder, `${names.length} folders`, `at most ${mostModels} models`);
  const reports: UntrustedReport[] = [];
  for (const model of names) {
    const decision = await readJson(join(folder, model, 'decision.json'), isDecision);
    if (decision !== null) reports.push({ model, input: await reportOf(model, decision) });
  }
  return reports;

  async function reportOf(model: string, { model: named, action, ...rest }: Decision): Promise<ReportInput> {
    const where = join(folder, model);
    if (named !== model || action !== 'gate')
      throw refused(where, `a decision "${action}" of another model`, `a gate of ${model}`);
    if (rest.evidence.length > mostKinds) throw refused(where, 'too many kinds of evidence', `at most ${mostKinds}`);
    const evidence: Evidence[] = [];
    for (const { kind, sha256 } of rest.evidence) {
      // The pattern of evidence, before it becomes a path.
      if (!/^[a-z][a-z-]{0,40}$/u.test(kind)) throw refused(where, 'not a kind of evidence', 'letters and -');
      const each = await readJson(join(where, 'evidence', `${kind}.json`), isEvidence);
      if (each === null || each.model !== model || each.kind !== kind || evidenceDigest(each) !== sha256) {
        throw refused(
          where,
          `no ${kind} evidence, or not the evidence that the decision names`,
          `evidence with digest ${sha256}`,
        );
      }
      evidence.push(each);
    }
    if (evidence.reduce((sum, { checks }) => sum + checks.length, 0) > mostChecks) {
      throw refused(where, 'too many checks', `at most ${mostChecks}`);
    }
    const {
      seq: _seq,
      prev: _prev,
      ...decision
    } = { model, action, ...rest } as Decision & { seq?: unknown; prev?: unknown };
    return { decision, evidence, stages };
  }
}

/** Null where there is no such file. */
async function readJson<T>(path: string, isValid: LazyValidator<T>): Promise<T | null> {
  const info = await lstat(path).catch(() => null);
  if (info === null) return null;
  if (!info.isFile() || info.size > mostBytes)
    throw refused(path, 'not a regular file, or too large', `at most ${mostBytes} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw refused(path, 'no JSON', 'what the gate writes', cause);
  }
  if (!isValid(value)) throw refused(path, firstFault(isValid), 'what the gate writes');
  return value;
}

function refused(where: string, found: string, expected: string, cause?: unknown): EvidenceError {
  return new EvidenceError({
    found,
    expected,
    where,
    remedy: 'The file comes from an untrusted run, so nothing of it is shown',
    cause,
  });
}
