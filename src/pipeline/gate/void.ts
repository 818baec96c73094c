import { UsageError } from '../../errors.ts';
import { openBranch } from '../../registry/git/branch.ts';
import { usualRemotes } from '../../registry/git/remote.ts';
import { voidDecision, type Voided } from '../../registry/void-decision.ts';
import { underItsOwnPolicy } from '../auditing/decide-again.ts';
import { isShared, registryPlace } from '../open-registry.ts';
import type { Workspace } from '../workspace.ts';

export interface TakeOffInput {
  decision: string;
  by: string;
  reason: string;
}

/** Where a person pushes what was prepared. */
export interface Prepared extends Voided {
  /** Name of the remote that has the registry, or `.` where it is here. */
  remote: string;
  /** The branch of the registry. */
  onto: string;
}

/** Prepare, on a branch of its own, that a decision Contender did not make is none any more. @throws UsageError, RegistryError */
export async function takeOff(workspace: Workspace, { decision, by, reason }: TakeOffInput): Promise<Prepared> {
  const seq = Number(decision);
  if (!/^[1-9][0-9]{0,8}$/u.test(decision)) {
    throw new UsageError({ found: `decision ${JSON.stringify(decision)}`, expected: 'its number, such as 42' });
  }
  if (by.trim() === '' || reason.trim() === '') {
    throw new UsageError({ found: 'no person, or no reason', expected: 'who takes the decision off, and why' });
  }
  const repository = await workspace.repository();
  const { model, config, log } = workspace;
  const { branch: onto, folder } = registryPlace(config);
  const remote = config.registry?.push ?? (isShared(workspace) ? (await usualRemotes(repository))[0] : undefined);
  const branch = await openBranch(repository, onto, remote, log, 'registry.branch', folder);
  const artifactsYaml = config.registry?.artifacts_yaml === true;
  const judge = underItsOwnPolicy();
  const now = new Date();
  const input = { repository, branch, folder, artifactsYaml, model, seq, by, reason, now, judge };
  return { ...(await voidDecision(input)), remote: remote ?? '.', onto };
}
