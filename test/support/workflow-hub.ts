import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { downloadActions, nodes } from '../actions/runner.ts';
import { contender, gateRepository, openGateRepository, type GateRepository } from './gate-repository.ts';
import { copyPrepared } from './prepared.ts';
import { startGitHub, type GitHubStandIn } from './github-api/server.ts';
import type { RepositoryState } from './github-api/state.ts';
import { projectRoot } from './project.ts';
import { startActions, type ActionsService } from './runner/service.ts';

const run = promisify(execFile);

/** The spam case on a stand-in of GitHub, with workflows of ours copied into it, and a champion registered. */
export interface WorkflowHub {
  hub: GitHubStandIn;
  repository: RepositoryState;
  actions: ActionsService;
  /** The branch that the registry is on. */
  registryBranch: string;
  /** A person's clone. */
  clone: GateRepository;
  /** Push the clone's branch. Gives what the branch was at before. */
  push(branch?: string): Promise<string | null>;
  /** Open a pull request of a branch that was pushed. Gives its number. */
  openPull(head: string): Promise<number>;
  close(): Promise<void>;
}

export const repositoryName = 'ada/spam';

/** The actions as a runner downloads them, once for all hubs of a test file. */
export function downloadContender(folder: string): Promise<string> {
  return downloadActions(join(folder, 'contender'));
}

/**
 * Without `load` the gate goes without its load test, which takes longest. `store` github: on main, with tags, through the API. `adapt` changes what
 * people change in files that they copied, before anything is committed.
 */
export async function workflowHub(
  folder: string,
  tree: string,
  workflows: readonly string[],
  {
    load = false,
    store = undefined as 'github' | undefined,
    adapt = undefined as ((folder: string) => Promise<void>) | undefined,
  } = {},
): Promise<WorkflowHub> {
  // Most differ in nothing but their workflows: the rest, with the champion registered, is made once and copied.
  const isPrepared = store === undefined && adapt === undefined && workflows.length > 0;
  if (isPrepared) {
    await copyPrepared(load ? 'hub-with-load' : 'hub', folder, async (draft) => {
      await (await workflowHub(draft, tree, [], { load })).close();
    });
  }
  const hub = await startGitHub(join(folder, 'hub'));
  const repository = await hub.create(repositoryName, { files: {} });
  const clone = isPrepared ? openGateRepository(join(folder, 'clone')) : await gateRepository(join(folder, 'clone'));
  await mkdir(join(clone.folder, '.github/workflows'), { recursive: true });
  for (const name of workflows) {
    await cp(join(projectRoot, 'workflows', name), join(clone.folder, '.github/workflows', name));
  }
  if (isPrepared) {
    await clone.commit('Add workflows');
    await clone.git('remote', 'set-url', 'origin', repository.git.folder);
  } else {
    await adjustLoad(clone.folder, load);
    await adapt?.(clone.folder);
    // The champion is what lies there, until somebody proposes another.
    await clone.propose('spam/models/champion.onnx');
    const settings = store === 'github' ? 'store: github\n  branch: main\n  tags: gto' : 'push: origin';
    await clone.configure('path: registry', `path: registry\n  ${settings}`);
    await clone.git('remote', 'add', 'origin', repository.git.folder);
  }
  const actions = startActions({
    hub,
    repository: repositoryName,
    folder: join(folder, 'runs'),
    actions: { 'contender/contender': tree },
    settings: { node: nodes['Node 24'] },
  });
  const push = async (branch = 'main'): Promise<string | null> => {
    const before = await repository.git
      .git('rev-parse', '--verify', '--quiet', `refs/heads/${branch}`)
      .catch(() => null);
    await run('git', ['-C', clone.folder, 'push', '--quiet', repository.git.folder, `HEAD:refs/heads/${branch}`]);
    return before;
  };
  await push();
  if (!isPrepared) {
    const register = ['registry', 'register', '--artifact', 'models/champion.onnx'];
    const registered = await contender(clone.folder, register, {
      ...hub.environment(repositoryName),
      GITHUB_TOKEN: hub.token(),
      GITHUB_EVENT_NAME: 'schedule',
    });
    if (registered.code !== 0) throw new Error(registered.stderr);
    if (store === 'github') await clone.git('pull', '--quiet', '--ff-only', 'origin', 'main');
  }
  const openPull = async (head: string): Promise<number> => {
    const answer = await fetch(`${hub.url}/repos/${repositoryName}/pulls`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${hub.token({ login: 'ada', type: 'User' })}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ title: 'A candidate', head, base: 'main' }),
    });
    if (answer.status !== 201) throw new Error(`no pull request: ${await answer.text()}`);
    return ((await answer.json()) as { number: number }).number;
  };
  const registryBranch = store === 'github' ? 'main' : 'model-registry';
  return { hub, repository, registryBranch, actions, clone, push, openPull, close: () => hub.close() };
}

/** A load that any machine stands, for a second; or none. */
async function adjustLoad(folder: string, load: boolean): Promise<void> {
  const path = join(folder, 'contender.yml');
  const config = await readFile(path, 'utf8');
  const changed = load
    ? config
        .replace(/ profile: .*/u, ' profile: { kind: constant, rate: 100, duration: 1s, warmup: 0s }')
        .replace(/ p95_ms: \d+/u, ' p95_ms: 4000')
    : config.replace(/^ {4}staging:\n(?: {6}.*\n)+ {4}load:\n(?: {6}.*\n)+/mu, '');
  if (changed === config) throw new Error('contender.yml has another form of load');
  await writeFile(path, changed);
}
