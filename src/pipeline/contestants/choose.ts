import type { Dataset } from '../../data/dataset.ts';
import { requireRowIds } from '../../data/row-ids.ts';
import type { RegistryHistory } from '../../evidence/index.ts';
import { contestantsOf, withDatasets } from './contestants.ts';
import { candidatesOf, resolveCandidate, resolveChampion, resolveReference, type ResolvedModel } from './resolve.ts';
import type { Workspace } from '../workspace.ts';

/**
 * The candidate that is judged. Of several it is the best by the primary metric on the evaluation set; from there on the configuration
 * is as if it named that one alone, and the workspace says how it was chosen.
 *
 * @throws ModelError, DataError, ConfigError
 */
export async function chooseCandidate(
  workspace: Workspace,
  view: RegistryHistory,
): Promise<{ own: Workspace; candidate: ResolvedModel }> {
  const references = workspace.modelConfig.candidate === 'registry' ? [] : await candidatesOf(workspace);
  if (references.length < 2) return { own: workspace, candidate: await resolveCandidate(workspace) };
  const resolved: ResolvedModel[] = [];
  for (const each of references) resolved.push(await resolveReference(workspace, each, 'candidate'));
  const champion = await resolveChampion(workspace, view);
  const rival = champion !== null && 'resolved' in champion ? champion.resolved : null;
  const selection = await workspace.log.group(`Choose among ${references.length} candidates`, () =>
    withDatasets(workspace, ['evaluation'], async (datasets) => {
      const dataset = datasets['evaluation'] as Dataset;
      const { task, columns } = workspace.modelConfig;
      await requireRowIds(dataset, columns.id);
      const contestants = await contestantsOf(workspace, dataset, rival === null ? resolved : [...resolved, rival]);
      const [{ leaderboard }, { policyOf }] = await Promise.all([
        import('../../stages/evaluation/leaderboard.ts'),
        import('../../stages/evaluation/schema.ts'),
      ]);
      return leaderboard({
        task,
        columns,
        dataset,
        policy: policyOf(workspace.modelConfig),
        reuse: view.decisionsByDataset[dataset.sha256] ?? 0,
        candidates: contestants.slice(0, resolved.length),
        champion: contestants[resolved.length] ?? null,
        log: workspace.log,
        signal: workspace.signal,
      });
    }),
  );
  const chosen = selection.places.findIndex((place) => place.chosen);
  const [reference, candidate] = [references[chosen], resolved[chosen]];
  if (reference === undefined || candidate === undefined) throw new Error('no candidate was chosen');
  return {
    own: { ...workspace, modelConfig: { ...workspace.modelConfig, candidate: reference }, selection },
    candidate,
  };
}
