import { GitHubError } from '../errors.ts';
import type { GitHub } from './client.ts';

/** The most characters GitHub takes for a comment. */
export const commentCharacters = 65_536;

export interface StickyComment {
  pullRequest: number;
  /** One comment for each model; letters, digits, `-` and `_`. */
  model: string;
  /** The workflow run that speaks: a run that is older never replaces what a newer one said. */
  run: { id: number; attempt: number };
  /** The text, in at most so many UTF-8 bytes. */
  body: (limit: number) => string;
  /** Say nothing where nothing was said before. */
  onlyUpdate?: boolean;
}

export interface PostedComment {
  action: 'created' | 'updated' | 'unchanged' | 'superseded' | 'none';
  url: string;
}

interface Comment {
  id: number;
  url: string;
  body: string;
}

/**
 * Say it in the one comment of this model on a pull request, which is made if it is not there. Only comments of the token's own
 * identity that start with our marker are touched; of several (two runs may have begun at once) the oldest is kept.
 *
 * @throws GitHubError
 */
export async function postComment(github: GitHub, comment: StickyComment): Promise<PostedComment> {
  const me = await ownLogin(github);
  const [known, ...others] = await ownComments(github, comment, me);
  for (const other of others) await remove(github, other.id);
  if (known !== undefined) {
    const updated = await update(github, comment, known);
    if (updated !== null) return updated;
  }
  if (comment.onlyUpdate === true) return { action: 'none', url: '' };
  const created = await create(github, comment, me);
  const [oldest] = await ownComments(github, comment, me);
  // Another run made one a moment before: ours goes, and what we have to say stands there.
  if (oldest === undefined || oldest.id === created.id) return { action: 'created', url: created.url };
  await remove(github, created.id);
  return (await update(github, comment, oldest)) ?? { action: 'created', url: created.url };
}

/** The models that have a comment of ours on a pull request, but for those that this very run has spoken of. @throws GitHubError */
export async function commentedModels(
  github: GitHub,
  { pullRequest, run }: Pick<StickyComment, 'pullRequest' | 'run'>,
): Promise<string[]> {
  const said = (await allOwnComments(github, pullRequest, await ownLogin(github))).map(({ body }) => markerIn(body));
  const models = said.flatMap((marker) =>
    marker === null || (marker.id === run.id && marker.attempt === run.attempt) ? [] : [marker.model],
  );
  return [...new Set(models)];
}

/** Null when the comment was deleted meanwhile. */
async function update(github: GitHub, comment: StickyComment, known: Comment): Promise<PostedComment | null> {
  const { url } = known;
  const said = markerIn(known.body);
  if (said !== null && isNewer(said, comment.run)) return { action: 'superseded', url };
  if (text(comment, commentCharacters) === known.body.replaceAll('\r\n', '\n')) return { action: 'unchanged', url };
  const patched = await shorter((limit) =>
    github.find('PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}', {
      comment_id: known.id,
      body: text(comment, limit),
    }),
  );
  return patched === null ? null : { action: 'updated', url };
}

async function create(github: GitHub, comment: StickyComment, me: string): Promise<Comment> {
  try {
    const posted = await shorter((limit) =>
      github.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
        issue_number: comment.pullRequest,
        body: text(comment, limit),
      }),
    );
    return { id: Number(posted.id), url: posted.html_url, body: posted.body ?? '' };
  } catch (error) {
    if (!(error instanceof GitHubError) || !error.uncertain) throw error;
    const [posted] = await ownComments(github, comment, me);
    if (posted === undefined) throw error;
    return posted;
  }
}

/** Repeat with a quarter of the text if GitHub takes less than it says. */
async function shorter<T>(send: (limit: number) => Promise<T>): Promise<T> {
  try {
    return await send(commentCharacters);
  } catch (error) {
    if (!(error instanceof GitHubError) || !/too long/iu.test(error.message)) throw error;
    return send(commentCharacters / 4);
  }
}

async function remove(github: GitHub, id: number): Promise<void> {
  await github.find('DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}', { comment_id: id });
}

/** Those on one model, oldest first. */
async function ownComments(github: GitHub, { pullRequest, model }: StickyComment, me: string): Promise<Comment[]> {
  return (await allOwnComments(github, pullRequest, me)).filter(({ body }) => markerIn(body)?.model === model);
}

async function allOwnComments(github: GitHub, pullRequest: number, me: string): Promise<Comment[]> {
  const comments = await github.list('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', {
    issue_number: pullRequest,
  });
  return comments
    .filter(({ user, body }) => user?.login === me && markerIn(body ?? '') !== null)
    .map(({ id, html_url: url, body = '' }) => ({ id: Number(id), url, body }))
    .sort((a, b) => a.id - b.id);
}

async function ownLogin(github: GitHub): Promise<string> {
  const { viewer } = await github.graphql<{ viewer: { login: string } }>('query Viewer { viewer { login } }', {});
  return viewer.login;
}

function text(comment: StickyComment, limit: number): string {
  const marker = `<!-- contender model=${comment.model} run=${comment.run.id}.${comment.run.attempt} -->\n`;
  return marker + comment.body(limit - marker.length);
}

/** The model a comment is on and the run that wrote it; null for any other comment. */
function markerIn(body: string): (StickyComment['run'] & { model: string }) | null {
  const [, model, id, attempt] = /^<!-- contender model=([\w-]+) run=(\d{1,15})\.(\d{1,6}) -->/u.exec(body) ?? [];
  return model === undefined ? null : { model, id: Number(id), attempt: Number(attempt) };
}

function isNewer(a: StickyComment['run'], b: StickyComment['run']): boolean {
  return a.id > b.id || (a.id === b.id && a.attempt > b.attempt);
}
