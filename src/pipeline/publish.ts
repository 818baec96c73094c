import { GitHubError } from '../errors.ts';
import { postCheckRun } from '../github/check-run.ts';
import type { GitHub } from '../github/client.ts';
import { postComment } from '../github/comment.ts';
import type { RunPlace } from '../github/run-place.ts';
import {
  checkRun,
  checkRunName,
  renderComment,
  renderFaultComment,
  type CommentPlace,
  type ReportInput,
} from '../report/index.ts';
import { configFile, withPlaces } from './places.ts';
import type { Workspace } from './workspace.ts';

export interface PublishChoice {
  /** Whether a comment of the pull request tells the result. `on-failure` still updates one that is there. */
  comment: 'always' | 'on-failure' | 'never';
  /** Whether a check run of its own does. */
  check: boolean;
}

/** Where and how a result is published. */
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
  result: ReportInput,
  publishing: Publishing,
): Promise<Unpublished[]> {
  const about = aboutOf(publishing.place);
  const outcome = result.decision?.outcome;
  const run = checkRun({ ...result, evidence: await withPlaces(workspace, result.evidence) }, configFile(workspace));
  return publish(publishing, {
    model: workspace.model,
    failed: outcome === 'reject' || outcome === 'hold',
    comment: (limit) => renderComment(result, about, limit),
    check: { ...run, ...(result.pullRequest === undefined ? {} : { detailsUrl: result.pullRequest.url }) },
  });
}

/** The same for a run that ended in an error: an old verdict must not stand beside a commit that has none. */
export async function publishFault(
  workspace: Workspace,
  message: string,
  publishing: Publishing,
): Promise<Unpublished[]> {
  const { model } = workspace;
  const about = aboutOf(publishing.place);
  const summary = renderFaultComment(model, message, about, 10_000);
  return publish(publishing, {
    model,
    failed: true,
    comment: (limit) => renderFaultComment(model, message, about, limit),
    check: {
      name: checkRunName(model),
      conclusion: 'failure',
      output: { title: 'The gate ended in an error', summary },
      annotations: [],
    },
  });
}

function aboutOf({ headSha, run }: RunPlace): CommentPlace {
  return { commit: headSha, runUrl: run.url };
}

async function publish(
  { github, place, choice }: Publishing,
  said: {
    model: string;
    failed: boolean;
    comment: (limit: number) => string;
    check: ReturnType<typeof checkRun> & { detailsUrl?: string | undefined };
  },
): Promise<Unpublished[]> {
  const unpublished: Unpublished[] = [];
  const attempt = async (what: Unpublished['what'], work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof GitHubError)) throw error;
      unpublished.push({ what, error });
    }
  };
  const { pullRequest } = place;
  if (choice.comment !== 'never' && pullRequest !== null) {
    await attempt('comment', () =>
      postComment(github, {
        pullRequest: pullRequest.number,
        model: said.model,
        run: place.run,
        body: said.comment,
        onlyUpdate: choice.comment === 'on-failure' && !said.failed,
      }),
    );
  }
  if (choice.check) {
    await attempt('check run', () =>
      postCheckRun(github, { detailsUrl: place.run.url, ...said.check, headSha: place.headSha }),
    );
  }
  return unpublished;
}
