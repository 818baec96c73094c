import { RegistryError } from '../errors.ts';
import type { Source } from '../evidence/index.ts';
import { commitAt, openRepository } from '../registry/git/repository.ts';
import type { Workspace } from './workspace.ts';

/**
 * Where a decision comes from, with the commit that is checked out: a workflow may check out a branch as it is now, which has moved on
 * from the commit its event is of. Outside a workflow, and without a repository, it is as it was.
 */
export async function judgedSource(workspace: Workspace, source: Source): Promise<Source> {
  if (source.sha === undefined) return source;
  try {
    const head = await commitAt(await openRepository(workspace.root), 'HEAD');
    return head === null ? source : { ...source, sha: head };
  } catch (error) {
    if (error instanceof RegistryError) return source;
    throw error;
  }
}
