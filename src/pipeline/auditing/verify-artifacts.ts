import { join } from 'node:path';
import { withTemporaryFolder } from '../../data/temporary.ts';
import { after, ContenderError } from '../../errors.ts';
import type { Artifact } from '../../evidence/index.ts';
import { silentLog } from '../../log.ts';
import { committedPlace, isFetchable } from '../../registry/artifact-uri.ts';
import type { Finding } from '../../registry/chain.ts';
import { fetchArtifact } from '../../registry/fetch-artifact.ts';
import { OtherBytes } from '../../registry/fetch-files.ts';
import { findCommit } from '../../registry/committed-file.ts';
import type { Repository } from '../../registry/git/repository.ts';
import { gitBytes } from '../../registry/git/run.ts';
import type { MadeDecision } from '../../registry/verify.ts';
import { counted } from '../../wording.ts';

/** A file of a commit that decisions name, and the first of them, or the first that makes it champion. */
export interface NamedFile {
  /** The file of the decision. */
  path: string;
  artifact: Artifact;
  commit: string;
  /** Whether it makes the file champion. */
  promotes: boolean;
}

/** The files of commits of this repository that decisions name as candidates, each once. */
export function committedFiles(made: readonly Pick<MadeDecision, 'path' | 'decision'>[]): NamedFile[] {
  const files = new Map<string, NamedFile>();
  for (const { path, decision } of made) {
    for (const artifact of decision.candidate?.artifacts ?? []) {
      const place = committedPlace(artifact.uri);
      const key = `${artifact.sha256} ${artifact.uri}`;
      // What no address is has been found already, and git would stumble over it.
      const promotes = decision.outcome === 'promote';
      const before = files.get(key);
      if (place === null || !isFetchable(artifact.uri) || (before !== undefined && (before.promotes || !promotes)))
        continue;
      files.set(key, { path, artifact, commit: place.commit, promotes });
    }
  }
  return [...files.values()];
}

/**
 * Look up what decisions say that commits of this repository hold. A commit that this clone does not have (a shallow clone, a branch
 * that was squashed and deleted) says nothing: that is a note.
 *
 * @param options.added the decisions are new: the files are read too, and held against the recorded digest (those of Git LFS where they
 * are to be had)
 * @param options.fetch asks the remote for commits that this clone does not have. The file of a new champion in a commit that no remote has is a finding
 */
export async function lookUpFiles(
  repository: Repository,
  files: readonly NamedFile[],
  { added, fetch = false }: { added: boolean; fetch?: boolean | undefined },
): Promise<{ findings: Finding[]; notes: string[] }> {
  const nowhere = new Set<string>();
  for (const commit of !fetch ? [] : new Set(files.map((each) => each.commit))) {
    if ((await findCommit(repository, commit)) === 'nowhere') nowhere.add(commit);
  }
  const commits = await typesOf(repository, [...new Set(files.map(({ commit }) => `${commit}^{commit}`))]);
  const here = files.filter(({ commit }) => commits.get(`${commit}^{commit}`) === 'commit');
  const blobs = await typesOf(
    repository,
    here.map(({ artifact }) => objectName(artifact)),
  );
  const isThere = ({ artifact }: NamedFile): boolean => blobs.get(objectName(artifact)) === 'blob';
  const isNowhere = ({ commit, promotes }: NamedFile): boolean => promotes && nowhere.has(commit);
  const findings = [
    ...files.filter(isNowhere).map((each) => fault(each, 'and neither this clone nor its remote has that commit')),
    ...here.filter((each) => !isThere(each)).map((each) => fault(each, 'but that commit has no such file')),
  ];
  const silent = files.filter((each) => !here.includes(each) && !isNowhere(each));
  const absent = new Set(silent.map(({ commit }) => commit.slice(0, 12)));
  const notes =
    absent.size === 0
      ? []
      : [
          `Models in ${counted(absent.size, 'commits')} that this clone does not have were not looked up: ${[...absent].slice(0, 3).join(', ')}${absent.size > 3 ? ', ...' : ''}.`,
        ];
  for (const each of added ? here.filter(isThere) : []) {
    const said = await faultOfBytes(repository, each);
    if (said instanceof OtherBytes) findings.push(fault(each, said.fault.found));
    else if (said !== null) notes.push(`${each.artifact.uri} was not read: ${said.fault.found}.`);
  }
  return { findings, notes };
}

const objectName = ({ uri }: Artifact): string => uri.slice('git:'.length);

/** What git says that objects are, by name; of one that is not there, `missing`. */
async function typesOf(repository: Repository, names: readonly string[]): Promise<Map<string, string>> {
  if (names.length === 0) return new Map();
  const input = `${names.join('\n')}\n`;
  const output = await gitBytes(repository.folder, ['cat-file', '--batch-check=%(objecttype)'], { input });
  const types = output.toString('utf8').trimEnd().split('\n');
  return new Map(names.map((name, index) => [name, types[index] ?? '']));
}

/** Why a file of a commit is not what was recorded, or cannot be read; null where it is. */
function faultOfBytes(repository: Repository, { artifact }: NamedFile): Promise<ContenderError | null> {
  return withTemporaryFolder('workspace', async (folder) => {
    await fetchArtifact(repository.folder, artifact, join(folder, 'model'), { log: silentLog, fresh: true });
    return null;
  }).catch(after(ContenderError, (error) => error));
}

function fault({ path, artifact }: NamedFile, found: string): Finding {
  return {
    path,
    found: `${artifact.uri}, ${found}`,
    expected: `the file that was evaluated, sha256 ${artifact.sha256.slice(0, 12)}`,
    remedy: 'Remove the decision, and let Contender record its own: contender gate',
  };
}
