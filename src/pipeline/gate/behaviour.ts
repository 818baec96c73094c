import type { Behaviour } from '../../config/index.ts';
import { ModelError } from '../../errors.ts';
import type { Evidence } from '../../evidence/index.ts';
import type { Contender } from '../../stages/behaviour/behaviour.ts';
import type { AgreementInput } from '../../stages/behaviour/agreement.ts';
import type { PredictionResult } from '../../model/predictions.ts';
import { resolveReference, type Contestant } from '../contestants/resolve.ts';
import { writeEvidence } from './output.ts';
import { limitsOf, plain, predictRows, type Contestants } from './stages.ts';
import type { Workspace } from '../workspace.ts';

/** Look at how models behave that have been predicted with; writes `evidence/behaviour.json`. */
export async function behaviourOf(
  workspace: Workspace,
  contestants: Contestants,
  downloads: string,
): Promise<Evidence> {
  const [{ lookAtBehaviour }, { readScorer }] = await Promise.all([
    import('../../stages/behaviour/behaviour.ts'),
    import('../../stages/evaluation/scorer.ts'),
  ]);
  const { candidate, candidateResult, champion, rival, dataset } = contestants;
  const { task, columns, policy, behaviour = {} } = workspace.modelConfig;
  const parent = candidateResult.ok ? await parentOf(workspace, behaviour.agreement, contestants, downloads) : null;
  const results = [
    candidateResult,
    champion?.result,
    parent !== null && 'result' in parent ? parent.result : undefined,
  ];
  const known = results.flatMap((result) => (result?.ok === true ? [result.predictions] : []));
  return workspace.log.group('Behaviour', async () => {
    const evidence = await lookAtBehaviour({
      model: workspace.model,
      task,
      columns,
      policy,
      behaviour,
      policyDigest: workspace.policyDigest,
      dataset,
      candidate: contenderOf(candidate, candidateResult),
      champion:
        champion === null
          ? null
          : { ...champion, model: rival === null ? null : contenderOf(rival, champion.result).model },
      parent,
      scorerOf: (rows, metric) => readScorer({ task, columns, policy, metric, dataset, known, rows }),
      limits: limitsOf(workspace),
      log: workspace.log,
      signal: workspace.signal,
    });
    return writeEvidence(workspace, evidence);
  });
}

function contenderOf(contestant: Contestant, result: PredictionResult): Contender {
  const { artifact } = contestant;
  return {
    artifact: plain(artifact),
    result,
    model: contestant.kind === 'model' ? { artifact: contestant.artifact, reading: contestant.reading } : null,
  };
}

/** The model that the candidate must agree with, and what it predicts. */
async function parentOf(
  workspace: Workspace,
  agreement: Behaviour['agreement'],
  { champion, dataset }: Contestants,
  downloads: string,
): Promise<AgreementInput['parent'] | null> {
  if (agreement === undefined) return null;
  const { columns, task } = workspace.modelConfig;
  if (agreement.with === 'champion') {
    if (champion === null) return { verdict: 'skipped', reason: 'there is no champion yet' };
    return { name: 'the champion', sha256: champion.artifact.sha256, result: champion.result };
  }
  if (agreement.with === 'registry') {
    throw new ModelError({
      found: '"registry"',
      expected: 'champion, a path, {uri, sha256} or {predictions: file}',
      where: `models.${workspace.model}.behaviour.agreement.with`,
      remedy: 'The champion of the registry is called champion here',
    });
  }
  const parent = await resolveReference(workspace, agreement.with, 'behaviour.agreement.with', downloads);
  const name = `the parent ${parent.artifact.uri.replace(/^file:/u, '')}`;
  const { sha256 } = parent.artifact;
  if (parent.kind === 'predictions') {
    const { readPredictionFile } = await import('../../model/prediction-file.ts');
    const { reference, path } = parent;
    const predictions = await readPredictionFile({ reference, path, dataset, columns, task });
    return { name, sha256, result: { ok: true, predictions } };
  }
  const [result] = await workspace.log.group('Predict with the parent', () =>
    predictRows(workspace, dataset, [{ role: 'parent', artifact: parent.artifact, ...parent.reading }]),
  );
  return { name, sha256, result: result as PredictionResult };
}
