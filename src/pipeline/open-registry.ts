import { carryOver } from '../decide/carry-over.ts';
import { defaults, type Config, type Registry as RegistrySettings } from '../config/index.ts';
import { clockTolerance } from '../config/units.ts';
import { ContenderError, RegistryError, UsageError } from '../errors.ts';
import type { RegistryHistory } from '../evidence/index.ts';
import type { GitHub } from '../github/client.ts';
import type { PullRequestSettings } from '../registry/github/record-pending.ts';
import { openGitRegistry } from '../registry/git-registry.ts';
import { viewOf } from '../registry/manifest.ts';
import { registryFolder } from '../registry/git/repository.ts';
import { isNothingNew } from '../registry/plan-record.ts';
import type { Registry, StoreInput } from '../registry/registry.ts';
import { describePromotion, describeReplaced } from '../report/promotion.ts';
import { stages } from '../stages/index.ts';
import type { Workspace } from './workspace.ts';

/** The registry of the workspace: in the git repository it lies in, or in the one on GitHub through its API. */
export async function openRegistry(workspace: Workspace): Promise<Registry> {
  const registry = await openStore(workspace);
  const { onRecord } = workspace;
  const isTold = workspace.config.registry?.mlflow !== undefined;
  return {
    ...registry,
    async record(request) {
      onRecord?.('begun');
      const recorded = await registry.record({
        ...request,
        decide(view) {
          const decision = request.decide(view);
          const known = view.decisions.some(({ idempotencyKey }) => idempotencyKey === decision.idempotencyKey);
          if (!known && !isNothingNew(decision)) requireTime(view);
          return decision;
        },
      });
      onRecord?.(recorded);
      // Also where nothing new was recorded: an earlier run may not have come this far.
      if (isTold && recorded.status !== 'pending') await tellMlflow(workspace, registry, request.model);
      return recorded;
    },
  };
}

/**
 * Times rise along the chain, and what a decision rests on is judged by its time: where a clock is far off, that would be another time than
 * the one it was made at.
 *
 * @throws RegistryError where the last decision is, by the clock here, still to come
 */
export function requireTime({ decisions }: RegistryHistory): void {
  const last = decisions.at(-1);
  if (last === undefined || Date.parse(last.time) <= Date.now() + clockTolerance) return;
  throw new RegistryError({
    found: `decision ${last.seq} of ${last.model} is dated ${last.time}, but the clock of this machine says ${new Date().toISOString()}`,
    expected: 'a clock that is later than all recorded decisions',
    remedy:
      'Nothing was recorded. Correct the clock of this machine; if it is right, remove that decision as docs/registry.md#a-decision-dated-in-the-future describes',
  });
}

/** What is recorded stays so, whatever becomes of this: the next decision and `contender publish` make up for it. */
export async function tellMlflow(workspace: Workspace, registry: Registry, model: string): Promise<void> {
  const { syncMlflow, syncText } = await import('../registry/mlflow.ts');
  const { config, github, log, signal } = workspace;
  const { mlflow } = config.registry ?? {};
  if (mlflow === undefined) return;
  try {
    const manifest = await registry.manifest(model);
    if (manifest === null) return;
    log.info(syncText(await syncMlflow(manifest, { settings: mlflow, repository: github?.repository, signal })));
  } catch (error) {
    if (!(error instanceof ContenderError)) throw error;
    log.warning(`MLflow was not updated with this decision; contender publish does it later. ${error.message}`);
  }
}

async function openStore(workspace: Workspace): Promise<Registry> {
  const settings = workspace.config.registry;
  if (settings?.artifacts_yaml === true && settings.tags !== 'gto') {
    throw new UsageError({
      found: 'registry.artifacts_yaml without tags',
      expected: 'tags: gto, because GTO reads artifacts.yaml from the commit of a tag',
      where: 'registry.artifacts_yaml',
      remedy: 'Set registry.tags: gto, or remove registry.artifacts_yaml',
    });
  }
  if (settings?.store === 'github') return openOnGitHub(workspace, settings);
  if (settings?.pull_request !== undefined && settings.pull_request !== 'never') {
    throw new UsageError({
      found: `registry.pull_request: ${settings.pull_request} with the store in git`,
      expected: 'store: github, which can create pull requests',
      where: 'registry.pull_request',
    });
  }
  const repository = await workspace.repository();
  return openGitRegistry({ ...storeInput(workspace), repository, push: settings?.push });
}

function storeInput({ config, log }: Workspace): StoreInput {
  const { path = defaults.registryPath, branch, tags, artifacts_yaml: artifactsYaml } = config.registry ?? {};
  return { path, branch, tags, artifactsYaml, log };
}

/** Whether others read the registry where it is kept, and fetch what it names from there. */
export function isShared({ config: { registry } }: Workspace): boolean {
  return registry?.push !== undefined || registry?.store === 'github';
}

/** The branch of the registry, and its folder there. @throws RegistryError for a folder outside of it */
export function registryPlace({ registry }: Config): { branch: string; folder: string } {
  const { path = defaults.registryPath, branch = defaults.registryBranch } = registry ?? {};
  return { branch, folder: registryFolder(path) };
}

async function openOnGitHub(workspace: Workspace, settings: RegistrySettings): Promise<Registry> {
  if (settings.push !== undefined) {
    throw new UsageError({
      found: 'registry.push with the store on GitHub',
      expected: 'store: git; with store: github every decision is already on GitHub',
      where: 'registry.push',
      remedy: 'Remove registry.push',
    });
  }
  const [{ github, token }, { openGitHubRegistry }] = await Promise.all([
    gitHubOf(workspace),
    import('../registry/github-registry.ts'),
  ]);
  const pullRequests = pullRequestSettings(settings.pull_request ?? 'when-protected');
  return openGitHubRegistry({ ...storeInput(workspace), github, token, pullRequests, signal: workspace.signal });
}

/** GitHub as `registry.store: github` needs it, and the token it is asked with. @throws UsageError */
export async function gitHubOf({ github, log, signal }: Workspace): Promise<{ github: GitHub; token: string }> {
  const { repository = '', token = '', apiUrl } = github ?? {};
  if (repository === '' || token === '') {
    throw new UsageError({
      found: `registry.store is github, but there is no ${repository === '' ? 'repository' : 'token'}`,
      expected: 'GITHUB_REPOSITORY (owner/name) and GITHUB_TOKEN, as in a workflow',
      where: 'registry.store',
      remedy: 'In a workflow pass the input token; elsewhere set both, or use store: git',
    });
  }
  const { openGitHub } = await import('../github/client.ts');
  return { github: openGitHub({ repository, token, apiUrl, log, signal }), token };
}

function pullRequestSettings(when: RegistrySettings['pull_request']): PullRequestSettings | undefined {
  if (when === undefined || when === 'never') return undefined;
  return {
    when,
    carryOver,
    describe: (promotion, limit) => describePromotion(promotion, limit, stages),
    describeReplaced,
  };
}

/**
 * What the registry knows of the model. Where nothing is recorded and the configuration names the champion itself,
 * a workspace without a repository will do.
 */
export async function registryView(workspace: Workspace, record: boolean): Promise<RegistryHistory> {
  const named = workspace.modelConfig.champion !== undefined && workspace.modelConfig.champion !== 'registry';
  try {
    return await (await openRegistry(workspace)).view(workspace.model);
  } catch (error) {
    if (record || !named || !(error instanceof RegistryError)) throw error;
    workspace.log.debug(`No registry: ${error.message}`);
    return viewOf(null, []);
  }
}
