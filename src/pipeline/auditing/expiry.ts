import { workflowArtifact } from '../../evidence/index.ts';
import { expiryOf } from '../../registry/workflow-artifact.ts';
import type { PromoteResult } from '../gate/promote.ts';
import type { Workspace } from '../workspace.ts';

/** Say of a new champion that GitHub will delete its bytes where they were recorded to be, when, and what keeps them. */
export async function warnOfExpiry(workspace: Workspace, { decision, status }: PromoteResult): Promise<void> {
  const isNew = decision.outcome === 'promote' && (decision.action === 'gate' || decision.action === 'override');
  const artifact = decision.to?.artifacts.find(({ uri }) => workflowArtifact(uri) !== null);
  if (!isNew || artifact === undefined || (status !== 'recorded' && status !== 'pending')) return;
  const expires = await expiryOf(artifact.uri, workspace);
  const when = expires === null ? 'once it expires' : `on ${expires.slice(0, 10)}`;
  workspace.log.warning(
    `${decision.model} ${decision.to?.version ?? ''} is an artifact of a workflow run, which GitHub deletes ${when}. Its release keeps the bytes: make it before then (release: true, the release action, or contender release).`,
  );
}
