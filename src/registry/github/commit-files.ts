import { isUtf8 } from 'node:buffer';
import type { GitHub } from '../../github/client.ts';
import { decisionPath } from '../layout.ts';
import type { FileContent } from '../plan-pending.ts';
import type { RegistryTag } from '../tags.ts';
import { moveRefs, nothing, repositoryAndLogin } from './refs.ts';
import { addedIn, storeTags } from './tags.ts';
import type { GitHubBranch, Snapshot } from './snapshot.ts';

/** Larger commits go up file by file: GitHub takes no large bodies (trees fail above about 2.5 MB). */
const bytesAtOnce = 1024 * 1024;
/** Text up to this size goes with the tree: one request less for each file. */
const textBytes = 64 * 1024;

const commitMutation = `mutation Commit($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid } }
}`;

/**
 * Put a commit on top of a branch, or make the branch with it, if the branch is still where it was read: compare and swap. GitHub
 * signs it.
 *
 * @throws GitHubError `conflict` when the branch moved, `rules` when it may not be written to; uncertain when nobody knows
 */
export async function commitOnBranch(
  place: GitHubBranch,
  from: Pick<Snapshot, 'head' | 'tree'>,
  files: ReadonlyMap<string, Uint8Array>,
  message: string,
): Promise<string> {
  const { github, branch } = place;
  if (from.head === nothing) {
    // The first commit of a branch: the mutation makes none.
    const { sha } = await storeCommit(github, from, files, message);
    await github.request('POST /repos/{owner}/{repo}/git/refs', { ref: `refs/heads/${branch}`, sha });
    return sha;
  }
  if ([...files.values()].reduce((sum, bytes) => sum + bytes.length, 0) > bytesAtOnce) {
    const { sha } = await storeCommit(github, from, files, message);
    // Without force only a branch that is still at the commit's parent moves.
    await github.request('PATCH /repos/{owner}/{repo}/git/refs/{ref}', { ref: `heads/${branch}`, sha, force: false });
    return sha;
  }
  const [headline = '', ...body] = message.split('\n');
  const input = {
    branch: { repositoryNameWithOwner: github.repository, branchName: branch },
    expectedHeadOid: from.head,
    message: { headline, body: body.join('\n').trim() },
    fileChanges: {
      additions: [...files].map(([path, bytes]) => ({ path, contents: Buffer.from(bytes).toString('base64') })),
    },
  };
  const answer = await github.graphql<{ createCommitOnBranch: { commit: { oid: string } } }>(commitMutation, { input });
  return answer.createCommitOnBranch.commit.oid;
}

/**
 * Put a commit on top of a branch and make tags, all at once or nothing, if the branch is still where it was read and none of the
 * tags is there.
 *
 * @returns the commit; null: GitHub signs no such commit for this token, and nothing was moved
 * @throws GitHubError as `moveRefs` does
 */
export async function commitWithTags(
  place: GitHubBranch,
  from: Pick<Snapshot, 'head' | 'tree'>,
  plan: { files: ReadonlyMap<string, Uint8Array>; message: string; seq: number },
  model: string,
  tags: readonly RegistryTag[],
): Promise<string | null> {
  const { github, branch } = place;
  const { sha, signed } = await storeCommit(github, from, plan.files, plan.message);
  if (!signed) return null;
  const { id, login } = await repositoryAndLogin(github);
  const moves = await storeTags(github, login, tags, async (target) =>
    target === plan.seq ? sha : addedIn(place, decisionPath(model, target)),
  );
  await moveRefs(github, id, [{ name: `refs/heads/${branch}`, before: from.head, after: sha }, ...moves]);
  return sha;
}

/**
 * Store a commit that no branch holds yet. Nobody sees it until a ref moves to it, so every step may be repeated. With a
 * workflow's or an app's token GitHub signs it, since it names no author.
 */
export async function storeCommit(
  github: GitHub,
  parent: Pick<Snapshot, 'head' | 'tree'>,
  files: ReadonlyMap<string, FileContent>,
  message: string,
): Promise<{ sha: string; signed: boolean }> {
  const repeatable = { repeatable: true };
  const items = [];
  for (const [path, content] of files) {
    const item = { path, mode: '100644' as const, type: 'blob' as const };
    const text = content instanceof Uint8Array && content.length <= textBytes && isUtf8(content);
    if (text) items.push({ ...item, content: Buffer.from(content).toString('utf8') });
    else items.push({ ...item, sha: content instanceof Uint8Array ? await storeBlob(github, content) : content.oid });
  }
  const tree = await github.request(
    'POST /repos/{owner}/{repo}/git/trees',
    { ...(parent.head === nothing ? {} : { base_tree: parent.tree }), tree: items },
    repeatable,
  );
  const commit = await github.request(
    'POST /repos/{owner}/{repo}/git/commits',
    { message, tree: tree.sha, parents: parent.head === nothing ? [] : [parent.head] },
    repeatable,
  );
  return { sha: commit.sha, signed: commit.verification.verified };
}

async function storeBlob(github: GitHub, bytes: Uint8Array): Promise<string> {
  const content = Buffer.from(bytes).toString('base64');
  const blob = await github.request(
    'POST /repos/{owner}/{repo}/git/blobs',
    { content, encoding: 'base64' },
    { repeatable: true },
  );
  return blob.sha;
}
