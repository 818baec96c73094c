import * as core from '@actions/core';
import { registryView } from '../pipeline/open-registry.ts';
import { runPart, runStage } from '../pipeline/gate/run-stage.ts';
import { stages } from '../stages/index.ts';
import { openActionWorkspace, runAction, tellEvidence } from './action.ts';
import { partInputs, stageInputs } from './inputs.ts';

/** Of every action that runs a stage; a stage may have more. */
const outputs = ['verdict', 'headline', 'evidence', 'evidence-sha256', 'candidate-sha256'] as const;

/** The action in the folder `actions/<name>`: it runs the stage that names it and gives its evidence. */
export function stageAction(name: string): Promise<void> {
  const stage = stages.find(({ action }) => action === name);
  if (stage === undefined || stage.needs === 'traffic') throw new Error(`no stage has the action ${name}`);
  const { outputs: further = {} } = stage;
  return runAction([...outputs, ...Object.keys(further)], async (context) => {
    const inputs = await stageInputs(process.env);
    const workspace = await openActionWorkspace(inputs, context);
    const part = stage.command.part === undefined ? null : partInputs();
    if (part !== null) {
      await runPart(workspace, stage, part);
      const { index, count } = part.shard;
      const sent = `Part ${index}/${count} is in ${part.file}: the result is computed when all parts are there.`;
      context.setOutputs({ verdict: 'skipped', headline: sent });
      return core.info(sent);
    }
    const evidence = await runStage(workspace, stage, () => registryView(workspace, false));
    context.setOutputs({ 'candidate-sha256': evidence.subjects.candidate?.sha256 ?? '' });
    for (const [name, of] of Object.entries(further)) context.setOutputs({ [name]: of(evidence) });
    await tellEvidence(evidence, workspace, inputs, context);
  });
}
