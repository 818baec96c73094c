import { registryView } from '../pipeline/gate/promote.ts';
import { runEvaluate } from '../pipeline/gate/stages.ts';
import { metricsOf } from './metrics.ts';
import { stageAction } from './stage-action.ts';

await stageAction(async (workspace) => runEvaluate(workspace, await registryView(workspace, false)), {
  metrics: (evidence) => metricsOf([evidence]),
});
