import { GitHubError, RegistryError } from '../errors.ts';
import type { GitHub } from '../github/client.ts';
import type { Log } from '../log.ts';
import { openBranch } from './git/branch.ts';
import { entriesAt, readBlobs, requireStorable, treeWith, writeCommit } from './git/objects.ts';
import type { Repository } from './git/repository.ts';
import { commitOnBranch } from './github/commit-files.ts';
import { nothing } from './github/refs.ts';
import { readFile } from './github/snapshot.ts';

/** Some files on a branch of their own, which is made with the first of them. No work tree is touched. */
export interface BranchFiles {
  /** What is there, all of one commit. */
  read(paths: readonly string[]): Promise<FilesAt>;
  /** Put a commit with these files on top, if the branch is still where it was read. False: somebody else was first. */
  write(from: FilesAt, files: ReadonlyMap<string, string>, message: string): Promise<boolean>;
}

export interface FilesAt {
  /** Null: there is no such branch. */
  head: string | null;
  files: ReadonlyMap<string, string>;
}

/** In a git repository, or on its remote. @throws RegistryError */
export async function openGitFiles(input: {
  repository: Repository;
  branch: string;
  push: string | undefined;
  log: Log;
}): Promise<BranchFiles> {
  const { repository } = input;
  const branch = await openBranch(repository, input.branch, input.push, input.log, 'monitor.branch');
  await branch.requireWritable();
  if (branch.remote === null) await requireStorable(repository);
  await branch.rehearse();
  return {
    async read(paths) {
      const { head } = await branch.tip();
      if (head === null) return { head, files: new Map() };
      const entries = await entriesAt(repository, head, paths);
      const blobs = await readBlobs(repository, entries);
      return {
        head,
        files: new Map(entries.map(({ path, oid }) => [path, (blobs.get(oid) as Buffer).toString('utf8')])),
      };
    },
    async write(from, files, message) {
      const tip = await branch.tip();
      if (tip.head !== from.head) return false;
      const bytes = new Map([...files].map(([path, text]) => [path, Buffer.from(text)]));
      const commit = await writeCommit(repository, await treeWith(repository, tip.head, bytes), tip.head, message);
      const moved = await branch.move(tip, commit, [], message.split('\n')[0] ?? '');
      if (!moved.moved && !moved.mayPass) throw moved.fault;
      return moved.moved;
    },
  };
}

/** Through the API of GitHub. */
export function openGitHubFiles(github: GitHub, branch: string): BranchFiles {
  const place = { github, branch, folder: '', cache: new Map<string, Buffer>() };
  return {
    async read(paths) {
      const ref = await github.find('GET /repos/{owner}/{repo}/git/ref/{ref}', { ref: `heads/${branch}` });
      if (ref === null) return { head: null, files: new Map() };
      const found = new Map<string, string>();
      for (const path of paths) {
        const bytes = await readFile(place, path);
        if (bytes !== null) found.set(path, bytes.toString('utf8'));
      }
      // Read from the tip as it is by now: a writer in between shows when this is written on top.
      return { head: ref.object.sha, files: found };
    },
    async write(from, files, message) {
      const bytes = new Map([...files].map(([path, text]) => [path, Buffer.from(text)]));
      try {
        const tree = from.head === null ? '' : await treeOf(github, from.head);
        await commitOnBranch(place, { head: from.head ?? nothing, tree }, bytes, message);
        return true;
      } catch (error) {
        if (!(error instanceof GitHubError)) throw error;
        if (error.kind === 'conflict' || error.kind === 'exists') return false;
        if (error.kind !== 'rules') throw error;
        throw new RegistryError({
          found: `the rules of branch ${branch} do not allow writing to it`,
          expected: 'a separate branch that the workflow may write to',
          where: 'monitor.branch',
          remedy: 'Remove the branch from the ruleset, or choose another branch',
          cause: error,
        });
      }
    },
  };
}

async function treeOf(github: GitHub, commit: string): Promise<string> {
  const { tree } = await github.request('GET /repos/{owner}/{repo}/git/commits/{commit_sha}', { commit_sha: commit });
  return tree.sha;
}
