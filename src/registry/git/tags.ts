import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RegistryError } from '../../errors.ts';
import type { ChainLink } from '../manifest.ts';
import { decisionPath } from '../layout.ts';
import { gtoTags, isTag, type FoundTag, type RegistryTag } from '../tags.ts';
import { firstAddedIn } from './history.ts';
import { identity } from './objects.ts';
import type { Repository } from './repository.ts';
import { git, gitBytes, runGit } from './run.ts';

/** Every tag of the repository, or those of one model. */
export async function listTags(repository: Repository, model?: string): Promise<FoundTag[]> {
  const fields = [
    '%(refname:strip=2)',
    '%(objecttype)',
    '%(objectname)',
    '%(*objecttype)',
    '%(*objectname)',
    '%(contents)',
  ];
  const patterns = model === undefined ? ['refs/tags/'] : [`refs/tags/${model}@*`, `refs/tags/${model}#*`];
  const output = await gitBytes(repository.folder, ['for-each-ref', `--format=${fields.join('%00')}%00`, ...patterns]);
  const values = output.toString('utf8').split('\0');
  const tags: FoundTag[] = [];
  for (let at = 0; at + fields.length < values.length; at += fields.length) {
    const [name = '', type, oid, pointsAt, commit, message = ''] = values.slice(at, at + fields.length);
    tags.push({
      name: name.replace(/^\n/u, ''),
      commit: type === 'commit' ? (oid ?? null) : pointsAt === 'commit' ? (commit ?? null) : null,
      message: type === 'tag' ? message : '',
    });
  }
  return tags;
}

/**
 * Make every tag that a chain calls for and that is missing, all at once or none. The caller holds the lock of the branch.
 *
 * @param head a commit that holds the chain
 * @returns the names of the tags made
 */
export async function completeTags(
  repository: Repository,
  folder: string,
  model: string,
  head: string,
  links: readonly ChainLink[],
): Promise<string[]> {
  const found = new Map((await listTags(repository, model)).map((tag) => [tag.name, tag]));
  const wanted = gtoTags(model, links);
  const missing = wanted.filter((tag) => !found.has(tag.name));
  if (missing.length === 0) return [];
  const commits = new Map<number, string>();
  for (const tag of wanted) {
    const there = found.get(tag.name);
    if (there !== undefined && there.commit !== null && isTag(there, tag)) commits.set(tag.target, there.commit);
  }
  const creations: string[] = [];
  for (const tag of missing) {
    const commit =
      commits.get(tag.target) ?? (await firstAddedIn(repository, head, `${folder}/${decisionPath(model, tag.target)}`));
    commits.set(tag.target, commit);
    await removeStaleLock(repository, tag.name);
    creations.push(`create refs/tags/${tag.name} ${await writeTag(repository, tag, commit)}\n`);
  }
  const result = await runGit(repository.folder, ['update-ref', '--stdin'], { input: creations.join('') });
  if (result.code !== 0) {
    throw new RegistryError({
      found: `the tags ${missing.map(({ name }) => name).join(', ')} could not be made: ${result.stderr}`,
      remedy: 'The decision is recorded. Make the tags with contender registry tag',
    });
  }
  return missing.map(({ name }) => name);
}

async function writeTag(repository: Repository, tag: RegistryTag, commit: string): Promise<string> {
  const { GIT_COMMITTER_NAME, GIT_COMMITTER_EMAIL } = await identity(repository);
  // What git itself leaves out of an identity.
  const [name, email] = [GIT_COMMITTER_NAME, GIT_COMMITTER_EMAIL].map((text) => text.replace(/[<>\n\0]/gu, ''));
  const input = `object ${commit}\ntype commit\ntag ${tag.name}\ntagger ${name} <${email}> ${tag.time} +0000\n\n${tag.message}`;
  return git(repository.folder, ['mktag'], { input });
}

/** A git that was killed while it made a tag leaves the lock of the tag behind; one at work holds it for an instant. */
async function removeStaleLock(repository: Repository, name: string): Promise<void> {
  const lock = join(repository.commonFolder, 'refs', 'tags', `${name}.lock`);
  const found = await stat(lock).catch(() => null);
  if (found === null) return;
  await sleep(Math.max(0, found.mtimeMs + 2000 - Date.now()));
  const text = await readFile(lock, 'utf8').catch(() => null);
  if (text !== null && /^(?:[0-9a-f]{40,64}\n?)?$/u.test(text)) await rm(lock, { force: true });
}
