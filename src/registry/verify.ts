import type { Finding } from './chain.ts';
import { restoreRemedy } from './chain.ts';
import { unpackEvidence } from './evidence-file.ts';
import { additions } from './git/history.ts';
import { listFiles, readBlobs, type TreeEntry } from './git/objects.ts';
import type { Repository } from './git/repository.ts';
import { attributesPath, attributesText, placeOf } from './layout.ts';
import { evidenceReferences, modelState, type ModelState } from './model-state.ts';

/**
 * Rebuild every manifest of a commit from its chain and report every difference: numbers missing or doubled, hashes that do not
 * hold, edited or foreign files, evidence that is missing or not what its name says, and decisions that an earlier commit of the
 * history recorded and that are gone or changed. Nothing to report: an empty list.
 */
export async function verifyRegistry(repository: Repository, commit: string, folder: string): Promise<Finding[]> {
  const entries = await listFiles(repository, commit, folder);
  const findings: Finding[] = [];
  const byModel = new Map<string, TreeEntry[]>();
  for (const entry of entries) {
    const model = /^models\/([^/]+)\//u.exec(entry.path)?.[1];
    if (model !== undefined) byModel.set(model, [...(byModel.get(model) ?? []), entry]);
    else if (entry.path !== attributesPath) findings.push(foreign(folder, entry.path));
  }
  findings.push(...(await attributes(repository, folder, entries)));
  for (const [model, files] of byModel) {
    const state = await modelState((wanted) => readBlobs(repository, wanted), folder, model, files);
    findings.push(...state.findings, ...(await evidence(repository, folder, model, state)));
  }
  findings.push(...(await history(repository, commit, folder, entries)));
  return findings;
}

async function attributes(repository: Repository, folder: string, entries: readonly TreeEntry[]): Promise<Finding[]> {
  if (entries.length === 0) return [];
  const entry = entries.find((each) => each.path === attributesPath);
  const text = entry === undefined ? null : (await readBlobs(repository, [entry])).get(entry.oid)?.toString('utf8');
  if (text === attributesText) return [];
  return [
    {
      path: `${folder}/${attributesPath}`,
      found: entry === undefined ? 'no such file' : 'other text',
      expected: 'the attributes that keep git from converting bytes that are hashed',
      remedy: restoreRemedy,
    },
  ];
}

async function evidence(repository: Repository, folder: string, model: string, state: ModelState): Promise<Finding[]> {
  const findings: Finding[] = [];
  const references = evidenceReferences(state, model);
  for (const [sha256, { path, seqs }] of references) {
    const entry = state.files.get(path);
    if (entry === undefined) {
      findings.push({
        path: `${folder}/${path}`,
        found: 'no such file',
        expected: `the evidence of decision ${seqs.join(', ')}`,
        remedy: restoreRemedy,
      });
      continue;
    }
    const bytes = (await readBlobs(repository, [entry])).get(entry.oid) as Buffer;
    const unpacked = unpackEvidence(bytes, sha256);
    if ('fault' in unpacked) {
      findings.push({
        path: `${folder}/${path}`,
        found: unpacked.fault,
        expected: 'the evidence its name is the digest of',
        remedy: restoreRemedy,
      });
    }
  }
  for (const path of state.files.keys()) {
    const place = placeOf(path);
    if (place?.kind === 'evidence' && !references.has(place.sha256)) {
      findings.push({ ...foreign(folder, path), found: 'evidence that no decision refers to' });
    }
  }
  return findings;
}

/** What was once recorded stays: a decision or evidence that some commit added must be there, unchanged, in the last one. */
async function history(
  repository: Repository,
  commit: string,
  folder: string,
  entries: readonly TreeEntry[],
): Promise<Finding[]> {
  const now = new Map(entries.map((entry) => [entry.path, entry.oid]));
  const findings = new Map<string, Finding>();
  for (const addition of await additions(repository, commit, folder)) {
    const path = addition.path.slice(folder.length + 1);
    const kind = placeOf(path)?.kind;
    if ((kind !== 'decision' && kind !== 'evidence') || now.get(path) === addition.oid) continue;
    findings.set(path, {
      path: addition.path,
      found: now.has(path) ? 'not what was recorded' : 'deleted since it was recorded',
      expected: `what commit ${addition.commit.slice(0, 12)} recorded`,
      remedy: `Restore it: git restore --source ${addition.commit.slice(0, 12)} -- ${addition.path}`,
    });
  }
  return [...findings.values()];
}

function foreign(folder: string, path: string): Finding {
  return {
    path: `${folder}/${path}`,
    found: 'a file that a registry does not have',
    expected: 'manifests, decisions and evidence only',
    remedy: 'Move it out of the registry and commit that',
  };
}
