import type { ChainLink } from '../manifest.ts';
import { decisionPath } from '../layout.ts';
import { gtoTags, isTag, type FoundTag, type RegistryTag } from '../tags.ts';
import { firstAddedIn } from './history.ts';
import { identity, objectName, writeObjects, type NewObject } from './objects.ts';
import type { Repository } from './repository.ts';
import { git, gitBytes, partsOf, runGit, textOf } from './run.ts';

/** The tags of a model, as patterns of refs. */
export function tagPatterns(model: string): string[] {
  return [`refs/tags/${model}@*`, `refs/tags/${model}#*`];
}

/** Every tag of the repository, or those of one model, and the object of each. */
export async function listTags(repository: Repository, model?: string): Promise<(FoundTag & { oid: string })[]> {
  const fields = [
    '%(refname:strip=2)',
    '%(objecttype)',
    '%(objectname)',
    '%(*objecttype)',
    '%(*objectname)',
    '%(contents)',
  ];
  const patterns = model === undefined ? ['refs/tags/'] : tagPatterns(model);
  const output = await gitBytes(repository.folder, ['for-each-ref', `--format=${fields.join('%00')}%00`, ...patterns]);
  const values = output.toString('utf8').split('\0');
  const tags: (FoundTag & { oid: string })[] = [];
  for (let at = 0; at + fields.length < values.length; at += fields.length) {
    const [name = '', type, oid = '', pointsAt, commit, message = ''] = values.slice(at, at + fields.length);
    tags.push({
      name: name.replace(/^\n/u, ''),
      oid,
      commit: type === 'commit' ? oid : pointsAt === 'commit' ? (commit ?? null) : null,
      message: type === 'tag' ? message : '',
    });
  }
  return tags;
}

/**
 * The tags of a remote, as it has them: a tag here may be another (actions/checkout makes the tag of its event a plain one), or be gone
 * there. Of one that was not fetched, what is here is all that is known.
 *
 * @param there the object of each tag of the remote, by name
 */
export async function listTagsAsOn(repository: Repository, there: ReadonlyMap<string, string>): Promise<FoundTag[]> {
  const here = new Map((await listTags(repository)).map((tag) => [tag.name, tag]));
  const tags: FoundTag[] = [];
  for (const [name, oid] of there) {
    const known = here.get(name);
    const tag = known?.oid === oid ? known : ((await readTag(repository, name, oid)) ?? known);
    if (tag !== undefined) tags.push(tag);
  }
  return tags;
}

/** Whether tags of a remote are here too, each at the same object. */
export async function areHere({ folder }: Repository, there: ReadonlyMap<string, string>): Promise<boolean> {
  if (there.size === 0) return true;
  const listed = await runGit(folder, ['for-each-ref', '--format=%(objectname) %(refname:strip=2)', 'refs/tags/']);
  const here = new Set(partsOf(listed.stdout, '\n'));
  return [...there].every(([name, oid]) => here.has(`${oid} ${name}`));
}

/** @param oid what the ref of the tag is at. @returns undefined where that is not here */
async function readTag(repository: Repository, name: string, oid: string): Promise<FoundTag | undefined> {
  const type = textOf(await runGit(repository.folder, ['cat-file', '-t', oid]));
  if (type === '') return undefined;
  if (type !== 'tag') return { name, commit: type === 'commit' ? oid : null, message: '' };
  const text = await git(repository.folder, ['cat-file', 'tag', oid]);
  const [, commit = null, message = ''] = /^object ([0-9a-f]+)\ntype commit\n.*?\n\n(.*)$/su.exec(text) ?? [];
  return { name, commit, message };
}

/** A tag object, and the ref that is to be made for it. */
export interface TagToMake {
  name: string;
  oid: string;
}

/** Make tags of objects that are here, those that there are not yet. */
export async function createTags({ folder }: Repository, tags: readonly TagToMake[]): Promise<void> {
  if (tags.length === 0) return;
  const lines = tags.map(({ name, oid }) => `create refs/tags/${name} ${oid}\n`);
  const all = await runGit(folder, ['update-ref', '--stdin'], { input: lines.join('') });
  // All or nothing: where one cannot be made, each is tried.
  if (all.code !== 0) for (const input of lines) await runGit(folder, ['update-ref', '--stdin'], { input });
}

/**
 * Objects for every tag that a chain calls for and that is not there. Nobody sees them until a ref is made for each.
 *
 * @param head a commit that holds the chain
 * @param made the decision that this commit adds, if it adds one
 * @param remoteTags those of the remote that has the registry, where they must be made; null: here. One that is here alone is made there of
 *   the same object
 */
export async function missingTags(
  repository: Repository,
  folder: string,
  model: string,
  head: string,
  links: readonly ChainLink[],
  made: number | undefined,
  remoteTags: ReadonlyMap<string, string> | null,
): Promise<TagToMake[]> {
  const wanted = gtoTags(model, links);
  const missingIn = (there: ReadonlyMap<string, unknown>): RegistryTag[] =>
    wanted.filter(({ name }) => !there.has(name));
  if (remoteTags !== null && missingIn(remoteTags).length === 0) return [];
  const found = new Map((await listTags(repository, model)).map((tag) => [tag.name, tag]));
  const missing = missingIn(remoteTags ?? found);
  const commits = new Map(made === undefined ? [] : [[made, head]]);
  for (const tag of wanted) {
    const there = found.get(tag.name);
    if (there !== undefined && there.commit !== null && isTag(there, tag)) commits.set(tag.target, there.commit);
  }
  const tags: TagToMake[] = [];
  const objects: NewObject[] = [];
  for (const tag of missing) {
    const known = found.get(tag.name);
    if (known !== undefined && isTag(known, tag)) {
      tags.push({ name: tag.name, oid: known.oid });
      continue;
    }
    const commit =
      commits.get(tag.target) ?? (await firstAddedIn(repository, head, `${folder}/${decisionPath(model, tag.target)}`));
    commits.set(tag.target, commit);
    const object = await tagObject(repository, tag, commit);
    objects.push(object);
    tags.push({ name: tag.name, oid: objectName(object, repository.objectFormat) });
  }
  if (objects.length > 0) await writeObjects(repository, objects);
  return tags;
}

async function tagObject(repository: Repository, tag: RegistryTag, commit: string): Promise<NewObject> {
  const { GIT_COMMITTER_NAME, GIT_COMMITTER_EMAIL } = await identity(repository);
  // What git itself leaves out of an identity.
  const [name, email] = [GIT_COMMITTER_NAME, GIT_COMMITTER_EMAIL].map((text) => text.replace(/[<>\n\0]/gu, ''));
  const text = `object ${commit}\ntype commit\ntag ${tag.name}\ntagger ${name} <${email}> ${tag.time} +0000\n\n${tag.message}`;
  return { type: 'tag', bytes: Buffer.from(text) };
}
