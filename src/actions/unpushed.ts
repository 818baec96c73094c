import * as core from '@actions/core';
import type { PromoteResult } from '../pipeline/gate/promote.ts';
import type { Workspace } from '../pipeline/workspace.ts';

/** Decisions were lost with the runner, unnoticed, by workflows that never pushed them. */
export function tellUnpushed({ config }: Workspace, { status, commit }: PromoteResult): void {
  const { store = 'git', push } = config.registry ?? {};
  if (status !== 'recorded' || store !== 'git' || push !== undefined) return;
  core.notice(
    `The decision is commit ${commit?.slice(0, 12) ?? ''} of this checkout, and is lost unless it is pushed: set registry.push: origin in contender.yml, or push it in a later step.`,
  );
}
