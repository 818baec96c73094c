import { RegistryError } from '../errors.ts';
import { readChain, canonicalBytes, restoreRemedy, type Chain, type Finding } from './chain.ts';
import { linkMode } from './git/history.ts';
import { listFiles, plainFile, readBlobs, type TreeEntry } from './git/objects.ts';
import { maximumBytes } from './git/object-stream.ts';
import type { Repository } from './git/repository.ts';
import { manifestPath, modelFolder, parseRegistryPath } from './layout.ts';
import { viewOfChain } from './manifest.ts';

/** Everything a commit says about one model. */
export interface ModelState extends Chain {
  /** Files of the model by their path in the registry. */
  files: Map<string, TreeEntry>;
}

/** Read the chain and the manifest of a model as they are committed, and report what is wrong with them. */
export async function readModel(
  repository: Repository,
  commit: string | null,
  folder: string,
  model: string,
): Promise<ModelState> {
  const below = modelFolder(model);
  const entries = commit === null ? [] : await listFiles(repository, commit, `${folder}/${below}`);
  return modelState(
    (wanted) => readBlobs(repository, wanted),
    folder,
    model,
    entries.map((entry) => ({ ...entry, path: `${below}/${entry.path}` })),
  );
}

/** What any store answers once it has read the files of a model. @param read gives a sound state */
export function readsOf(read: (model: string) => Promise<ModelState>) {
  return {
    view: async (model: string) => viewOfChain(await read(model)),
    log: async (model: string) => (await read(model)).links.map(({ decision }) => decision),
    manifest: async (model: string) => (await read(model)).manifest,
  };
}

/** Reads the bytes of blobs, by object name. */
export type BlobReader = (entries: readonly TreeEntry[]) => Promise<ReadonlyMap<string, Buffer>>;

/** The same from a listing at hand, wherever the blobs lie. Paths of entries are relative to the registry. */
export async function modelState(
  read: BlobReader,
  folder: string,
  model: string,
  entries: readonly TreeEntry[],
): Promise<ModelState> {
  const files = new Map(entries.map((entry) => [entry.path, entry]));
  const findings = entries.flatMap((entry) => strangeFile(folder, entry, files));
  const plain = entries.filter((entry) => entry.mode === plainFile && entry.size <= maximumBytes);
  const kept = plain.filter((entry) => ['decision', 'manifest'].includes(parseRegistryPath(entry.path)?.kind ?? ''));
  const contents = await read(kept);
  const chain = await readChain(
    model,
    kept.flatMap((entry) => {
      const place = parseRegistryPath(entry.path);
      const bytes = contents.get(entry.oid);
      return place?.kind === 'decision' && bytes !== undefined
        ? [{ seq: place.seq, path: `${folder}/${entry.path}`, bytes }]
        : [];
    }),
  );
  findings.push(...chain.findings);
  const path = manifestPath(model);
  const manifest = contents.get(files.get(path)?.oid ?? '');
  const expected = chain.manifest === null ? undefined : canonicalBytes(chain.manifest);
  if (expected === undefined ? manifest !== undefined : manifest === undefined || !expected.equals(manifest)) {
    findings.push({
      path: `${folder}/${path}`,
      found: manifest === undefined ? 'no manifest' : 'the manifest does not match the decisions',
      expected:
        expected === undefined
          ? 'no manifest, because there are no decisions'
          : `champion ${chain.manifest?.aliases['champion']?.version ?? 'none'} after decision ${chain.manifest?.head.seq}`,
      remedy: 'Restore it from the commit of the last decision, or revert the commit that changed it',
    });
  }
  return { ...chain, findings, files };
}

/** @throws RegistryError when the chain or manifest of the model is damaged: nothing is decided on it */
export function sound(state: ModelState): ModelState {
  const [first] = state.findings;
  if (first === undefined) return state;
  throw new RegistryError({
    found: first.found,
    expected: first.expected,
    where: first.path,
    remedy: `${first.remedy}. See all with contender registry verify`,
  });
}

function strangeFile(folder: string, entry: TreeEntry, files: ReadonlyMap<string, TreeEntry>): Finding[] {
  const path = `${folder}/${entry.path}`;
  if (entry.mode !== plainFile) {
    return [
      {
        path,
        found: entry.mode === linkMode ? 'a submodule' : `a file of mode ${entry.mode}`,
        expected: `a plain file (${plainFile})`,
        remedy: 'Revert the commit that made it so: git log -- <file>',
      },
    ];
  }
  // Of evidence it is told with the decisions that refer to it: it keeps nobody from deciding.
  if (entry.size > maximumBytes && parseRegistryPath(entry.path)?.kind !== 'evidence') {
    return [
      { path, found: `a file of ${entry.size} bytes`, expected: `at most ${maximumBytes}`, remedy: restoreRemedy },
    ];
  }
  if (parseRegistryPath(entry.path) !== null) return [];
  const number = /\/decisions\/.*?0*([0-9]+)\.json$/u.exec(entry.path)?.[1];
  const twin = [...files.keys()].some((other) => {
    const place = parseRegistryPath(other);
    return place?.kind === 'decision' && place.seq === Number(number);
  });
  const stray = foreign(folder, entry.path);
  if (!twin) return [stray];
  return [
    { path, found: `a second decision ${number}`, expected: 'one decision for each number', remedy: stray.remedy },
  ];
}

/** A file that has no place in a registry. */
export function foreign(folder: string, path: string): Finding {
  return {
    path: `${folder}/${path}`,
    found: 'an unexpected file in the registry',
    expected: 'only manifests, decisions and evidence',
    remedy: 'Move it out of the registry and commit that',
  };
}

/** The decisions that refer to each piece of evidence, by its digest. */
export function evidenceReferences(chain: Chain): Map<string, number[]> {
  const references = new Map<string, number[]>();
  for (const { decision } of chain.links) {
    for (const { sha256 } of decision.evidence) {
      references.set(sha256, [...(references.get(sha256) ?? []), decision.seq]);
    }
  }
  return references;
}
