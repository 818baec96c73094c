import { RegistryError, UsageError } from '../../errors.ts';
import type { GitHub } from '../../github/client.ts';
import type { Finding } from '../../registry/chain.ts';
import { isAncestor } from '../../registry/git/repository.ts';
import { withClone } from '../../registry/github/clone.ts';
import { checkMerged } from '../../registry/github/merged-promotions.ts';
import { closeOvertaken } from '../../registry/github/record-pending.ts';
import type { GitHubBranch } from '../../registry/github/snapshot.ts';
import { verifyRegistry } from '../../registry/verify.ts';
import { underItsOwnPolicy } from '../auditing/decide-again.ts';
import { openRegistry, registryPlace, tellMlflow } from '../open-registry.ts';
import { leftOut, pathInside, verifyBetween } from '../auditing/verify-change.ts';
import type { Workspace } from '../workspace.ts';

export interface FinishInput {
  github: GitHub;
  /** The commits the branch was at before (null: it is new) and after the push. */
  range: { before: string | null; after: string };
}

export interface Finished {
  /** What is not what Contender decided; then nothing was tagged. */
  findings: Finding[];
  /** How many decisions came with the push. */
  decisions: number;
  /** Champions that came with it, by model. */
  promoted: { model: string; version: string }[];
  /** Names of the tags that were made. */
  tags: string[];
}

/**
 * Finish what people merged: the registry must be sound, and every decision that came must be the one that Contender makes of its
 * evidence, and the one that it wrote. Then the tags are made that the chains call for, and pull requests closed that cannot be merged any more.
 *
 * @throws UsageError, RegistryError, GitHubError
 */
export async function finishPromotions(workspace: Workspace, { github, range }: FinishInput): Promise<Finished> {
  const { log } = workspace;
  const settings = workspace.config.registry ?? {};
  if (settings.store !== 'github') {
    throw new UsageError({
      found: 'the registry is not stored through the GitHub API',
      expected: 'registry.store: github, which creates promotion pull requests',
      where: 'registry.store',
    });
  }
  const place: GitHubBranch = { github, ...registryPlace(workspace.config), cache: new Map() };
  const registry = await openRegistry(workspace);
  const unsound = await pushFindings(workspace, place, range);
  const merged = unsound.length > 0 ? [] : await checkMerged(place, range);
  const findings = [...unsound, ...merged.flatMap((each) => each.findings)];
  const decisions = merged.reduce((sum, each) => sum + each.decisions.length, 0);
  const finished: Finished = { findings, decisions, promoted: [], tags: [] };
  if (findings.length > 0) return finished;
  for (const { model, decisions: came } of merged) {
    const promotion = came.findLast(({ outcome }) => outcome === 'promote');
    if (promotion?.to !== undefined && promotion.to !== null) {
      finished.promoted.push({ model, version: promotion.to.version });
    }
    if (settings.tags !== undefined) finished.tags.push(...(await registry.tag(model)));
    if (settings.mlflow !== undefined) await tellMlflow(workspace, registry, model);
    const closed = await closeOvertaken(place, model).catch((error: unknown) => {
      // What was merged is finished all the same.
      if (!(error instanceof RegistryError)) throw error;
      log.warning(error.message);
      return null;
    });
    if (closed !== null) log.info(`${model}: closed pull request ${closed}, which cannot be merged any more.`);
  }
  return finished;
}

/**
 * What a pull request would have been told (`contender registry verify --base`): whoever wrote them, the decisions that came must
 * be those that Contender makes of their evidence, under the configuration that was in force before the push.
 */
async function pushFindings(
  workspace: Workspace,
  place: GitHubBranch,
  { before, after }: FinishInput['range'],
): Promise<Finding[]> {
  const { github, branch, folder } = place;
  const path = pathInside(await workspace.repository(), workspace.configPath);
  return withClone({ github, branch, token: workspace.github?.token ?? '' }, async (repository) => {
    if (before === null) {
      return verifyRegistry(repository, after, folder, { tags: 'held', judge: underItsOwnPolicy() });
    }
    if (await isAncestor(repository, before, after)) {
      const change = { base: before, merged: after };
      const { findings, notes } = await verifyBetween(repository, change, path, {
        github,
        elsewhere: workspace.config,
        isBranch: (name) => Promise.resolve(name === branch),
      });
      for (const note of notes) workspace.log.info(note);
      return findings;
    }
    return [leftOut(`refs/heads/${branch}`, before, after)];
  });
}
