import { defaults, type Config } from '../../config/index.ts';
import { GitHubError } from '../../errors.ts';
import { openGitHub, type GitHub } from '../../github/client.ts';
import { tellFault, type DoctorInput, type Findings } from './finding.ts';

const howToGive =
  'Set GITHUB_TOKEN (such as: GITHUB_TOKEN=$(gh auth token) contender doctor) and GITHUB_REPOSITORY=owner/name';

/** What the token may do, and what rules of the repository are in the way. Only GET requests are made. */
export async function lookAtGitHub(
  tell: Findings,
  { github: access, log, signal }: Pick<DoctorInput, 'github' | 'log' | 'signal'>,
  origin: string | undefined,
  config: Config | null,
): Promise<void> {
  const repository = access.repository ?? repositoryOf(origin);
  const needed = config?.registry?.store === 'github';
  if ((access.token ?? '') === '' || repository === undefined) {
    const missing = repository === undefined ? 'repository' : 'token';
    tell('Access', needed ? 'problem' : 'note', `no ${missing}: GitHub was not checked`, howToGive);
    return;
  }
  const github = openGitHub({
    repository,
    token: access.token ?? '',
    apiUrl: access.apiUrl,
    log,
    signal,
    patience: { attempts: 2 },
  });
  try {
    const about = await github.request('GET /repos/{owner}/{repo}', {});
    lookAtRights(tell, repository, about, config);
    await lookAtReads(tell, github);
    await lookAtSwitch(tell, github, config);
    const registry = config?.registry?.branch ?? defaults.registryBranch;
    for (const branch of new Set([registry, about.default_branch]))
      await lookAtRules(tell, github, branch, branch === registry, config);
  } catch (error) {
    tellFault(tell, 'Access', error);
  }
}

function lookAtRights(
  tell: Findings,
  repository: string,
  { archived, permissions }: { archived?: boolean; permissions?: { push: boolean } },
  config: Config | null,
): void {
  if (archived === true)
    tell('Repository', 'problem', `${repository} is archived: nothing can be recorded`, 'Unarchive it');
  else tell('Repository', 'ok', repository);
  const records = config?.registry?.store === 'github' || config?.registry?.push !== undefined;
  if (permissions?.push === true) tell('Write', 'ok', 'the token may push');
  else if (!records) tell('Write', 'ok', 'not needed: decisions stay in this clone');
  else {
    tell(
      'Write',
      'note',
      permissions === undefined
        ? 'GitHub does not say whether the token may push'
        : 'the token may not push, or GitHub does not report it for this kind of token',
      'Recording needs contents: write (in a workflow: permissions of the job)',
    );
  }
}

const reads = [
  ['Pull requests', 'pull-requests: write, for the comment', 'GET /repos/{owner}/{repo}/pulls'],
  ['Issues', 'issues: write, for findings of contender monitor', 'GET /repos/{owner}/{repo}/issues'],
  [
    'Runs',
    'actions: read, for artifacts of workflow runs as candidates',
    'GET /repos/{owner}/{repo}/actions/artifacts',
  ],
] as const;

/** What the token may read tells which scopes it has; whether it may write too, no request tells that writes nothing. */
async function lookAtReads(tell: Findings, github: GitHub): Promise<void> {
  for (const [name, use, route] of reads) {
    try {
      await github.request(route, { per_page: 1 });
      tell(name, 'ok', 'the token may read them');
    } catch (error) {
      if (!isRefusal(error)) throw error;
      tell(name, 'note', 'the token may not read them', `If you use this, give the token ${use}`);
    }
  }
}

/** Settings > Actions > General: without this switch a workflow may not create the pull request that a decision waits in. */
async function lookAtSwitch(tell: Findings, github: GitHub, config: Config | null): Promise<void> {
  const store = config?.registry;
  const asks = store?.store === 'github' && store.pull_request !== 'never';
  const name = 'Pull requests by workflows';
  const remedy = 'Settings > Actions > General > Allow GitHub Actions to create and approve pull requests';
  try {
    const { can_approve_pull_request_reviews: allowed } = await github.request(
      'GET /repos/{owner}/{repo}/actions/permissions/workflow',
      {},
    );
    if (allowed) tell(name, 'ok', 'allowed');
    else if (asks) tell(name, 'problem', 'not allowed, and decisions may wait in pull requests', remedy);
    else tell(name, 'ok', 'not allowed, and not needed: registry.pull_request is not in use');
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (asks)
      tell(
        name,
        'note',
        'only a token of an administrator may read this setting',
        `Check that it is enabled: ${remedy}`,
      );
  }
}

/** Rules of branches that stop what is configured: a push to the branch of the registry. */
async function lookAtRules(
  tell: Findings,
  github: GitHub,
  branch: string,
  isRegistry: boolean,
  config: Config | null,
): Promise<void> {
  const name = `Rules of ${branch}`;
  const types = new Set<string>();
  try {
    const rules = await github.list('GET /repos/{owner}/{repo}/rules/branches/{branch}', { branch }, 100);
    for (const { type } of rules) types.add(type);
    const found = await github.find('GET /repos/{owner}/{repo}/branches/{branch}', { branch });
    if (found?.protected === true && types.size === 0) types.add('branch protection');
  } catch (error) {
    if (!isRefusal(error)) throw error;
    tell(name, 'note', 'the token may not read them', 'Give it contents: read');
    return;
  }
  const said = types.size === 0 ? 'none' : [...types].sort().join(', ');
  const stops = [
    'pull_request',
    'update',
    'creation',
    'branch protection',
    'required_signatures',
    'merge_queue',
  ].filter((type) => types.has(type));
  const { store, push, pull_request: waits } = config?.registry ?? {};
  if (!isRegistry || stops.length === 0) return tell(name, 'ok', said);
  if (store === 'github' && waits !== 'never') {
    return tell(name, 'ok', `${said}: decisions go into pull requests`);
  }
  const records = store === 'github' || push !== undefined;
  tell(
    name,
    records ? 'problem' : 'note',
    `${said}: a decision cannot be pushed there`,
    'Leave this branch out of the rules (the chain of the registry protects itself), or set registry: { store: github, pull_request: when-protected }',
  );
}

function isRefusal(error: unknown): boolean {
  return error instanceof GitHubError && ['permission', 'absent', 'refused', 'rules'].includes(error.kind);
}

/** `owner/name` out of the address of a remote. */
function repositoryOf(origin: string | undefined): string | undefined {
  return /^(?:https?:\/\/|ssh:\/\/(?:[^@/]+@)?|[^@/]+@)[^/:]+(?::\d+)?[/:]([^/]+\/[^/]+?)(?:\.git)?\/?$/u.exec(
    origin ?? '',
  )?.[1];
}
