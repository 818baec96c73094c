import { isAbsolute, relative, sep } from 'node:path';
import type { Source } from '../../evidence/index.ts';
import { DataError, RegistryError, instead } from '../../errors.ts';
import { partsOf } from '../../data/parts.ts';
import { keptAsCommitted } from '../../registry/artifact-uri.ts';
import { filesAsWritten, requireFetchable } from '../../registry/committed-file.ts';
import { commitAt, type Repository } from '../../registry/git/repository.ts';
import { runGit, textOf } from '../../registry/git/run.ts';
import { uncommittedEdits } from '../../registry/git/status.ts';
import { stageInputs } from '../configuration.ts';
import { isShared } from '../open-registry.ts';
import { inside, type Workspace } from '../workspace.ts';
import { firstOf } from '../../wording.ts';

/**
 * Where a decision is made: what the runner says, the commit that is checked out, and the files that decide and are not as in that
 * commit, which nobody could look up later. They are told in the log too, and are no reason to refuse.
 *
 * @param judgedOn paths of data, as the configuration has them; null: nothing is recorded, and what is not committed is nobody's business
 */
export async function sourceHere(
  workspace: Workspace,
  source: Source,
  judgedOn: readonly string[] | null,
): Promise<Source> {
  // A registry behind the API needs no repository here.
  const repository = await workspace.repository().catch(instead(RegistryError, null));
  if (repository === null || repository.bare) return source;
  // A workflow may check out a branch as it is now, which has moved on from the commit its event is of.
  const sha = (await commitAt(repository, 'HEAD')) ?? source.sha;
  const { edited, converted } =
    judgedOn === null ? { edited: [], converted: [] } : await uncommittedOf(workspace, repository, judgedOn);
  if (edited.length > 0) {
    const [is, it, them] = edited.length === 1 ? ['is', 'it is', 'it'] : ['are', 'they are', 'them'];
    workspace.log.warning(
      `${edited.join(', ')} ${is} not committed in this state. The decision uses ${them} as ${it} here.`,
    );
  }
  const [first] = converted;
  if (first !== undefined) {
    workspace.log.warning(
      `Decided on ${firstOf(converted, 3, 'files')} as here, which is not as committed: git converts this for the work tree (line endings or a filter), and others cannot fetch these bytes. ${keptAsCommitted(first)}.`,
    );
  }
  const uncommitted = [...edited, ...converted];
  return {
    ...source,
    ...(sha === undefined ? {} : { sha }),
    ...(uncommitted.length === 0 ? {} : { uncommitted }),
  };
}

/**
 * Data that git does not track is told by its digest alone, as it is meant to be.
 *
 * @returns files that a person changed, and data that git did
 * @throws RegistryError for data in Git LFS whose bytes others could not fetch
 */
async function uncommittedOf(
  workspace: Workspace,
  repository: Repository,
  datasets: readonly string[],
): Promise<{ edited: string[]; converted: string[] }> {
  const fromTop = (path: string): string => relative(repository.folder, path).split(sep).join('/');
  const named = stageInputs(workspace.modelConfig).map(({ file, key }) => inside(workspace, file, key));
  const rules = [workspace.configPath, ...(await Promise.all(named))].map(fromTop);
  const data = (await Promise.all(datasets.map((path) => filesOf(workspace, path)))).flat().map(fromTop);
  const within = [...rules, ...data].filter((path) => !path.startsWith('../') && !isAbsolute(path));
  if (within.length === 0) return { edited: [], converted: [] };
  const edits = await uncommittedEdits(repository.folder, within);
  const counted = edits.filter(({ path, what }) => what !== 'not committed' || rules.includes(path));
  // What was taken out of the index and still lies there is both deleted and unknown.
  const edited = [...new Set(counted.map(({ path }) => path))];
  const { converted, inLfs } = await filesAsWritten(
    repository,
    data.filter((path) => within.includes(path)),
  );
  if (isShared(workspace)) {
    const committed = inLfs.filter(({ path }) => !edited.includes(path));
    await requireFetchable(repository, workspace.config.registry?.push, committed, workspace);
  }
  return { edited, converted: converted.filter((path) => !edited.includes(path)) };
}

/** What a path of the configuration stands for; git is asked for names as they stand. */
async function filesOf(workspace: Workspace, path: string): Promise<string[]> {
  const whole = await inside(workspace, path, 'data');
  if (!/[*?]/u.test(path)) return [whole];
  const parts = await partsOf(whole, path).catch(instead(DataError, []));
  return parts.map((part) => part.path);
}

/** Who commits in a folder, by git's word; undefined where it has none. */
export async function committer(folder: string): Promise<string | undefined> {
  try {
    const name = textOf(await runGit(folder, ['config', 'user.name']));
    return name === '' ? undefined : name;
  } catch (error) {
    // A registry behind the API needs no git here.
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}
