import { RegistryError } from '../errors.ts';
import { sha256, type Evidence, type RecordedDecision, type RegistryHistory, type Version } from '../evidence/index.ts';
import { artifactsFindings, readArtifacts } from './artifacts-yaml.ts';
import { parsed, readChain, restoreRemedy, type DecisionFile, type Finding } from './chain.ts';
import { unpackEvidence } from './evidence-file.ts';
import { additions, type Addition } from './git/history.ts';
import { blobOid, entryAt, listFiles, plainFile, readBlobs, type TreeEntry } from './git/objects.ts';
import { maximumBytes } from './git/object-stream.ts';
import { isCutOff, isShallow, type Repository } from './git/repository.ts';
import { listTags, listTagsAsOn } from './git/tags.ts';
import {
  artifactsPath,
  attributesPath,
  attributesText,
  decisionPath,
  evidencePath,
  modelFolder,
  isRecorded,
  parseRegistryPath,
  twinOf,
} from './layout.ts';
import { championOf, extendManifest, viewOf, type ChainLink, type Manifest } from './manifest.ts';
import { evidenceReferences, foreign, modelState, type ModelState } from './model-state.ts';
import { decisionOf, tagFindings, type FoundTag } from './tags.ts';
import { excuse, readVoids, type Excused, type FileThen, type Void, type Voids } from './void.ts';

/** A decision as it was made: what there was at the time, and what it refers to. */
export interface MadeDecision {
  /** Its file, relative to the repository. */
  path: string;
  decision: RecordedDecision;
  /** The registry before it. */
  view: RegistryHistory;
  /** As it was written, by whomever; in the order in which the decision refers to it. */
  evidence: Evidence[];
  /** It was made void, and is judged for what was wrong with it. */
  void?: true;
}

/** Says what is wrong with a decision beyond what chain and digests tell. */
export type DecisionCheck = (made: MadeDecision) => Finding[];

export interface VerifyOptions {
  /** `required`: every tag that the chains call for must be there; `held`: those that are there must agree; `ignored`: they are of another branch. */
  tags: 'required' | 'held' | 'ignored';
  /** The object of each tag of the remote that has the registry: what counts then, whatever tags are here. */
  remoteTags?: ReadonlyMap<string, string>;
  /** Whether artifacts.yaml must agree with the chains (default: it is not looked at). */
  artifactsYaml?: boolean;
  /** Asked about every decision of a chain that is sound, with all of its evidence. */
  judge?: DecisionCheck | undefined;
  /** Told of each decision that was made void. */
  onVoid?: ((entry: Void) => void) | undefined;
}

/**
 * Rebuild every manifest of a commit from its chain and report every difference: numbers missing or doubled, hashes that do not
 * hold, edited or foreign files, evidence that is missing or not what its name says, and decisions that an earlier commit of the
 * history recorded and that are gone or changed; and tags that disagree with the chains. Nothing to report: an empty list.
 */
export async function verifyRegistry(
  repository: Repository,
  commit: string,
  folder: string,
  { tags: held, remoteTags, judge, onVoid, artifactsYaml = false }: VerifyOptions,
): Promise<Finding[]> {
  const root = await entryAt(repository, commit, folder);
  if (root !== null && root.type !== 'tree') {
    const found = root.mode === '120000' ? 'a symbolic link' : `a file of mode ${root.mode}`;
    return [{ path: folder, found, expected: 'the folder of the registry', remedy: restoreRemedy }];
  }
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
  findings.push(...attributes(repository, folder, entries), ...twins(folder, [...byModel.keys()]));
  const chains = new Map<string, readonly ChainLink[]>();
  const champions = new Map<string, Version>();
  // git walks the history while the files are judged.
  const adding = additions(repository, commit, folder);
  adding.catch(() => {});
  for (const [model, files] of byModel) {
    const state = await modelState((wanted) => readBlobs(repository, wanted), folder, model, files);
    chains.set(model, state.links);
    const champion = championOf(state.manifest);
    if (champion !== null) champions.set(model, champion);
    findings.push(...state.findings, ...(await decisions(repository, folder, model, state, judge)));
  }
  const added = await adding;
  const voids = await readVoids(repository, folder, entries);
  const gone = goneFrom(added, folder, entries);
  const standing = added.filter((each) => !gone.includes(each));
  const excused = await excuse(repository, folder, voids, gone);
  findings.push(...voids.findings, ...history(gone, folder, entries, excused));
  const pasts = new Map<string, Promise<Past>>();
  const pastOfModel = (model: string): Promise<Past> => {
    const past = pasts.get(model) ?? pastOf(repository, folder, model, added, chains.get(model) ?? []);
    pasts.set(model, past);
    return past;
  };
  for (const { path, entry } of voids.entries) {
    onVoid?.(entry);
    const known = { voids, excused, pastOfModel, judge };
    findings.push(...(await voidFaults(repository, commit, folder, path, entry, known)));
  }
  if (held !== 'ignored') {
    const voided = new Set(voids.entries.map(({ entry }) => entry.sha256));
    const asked = { required: held === 'required', remoteTags, voided };
    findings.push(...(await tags(repository, folder, chains, standing, asked)));
  }
  if (artifactsYaml) findings.push(...(await artifacts(repository, commit, champions)));
  return findings;
}

function attributes(repository: Repository, folder: string, entries: readonly TreeEntry[]): Finding[] {
  if (entries.length === 0) return [];
  const entry = entries.find((each) => each.path === attributesPath);
  if (entry?.oid === blobOid(Buffer.from(attributesText), repository.objectFormat)) return [];
  return [
    {
      path: `${folder}/${attributesPath}`,
      found: entry === undefined ? 'no such file' : 'other text',
      expected: 'a .gitattributes file that prevents git from converting hashed files',
      remedy: restoreRemedy,
    },
  ];
}

/** Models that share a folder where file names know no case, and their files with it. */
function twins(folder: string, models: readonly string[]): Finding[] {
  return models.flatMap((model, index): Finding[] => {
    const twin = twinOf(model, models.slice(0, index));
    if (twin === undefined) return [];
    const found = `a model named ${model} and another one named ${twin}`;
    const expected =
      'names that differ in more than upper and lower case: on many systems these two would be the same folder';
    return [{ path: `${folder}/${modelFolder(model)}`, found, expected, remedy: 'Revert the commit that recorded it' }];
  });
}

/** Decisions whose evidence is read together, while that of the ones before is judged. */
const together = 32;

/** Read the evidence of every decision, and let the decision be judged on it. */
async function decisions(
  repository: Repository,
  folder: string,
  model: string,
  state: ModelState,
  judge: DecisionCheck | undefined,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const references = evidenceReferences(state);
  const damaged = new Map<string, Finding>();
  const seen = new Set<string>();
  const log = state.links.map(({ decision }) => decision);
  // What there was when a decision was made cannot be known of a damaged chain.
  const judging = state.findings.length === 0 ? judge : undefined;
  let manifest: Manifest | null = null;
  let contents: ReadonlyMap<string, Buffer> = new Map();
  let reading = readFrom(0);
  for (const [index, link] of state.links.entries()) {
    if (index % together === 0) {
      contents = await reading;
      reading = readFrom(index + together);
      // Told where it is waited for.
      reading.catch(() => undefined);
    }
    const { decision } = link;
    const evidence: Evidence[] = [];
    for (const { sha256 } of decision.evidence) {
      if (damaged.has(sha256) || (judging === undefined && seen.has(sha256))) continue;
      seen.add(sha256);
      const path = evidencePath(model, sha256);
      const read = evidenceIn(contents, state, path, sha256);
      if ('evidence' in read) evidence.push(read.evidence);
      else {
        const seqs = references.get(sha256)?.join(', ');
        const expected = `the evidence of decision ${seqs}, which its name is the digest of`;
        damaged.set(sha256, { path: `${folder}/${path}`, found: read.fault, expected, remedy: restoreRemedy });
      }
    }
    if (judging !== undefined && evidence.length === decision.evidence.length) {
      const path = `${folder}/${decisionPath(model, decision.seq)}`;
      findings.push(...judging({ path, decision, view: viewOf(manifest, log.slice(0, index)), evidence }));
    }
    manifest = extendManifest(manifest, link);
  }
  for (const path of state.files.keys()) {
    const place = parseRegistryPath(path);
    if (place?.kind === 'evidence' && !references.has(place.sha256)) {
      findings.push({ ...foreign(folder, path), found: 'evidence that no decision refers to' });
    }
  }
  return [...damaged.values(), ...findings];

  function readFrom(first: number): Promise<Map<string, Buffer>> {
    const referenced = log.slice(first, first + together).flatMap(({ evidence }) => evidence);
    const files = referenced.map(({ sha256 }) => state.files.get(evidencePath(model, sha256)));
    return readBlobs(
      repository,
      files.filter((entry) => entry !== undefined && entry.size <= maximumBytes) as TreeEntry[],
    );
  }
}

function evidenceIn(
  contents: ReadonlyMap<string, Buffer>,
  { files }: ModelState,
  path: string,
  sha256: string,
): ReturnType<typeof unpackEvidence> {
  const entry = files.get(path);
  if (entry === undefined) return { fault: 'no such file' };
  if (entry.size > maximumBytes) return { fault: `a file of ${entry.size} bytes` };
  return unpackEvidence(contents.get(entry.oid) as Buffer, sha256);
}

/** What some commit brought of decisions, evidence and what is void, and is not there, unchanged, in the last one. */
function goneFrom(added: readonly Addition[], folder: string, entries: readonly TreeEntry[]): Addition[] {
  const now = new Map(entries.map((entry) => [entry.path, entry.oid]));
  return added.filter(({ path, oid }) => {
    const below = path.slice(folder.length + 1);
    return isRecorded(below) && now.get(below) !== oid;
  });
}

/** What was once recorded stays, but for a decision that is void. An edit was recorded where what it edits is void. */
function history(
  gone: readonly Addition[],
  folder: string,
  entries: readonly TreeEntry[],
  { files }: Excused,
): Finding[] {
  const now = new Set(entries.map((entry) => `${folder}/${entry.path}`));
  const findings = new Map<string, Finding>();
  const taken = new Set([...files].map(({ path, oid }) => `${path} ${oid}`));
  for (const addition of gone) {
    if (files.has(addition) || (addition.edits !== null && !taken.has(`${addition.path} ${addition.edits}`))) continue;
    findings.set(addition.path, {
      path: addition.path,
      found: now.has(addition.path)
        ? 'the file differs from the recorded one'
        : 'the file was deleted after it was recorded',
      expected: `the file recorded in commit ${addition.commit.slice(0, 12)}`,
      remedy: `Restore it: git restore --source ${addition.commit.slice(0, 12)} -- ${addition.path}. Or, where Contender did not make it, say so: contender registry void`,
    });
  }
  return [...findings.values()];
}

/**
 * Only what Contender did not make may be made void, and what was recorded after it. What an entry says of itself, such as its time,
 * proves nothing: whoever makes a sound decision void writes it.
 */
async function voidFaults(
  repository: Repository,
  commit: string,
  folder: string,
  path: string,
  entry: Void,
  {
    voids,
    excused,
    pastOfModel,
    judge,
  }: {
    voids: Voids;
    excused: Excused;
    pastOfModel: (model: string) => Promise<Past>;
    judge: DecisionCheck | undefined;
  },
): Promise<Finding[]> {
  const madeVoid = excused.madeVoid.get(entry) ?? [];
  const finding = (found: string, expected: string): Finding[] => [
    { path, found, expected, remedy: 'Find out who wrote it (git log), and revert that commit' },
  ];
  if (madeVoid.length === 0) {
    if (await isCutOff(repository, commit)) return [];
    return finding(
      `decision ${entry.seq} is void, and was never recorded with these bytes, or is still in force`,
      'a decision that was recorded, and was made void',
    );
  }
  for (const { file, bytes } of madeVoid) {
    const place = parseRegistryPath(file.path.slice(folder.length + 1));
    if (place?.kind !== 'decision' || place.seq !== entry.seq)
      return finding(`number ${entry.seq}`, `the number that ${file.path} has`);
    const { prev } = (parsed(bytes) ?? {}) as Partial<RecordedDecision>;
    const follows = voids.entries.some(({ entry: other }) => other.model === entry.model && other.sha256 === prev);
    if (judge === undefined || follows) continue;
    const past = await pastOfModel(entry.model);
    if (await hasFault(repository, folder, entry.model, past, { file, bytes, judge })) continue;
    return finding(
      `decision ${entry.seq} is void, but Contender makes the same decision from its evidence`,
      'a decision that Contender did not make: undo any other with contender rollback or contender registry deprecate',
    );
  }
  return [];
}

/** What a void decision is judged with: all that was ever added of its model, and the chain that stands. */
interface Past {
  decisions: ReadonlyMap<string, TreeEntry>;
  evidence: ReadonlyMap<string, TreeEntry[]>;
  /** What leads to each decision that stands, by its digest. */
  standing: ReadonlyMap<string, { length: number; manifest: Manifest }>;
  links: readonly ChainLink[];
}

async function pastOf(
  repository: Repository,
  folder: string,
  model: string,
  added: readonly Addition[],
  links: readonly ChainLink[],
): Promise<Past> {
  const decided: TreeEntry[] = [];
  const evidence = new Map<string, TreeEntry[]>();
  for (const { path, oid } of added) {
    const place = parseRegistryPath(path.slice(folder.length + 1));
    if (place === null || place.kind === 'attributes' || place.model !== model) continue;
    const entry = { path, oid, mode: plainFile, type: 'blob', size: 0 };
    if (place.kind === 'decision') decided.push(entry);
    if (place.kind === 'evidence') evidence.set(place.sha256, [...(evidence.get(place.sha256) ?? []), entry]);
  }
  const contents = await readBlobs(repository, decided);
  const decisions = new Map(decided.map((entry) => [sha256(contents.get(entry.oid) as Buffer), entry]));
  const standing = new Map<string, { length: number; manifest: Manifest }>();
  let manifest: Manifest | null = null;
  for (const [index, link] of links.entries()) {
    if (link.decision.prev !== (links[index - 1]?.sha256 ?? null)) break;
    manifest = extendManifest(manifest, link);
    standing.set(link.sha256, { length: index + 1, manifest });
  }
  return { decisions, evidence, standing, links };
}

/**
 * Whether a decision is at fault, or its evidence. What it follows and refers to is found by digest among all that was ever added: a
 * commit that lacks some of it shows no fault, since whoever pushes to a pull request may bring the rest in the next one.
 */
async function hasFault(
  repository: Repository,
  folder: string,
  model: string,
  past: Past,
  { file, bytes, judge }: { file: FileThen; bytes: Buffer; judge: DecisionCheck },
): Promise<boolean> {
  const files: DecisionFile[] = [];
  let digest: string | null = sha256(bytes);
  let isStanding = false;
  while (digest !== null && !isStanding) {
    const at = past.decisions.get(digest);
    const place = parseRegistryPath(at?.path.slice(folder.length + 1) ?? '');
    if (at === undefined || place?.kind !== 'decision') break;
    const read = (await readBlobs(repository, [at])).get(at.oid) as Buffer;
    files.push({ seq: place.seq, path: at.path, bytes: read });
    digest = ((parsed(read) ?? {}) as Partial<RecordedDecision>).prev ?? null;
    isStanding = past.standing.has(digest ?? '');
  }
  const before = past.standing.get(digest ?? '');
  const chain = await readChain(model, files, {
    links: past.links.slice(0, before?.length ?? 0),
    manifest: before?.manifest ?? null,
  });
  const last = chain.links.at(-1);
  if (chain.findings.some(({ path }) => path === file.path) || last?.sha256 !== sha256(bytes)) return true;
  const evidence: Evidence[] = [];
  for (const { sha256: name } of last.decision.evidence) {
    const kept = past.evidence.get(name) ?? [];
    const contents = await readBlobs(repository, kept);
    const read = kept
      .map(({ oid }) => unpackEvidence(contents.get(oid) as Buffer, name))
      .find((each) => 'evidence' in each);
    if (read === undefined) return true;
    evidence.push(read.evidence);
  }
  const earlier = chain.links.slice(0, -1);
  const view = viewOf(
    earlier.slice(before?.length ?? 0).reduce(extendManifest, before?.manifest ?? null),
    earlier.map(({ decision }) => decision),
  );
  return judge({ path: file.path, decision: last.decision, view, evidence, void: true }).length > 0;
}

async function tags(
  repository: Repository,
  folder: string,
  chains: ReadonlyMap<string, readonly ChainLink[]>,
  added: readonly Addition[],
  {
    required,
    remoteTags,
    voided,
  }: { required: boolean; remoteTags: VerifyOptions['remoteTags']; voided: ReadonlySet<string> },
): Promise<Finding[]> {
  // A shallow clone takes its oldest commit for the origin of everything.
  const commits = isShallow(repository) ? null : new Map(added.toReversed().map(({ path, commit }) => [path, commit]));
  const found: FoundTag[] = [];
  const listed = remoteTags === undefined ? listTags(repository) : listTagsAsOn(repository, remoteTags);
  for (const tag of await listed) {
    if (!(await isOfAnother(repository, folder, chains, tag))) found.push(tag);
  }
  return tagFindings({
    chains,
    found,
    required,
    voided,
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

/**
 * Of another registry in the same repository: made from a decision that this one does not have, and on a commit at which this one
 * knew nothing of its model.
 */
async function isOfAnother(
  repository: Repository,
  folder: string,
  chains: ReadonlyMap<string, readonly ChainLink[]>,
  { commit, message }: FoundTag,
): Promise<boolean> {
  const made = decisionOf(message);
  if (made === null || commit === null || chains.get(made.model)?.[made.seq - 1]?.sha256 === made.sha256) return false;
  return (await entryAt(repository, commit, `${folder}/${modelFolder(made.model)}`)) === null;
}
