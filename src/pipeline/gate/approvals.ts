import { relative, sep } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { workflowArtifact, type Approval, type Source } from '../../evidence/index.ts';
import { gitHubOf } from '../../github/access.ts';
import { lastChangedIn } from '../../registry/git/history.ts';
import { commitAt, isAncestor, isShallow, shallowFault } from '../../registry/git/repository.ts';
import type { ResolvedModel } from '../contestants/resolve.ts';
import type { Workspace } from '../workspace.ts';

/**
 * Who approved what is judged, by GitHub's word: asked only where the policy wants approvals, and where there is a run to
 * approve. What is approved is the commit that brought the candidate, not whatever was merged or started since: an approval of
 * something else lets in nothing. Of several such commits each must be approved.
 *
 * @throws RegistryError when those commits cannot be told; GitHubError when the token may not read approvals
 */
export async function readApprovals(
  workspace: Workspace,
  candidate: ResolvedModel,
  { source, actor, now = () => new Date() }: { source: Source; actor: string; now?: () => Date },
): Promise<Approval[]> {
  const { triggeredBy = actor } = workspace.github ?? {};
  const { sha, run, pullRequest } = source;
  const { approvals } = workspace.modelConfig.policy;
  if (approvals === undefined) return [];
  const github = await gitHubOf(workspace.github, workspace);
  if (github === null || sha === undefined) {
    workspace.log.warning('Approvals were not checked: there is no workflow run or no token for GitHub.');
    return [];
  }
  const commits = await commitsThatBrought(workspace, candidate, source, sha);
  if (commits.length === 0) {
    workspace.log.warning(
      'Approvals were not checked: no commit names this candidate, and it is not an artifact of this workflow run. Name it in contender.yml.',
    );
  }
  const { approvalsOf } = await import('../../github/approvals.ts');
  const given: Approval[][] = [];
  for (const { commit, since } of commits) {
    const about = {
      commit,
      pullRequest,
      // Who let a job into its environment saw the commit it was started for.
      run: run === undefined || since ? undefined : Number(run),
      environment: approvals.environment,
      startedBy: [actor, triggeredBy],
    };
    given.push(await approvalsOf(github, about, now()));
  }
  const [first = [], ...others] = given;
  return first.filter(({ by }) => others.every((each) => each.some((other) => other.by === by)));
}

/**
 * The commits that last changed a file of the candidate, and whether they came after the one the run was started for. What no commit
 * names came with the run's own if the run made it, and with none otherwise.
 */
async function commitsThatBrought(
  workspace: Workspace,
  candidate: ResolvedModel,
  { run }: Source,
  started: string,
): Promise<{ commit: string; since: boolean }[]> {
  if (!candidate.artifact.uri.startsWith('file:') && !isConfigured(workspace)) {
    const artifact = workflowArtifact(candidate.artifact.uri);
    const isOwn = artifact?.repository === workspace.github?.repository && artifact?.run === Number(run);
    return isOwn ? [{ commit: started, since: false }] : [];
  }
  const repository = await workspace.repository();
  if (isShallow(repository))
    throw shallowFault(repository, ': approvals apply to the commit that introduced the candidate');
  const head = (await commitAt(repository, 'HEAD')) ?? started;
  const commits = new Set<string>();
  for (const file of filesOf(candidate, workspace.configPath)) {
    const path = relative(repository.folder, file).split(sep).join('/');
    commits.add((await lastChangedIn(repository, head, path)) ?? head);
  }
  return Promise.all(
    [...commits].map(async (commit) => ({ commit, since: !(await isAncestor(repository, commit, started)) })),
  );
}

/** Whether contender.yml names the candidate, and not an input or an option. */
function isConfigured({ config, model, modelConfig }: Workspace): boolean {
  return [config.models[model]?.candidate].flat().some((each) => isDeepStrictEqual(each, modelConfig.candidate));
}

/** The files of the candidate; contender.yml where it names an address and its digest; the folder of files named with wildcards. */
function filesOf(candidate: ResolvedModel, configPath: string): string[] {
  if (!candidate.artifact.uri.startsWith('file:')) return [configPath];
  if (candidate.kind === 'model') return candidate.artifact.files.map(({ path }) => path);
  return [candidate.path.replace(/[/\\][^/\\]*[*?[{].*$/su, '')];
}
