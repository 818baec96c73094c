import { GitHubError, RegistryError } from '../../errors.ts';
import type { GitHub } from '../../github/client.ts';
import { decisionPath } from '../layout.ts';
import type { ChainLink } from '../manifest.ts';
import { gtoTags, type FoundTag, type RegistryTag } from '../tags.ts';
import { moveRefs, repositoryAndLogin, type RefMove } from './refs.ts';
import { firstCommitOf, objectsAt, type GitHubBranch } from './snapshot.ts';

/** So many refs are moved in one request. */
const refsAtOnce = 50;

/** The tags of a model, by name: the object each is at. */
async function tagsOf(github: GitHub, model: string): Promise<Map<string, string>> {
  const found = await Promise.all([`${model}@`, `${model}#`].map((start) => tagsFrom(github, start)));
  return new Map(found.flat());
}

/** The tags whose names start so, each with the object that it is at. */
async function tagsFrom(github: GitHub, start: string): Promise<[name: string, oid: string][]> {
  const refs = await github.list('GET /repos/{owner}/{repo}/git/matching-refs/{ref}', { ref: `tags/${start}` });
  return refs.map(({ ref, object }) => [ref.replace('refs/tags/', ''), object.sha]);
}

/** The tags of a model that have none of these names, as they are. */
export async function tagsBeside(github: GitHub, model: string, names: ReadonlySet<string>): Promise<FoundTag[]> {
  const tags = [...(await tagsOf(github, model))];
  return readTags(
    github,
    tags.filter(([name]) => !names.has(name)),
  );
}

/** Every tag of the repository that may be one of a registry. */
export async function allTags(github: GitHub): Promise<FoundTag[]> {
  const tags = await tagsFrom(github, '');
  return readTags(
    github,
    tags.filter(([name]) => /[@#]/u.test(name)),
  );
}

/**
 * Store a tag object for each of the tags. Nobody sees them until a ref is made for each.
 *
 * @param commitOf the commit of a decision
 * @returns the refs to make
 */
export async function storeTags(
  github: GitHub,
  login: string,
  tags: readonly RegistryTag[],
  commitOf: (seq: number) => Promise<string>,
): Promise<RefMove[]> {
  const moves: RefMove[] = [];
  // A version and its stages point at one commit.
  const commits = new Map<number, string>();
  for (const { name, message, target, time } of tags) {
    const object = commits.get(target) ?? (await commitOf(target));
    commits.set(target, object);
    const tag = await github.request(
      'POST /repos/{owner}/{repo}/git/tags',
      {
        tag: name,
        message,
        object,
        type: 'commit',
        // The time follows from the chain, as GTO needs it, so that of the request will not do.
        tagger: {
          name: login,
          email: `${login}@users.noreply.github.com`,
          date: new Date(time * 1000).toISOString(),
        },
      },
      { repeatable: true },
    );
    moves.push({ name: `refs/tags/${name}`, before: null, after: tag.sha });
  }
  return moves;
}

/**
 * Make every tag that a chain calls for and that is missing. Where GitHub does not make many refs in one request for this token,
 * they are made one by one.
 *
 * @returns the names of the tags made
 * @throws RegistryError when a tag cannot be made
 */
export async function completeTags(place: GitHubBranch, model: string, links: readonly ChainLink[]): Promise<string[]> {
  const { github } = place;
  const wanted = gtoTags(model, links);
  if (wanted.length === 0) return [];
  const made = new Set<string>();
  let together = true;
  for (let failures = 0; ;) {
    const present = await tagsOf(github, model);
    const missing = wanted.filter(({ name }) => !present.has(name)).slice(0, refsAtOnce);
    if (missing.length === 0) return [...made];
    for (const { name } of missing) made.add(name);
    try {
      const { id, login } = await repositoryAndLogin(github);
      const moves = await storeTags(github, login, missing, (seq) => addedIn(place, decisionPath(model, seq)));
      if (together) await moveRefs(github, id, moves);
      else await makeRefs(github, moves);
    } catch (error) {
      if (!(error instanceof GitHubError)) throw error;
      // Another writer makes the same tags, or nobody knows whether they were made: the next reading tells.
      const passes = isOvertaken(error) || error.uncertain;
      if (++failures > 10 || (!passes && !together)) throw untagged(missing, error);
      if (!passes || failures >= 3) together = false;
    }
  }
}

/** Make some tags of a model, one by one. One that is there by now stays as it is. */
export async function makeTags(place: GitHubBranch, model: string, tags: readonly RegistryTag[]): Promise<void> {
  const { github } = place;
  const { login } = await repositoryAndLogin(github);
  for (const move of await storeTags(github, login, tags, (seq) => addedIn(place, decisionPath(model, seq)))) {
    await makeRefs(github, [move]).catch((error: unknown) => {
      if (!(error instanceof GitHubError) || error.kind !== 'exists') throw error;
    });
  }
}

/** Some ref was not where it had to be. How that is told for refs that must not be there is not documented: any of these. */
export function isOvertaken({ kind }: GitHubError): boolean {
  return kind === 'conflict' || kind === 'exists';
}

/** The commit that first added a file of the registry, as `git/tags.ts` and `verify.ts` have it. @throws RegistryError when there is none */
export async function addedIn({ github, branch, folder }: GitHubBranch, file: string): Promise<string> {
  const commit = await firstCommitOf({ github, branch }, `${folder}/${file}`);
  if (commit !== null) return commit;
  throw new RegistryError({
    found: 'no commit added this file',
    where: `${github.repository} ${branch} ${folder}/${file}`,
    remedy: 'Run contender registry verify',
  });
}

async function makeRefs(github: GitHub, moves: readonly RefMove[]): Promise<void> {
  for (const { name, after } of moves) {
    await github.request('POST /repos/{owner}/{repo}/git/refs', { ref: name, sha: after });
  }
}

interface TagAnswer {
  __typename: string;
  oid: string;
  /** Of a tag, which may have none. */
  message?: string | null;
  target?: { __typename: string; oid: string };
}

async function readTags(github: GitHub, tags: readonly (readonly [name: string, oid: string])[]): Promise<FoundTag[]> {
  const oids = tags.map(([, oid]) => oid);
  const fields = '__typename oid ... on Tag { message target { __typename oid } }';
  const objects = await objectsAt<TagAnswer>(github, 'oid', oids, fields);
  return tags.map(([name, oid]) => {
    const object = objects.get(oid);
    // A ref without a tag object of its own is at a commit.
    const { target = object } = object ?? {};
    return { name, commit: target?.__typename === 'Commit' ? target.oid : null, message: object?.message ?? '' };
  });
}

function untagged(missing: readonly RegistryTag[], error: GitHubError): RegistryError {
  return new RegistryError({
    found: `the tags ${missing.map(({ name }) => name).join(', ')} could not be created: ${error.fault.found}`,
    ...(error.fault.where === undefined ? {} : { where: error.fault.where }),
    remedy: `The decision is recorded. ${error.fault.remedy ?? ''}\nThen create the tags with contender registry tag, or run this again`,
  });
}
