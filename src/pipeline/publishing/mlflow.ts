import { UsageError } from '../../errors.ts';
import { syncMlflow, type Synced } from '../../registry/mlflow.ts';
import { openRegistry } from '../open-registry.ts';
import type { Workspace } from '../workspace.ts';

export { syncText } from '../../registry/mlflow.ts';

/**
 * Bring MLflow up to date with what is recorded, of one model or of all.
 * @throws UsageError where no server is configured; RegistryError where it cannot be reached or says no
 */
export async function publishToMlflow(workspace: Workspace, model: string | undefined): Promise<Synced[]> {
  const { config, github, signal } = workspace;
  const settings = config.registry?.mlflow;
  if (settings === undefined) {
    throw new UsageError({
      found: 'no MLflow server',
      expected: 'registry.mlflow: { uri: https://... }',
      where: 'contender.yml',
      remedy: 'Name it: see docs/mlflow.md',
    });
  }
  const registry = await openRegistry(workspace);
  const synced: Synced[] = [];
  for (const each of model === undefined ? await registry.models() : [model]) {
    const manifest = await registry.manifest(each);
    if (manifest !== null) {
      synced.push(await syncMlflow(manifest, { settings, repository: github?.repository, signal }));
    }
  }
  return synced;
}
