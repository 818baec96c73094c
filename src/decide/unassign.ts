import { digest, type Decision, type RegistryHistory } from '../evidence/index.ts';
import { UsageError } from '../errors.ts';
import { madeBy, policyRecord, wordOf, type Act } from './act.ts';
import { madeInRun } from './history.ts';

/**
 * Take the version out of one of the team's stages, so that the stage is empty. The rules of stages say what may enter them, so that
 * this asks for nothing; a stage that the configuration has no more can be emptied too. Pure.
 *
 * @throws UsageError when nothing is in the stage, or it is none of the team's
 */
export function unassign(
  { model, stage }: { model: string; stage: string },
  view: RegistryHistory,
  act: Act,
): Decision {
  const word = wordOf(act);
  const before = madeInRun('unassign', act.source, view, (made) => made.stage === stage);
  if (before !== undefined) return before;
  if (stage === 'champion' || stage === 'previous') {
    throw new UsageError({
      found: `${stage} is not a stage of the team`,
      expected: 'one of registry.stages',
      remedy: 'The champion changes by a promotion or a rollback: contender rollback',
    });
  }
  const alias = Object.hasOwn(view.aliases, stage) ? view.aliases[stage] : undefined;
  if (alias === undefined) {
    const last = view.decisions.findLast((made) => made.stage === stage);
    if (last?.action === 'unassign') return last;
    const stages = Object.keys(view.aliases).filter((each) => each !== 'champion' && each !== 'previous');
    throw new UsageError({
      found: `nothing is in stage ${JSON.stringify(stage)}`,
      expected: stages.length === 0 ? 'a stage with a version in it' : `one of: ${stages.join(', ')}`,
    });
  }
  const { artifacts = [] } = view.registered.find(({ version }) => version === alias.version) ?? {};
  return {
    ...madeBy(model, act, word),
    action: 'unassign',
    outcome: 'no-change',
    reasons: [{ code: 'unassigned', message: `${word.by} takes ${alias.version} out of ${stage}: ${word.reason}` }],
    from: view.champion,
    to: view.champion,
    candidate: { version: alias.version, artifacts },
    policy: policyRecord({ stage }),
    evidence: [],
    datasets: {},
    stage,
    idempotencyKey: digest({ action: 'unassign', model, stage, since: alias.seq }),
  };
}
