import { RegistryError } from '../errors.ts';
import type { Version } from '../evidence/index.ts';
import { artifactsFindings, readArtifacts } from './artifacts-yaml.ts';
import type { Finding } from './chain.ts';
import { restoreRemedy } from './chain.ts';
import { unpackEvidence } from './evidence-file.ts';
import { openBlobStream, type BlobStream } from './git/blob-stream.ts';
import { additions, type Addition } from './git/history.ts';
import { entryAt, listFiles, readBlobs, type TreeEntry } from './git/objects.ts';
import { isShallow, type Repository } from './git/repository.ts';
import { listTags } from './git/tags.ts';
import { artifactsPath, attributesPath, attributesText, decisionPath, placeOf } from './layout.ts';
import { championOf, type ChainLink } from './manifest.ts';
import { evidenceReferences, modelState, type ModelState } from './model-state.ts';
import { tagFindings } from './tags.ts';

/**
 * Rebuild every manifest of a commit from its chain and report every difference: numbers missing or doubled, hashes that do not
 * hold, edited or foreign files, evidence that is missing or not what its name says, and decisions that an earlier commit of the
 * history recorded and that are gone or changed; and tags that disagree with the chains. Nothing to report: an empty list.
 *
 * @param kept.tags whether every tag that the chains call for must be there
 * @param kept.artifactsYaml whether artifacts.yaml must agree with them
 */
export async function verifyRegistry(
  repository: Repository,
  commit: string,
  folder: string,
  kept: { tags?: boolean; artifactsYaml?: boolean } = {},
): Promise<Finding[]> {
  const entries = await listFiles(repository, commit, folder);
  const findings: Finding[] = [];
  const byModel = new Map<string, TreeEntry[]>();
  for (const entry of entries) {
    const model = /^models\/([^/]+)\//u.exec(entry.path)?.[1];
    const files = model === undefined ? undefined : byModel.get(model);
    if (files !== undefined) files.push(entry);
    else if (model !== undefined) byModel.set(model, [entry]);
    else if (entry.path !== attributesPath) findings.push(foreign(folder, entry.path));
  }
  findings.push(...(await attributes(repository, folder, entries)));
  const chains = new Map<string, readonly ChainLink[]>();
  const champions = new Map<string, Version>();
  // git walks the history while the files are judged.
  const adding = additions(repository, commit, folder);
  adding.catch(() => {});
  const blobs = openBlobStream(repository);
  try {
    for (const [model, files] of byModel) {
      const state = await modelState((wanted) => blobs.read(wanted), folder, model, files);
      chains.set(model, state.links);
      const champion = championOf(state.manifest);
      if (champion !== null) champions.set(model, champion);
      findings.push(...state.findings, ...(await evidence(blobs, folder, model, state)));
    }
  } finally {
    blobs.close();
  }
  const added = await adding;
  findings.push(...history(added, folder, entries));
  findings.push(...(await tags(repository, folder, chains, added, kept.tags === true)));
  if (kept.artifactsYaml === true) findings.push(...(await artifacts(repository, commit, champions)));
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

async function evidence(blobs: BlobStream, folder: string, model: string, state: ModelState): Promise<Finding[]> {
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
    const bytes = (await blobs.read([entry])).get(entry.oid) as Buffer;
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
function history(added: readonly Addition[], folder: string, entries: readonly TreeEntry[]): Finding[] {
  const now = new Map(entries.map((entry) => [entry.path, entry.oid]));
  const findings = new Map<string, Finding>();
  for (const addition of added) {
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

async function tags(
  repository: Repository,
  folder: string,
  chains: ReadonlyMap<string, readonly ChainLink[]>,
  added: readonly Addition[],
  required: boolean,
): Promise<Finding[]> {
  // A shallow clone takes its oldest commit for the origin of everything.
  const commits = (await isShallow(repository))
    ? null
    : new Map(added.toReversed().map(({ path, commit }) => [path, commit]));
  return tagFindings({
    chains,
    found: await listTags(repository),
    required,
    commitOf: (model, seq) => commits?.get(`${folder}/${decisionPath(model, seq)}`),
  });
}

async function artifacts(
  repository: Repository,
  commit: string,
  champions: ReadonlyMap<string, Version>,
): Promise<Finding[]> {
  try {
    const entry = await entryAt(repository, commit, artifactsPath);
    return artifactsFindings(await readArtifacts(entry, (wanted) => readBlobs(repository, wanted)), champions);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    const { found, expected = '', where = artifactsPath, remedy = '' } = error.fault;
    return [{ path: where, found, expected, remedy }];
  }
}

function foreign(folder: string, path: string): Finding {
  return {
    path: `${folder}/${path}`,
    found: 'a file that a registry does not have',
    expected: 'manifests, decisions and evidence only',
    remedy: 'Move it out of the registry and commit that',
  };
}
