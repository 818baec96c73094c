import { after, GitHubError } from '../../errors.ts';
import { postCheckRun } from '../../github/check-run.ts';
import type { GitHub } from '../../github/client.ts';
import { commentedModels, postComment } from '../../github/comment.ts';
import type { RunPlace } from '../../github/run-place.ts';
import { isModelName } from '../../registry/layout.ts';
import { checkRun, checkRunName, renderComment, renderFaultComment } from '../../report/index.ts';
import type { CommentPlace, Result } from '../../report/index.ts';
import { fromTopOf, withPlaces } from '../gate/places.ts';
import { stages } from '../../stages/index.ts';
import type { Workspace } from '../workspace.ts';

export interface PublishChoice {
  /** Whether a comment of the pull request tells the result. `on-failure` still updates one that is there. */
  comment: 'always' | 'on-failure' | 'never';
  /** Whether a check run of its own does. */
  check: boolean;
}

export interface Publishing {
  github: GitHub;
  place: RunPlace;
  choice: PublishChoice;
}

/** What was not published, and why: never a reason to fail, since summary and exit code have it all. */
export interface Unpublished {
  what: 'comment' | 'check run';
  error: GitHubError;
}

/** Tell a result where the people are: a sticky comment on the pull request, a check run on the commit. */
export async function publishResult(
  workspace: Workspace,
  result: Result,
  publishing: Publishing,
): Promise<Unpublished[]> {
  const about = aboutOf(publishing.place);
  const outcome = result.decision?.outcome;
  const run = checkRun(
    { ...result, stages, evidence: await withPlaces(workspace, result.evidence) },
    await fromTopOf(workspace, workspace.configPath),
  );
  const failed = outcome === 'reject' || outcome === 'hold';
  return publish(judgedAt(publishing, result), {
    comments: [
      {
        model: workspace.model,
        body: (limit) => renderComment({ ...result, stages }, about, limit),
        onlyUpdate: publishing.choice.comment === 'on-failure' && !failed,
      },
    ],
    checks: [{ ...run, ...(result.pullRequest === undefined ? {} : { detailsUrl: result.pullRequest.url }) }],
  });
}

/**
 * The same for a run that ended in an error: an old verdict must not stand beside a commit that has none. Where the configuration
 * could not be read nobody knows its models: then what an earlier run said of any of them, or of the one that was asked for, is
 * said no more.
 */
export async function publishFault(
  message: string,
  publishing: Publishing,
  { model, configured }: { model: string | undefined; configured: boolean },
): Promise<Unpublished[]> {
  const { place } = publishing;
  const text = (of: string) => (limit: number) => renderFaultComment(of, message, aboutOf(place), limit);
  const check = (of: string | undefined): Said['checks'][number] => ({
    name: of === undefined ? 'contender' : checkRunName(of),
    conclusion: 'failure',
    output: { title: 'The gate ended in an error', summary: text(of ?? 'Contender')(10_000) },
    annotations: [],
  });
  if (configured && model !== undefined) {
    return publish(publishing, { comments: [{ model, body: text(model) }], checks: [check(model)] });
  }
  const asked = model !== undefined && isModelName(model) ? model : undefined;
  const unpublished: Unpublished[] = [];
  let told: string[] = [];
  const asking = modelsTold(publishing).then((models) => (told = models));
  await attempt(unpublished, 'comment', asking);
  const comments = told
    .filter((each) => model === undefined || each === model)
    .map((each) => ({ model: each, body: text(each), onlyUpdate: true }));
  const checked = asked !== undefined ? [asked] : told.length > 0 ? told : [undefined];
  return [...unpublished, ...(await publish(publishing, { comments, checks: checked.map(check) }))];
}

async function modelsTold({ github, place: { pullRequest, run }, choice }: Publishing): Promise<string[]> {
  if (choice.comment === 'never' || pullRequest === null) return [];
  return commentedModels(github, { pullRequest: pullRequest.number, run });
}

/** Where there is no pull request whose head people look at, the commit is the one that was judged. */
function judgedAt(publishing: Publishing, { decision }: Result): Publishing {
  const { place } = publishing;
  const sha = decision?.source.sha;
  if (place.pullRequest !== null || sha === undefined) return publishing;
  return { ...publishing, place: { ...place, headSha: sha } };
}

function aboutOf({ headSha, run }: RunPlace): CommentPlace {
  return { commit: headSha, runUrl: run.url };
}

interface Said {
  comments: { model: string; body: (limit: number) => string; onlyUpdate?: boolean }[];
  checks: (ReturnType<typeof checkRun> & { detailsUrl?: string | undefined })[];
}

async function publish({ github, place, choice }: Publishing, { comments, checks }: Said): Promise<Unpublished[]> {
  const unpublished: Unpublished[] = [];
  const { pullRequest, run, headSha } = place;
  if (choice.comment !== 'never' && pullRequest !== null) {
    for (const comment of comments) {
      const posted = postComment(github, { pullRequest: pullRequest.number, run, ...comment });
      await attempt(unpublished, 'comment', posted);
    }
  }
  for (const check of choice.check ? checks : []) {
    await attempt(unpublished, 'check run', postCheckRun(github, { detailsUrl: run.url, ...check, headSha }));
  }
  return unpublished;
}

async function attempt(unpublished: Unpublished[], what: Unpublished['what'], work: Promise<unknown>): Promise<void> {
  await work.catch(after(GitHubError, (error) => unpublished.push({ what, error })));
}
