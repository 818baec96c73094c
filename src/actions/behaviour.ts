import { registryView } from '../pipeline/gate/promote.ts';
import { runBehaviour } from '../pipeline/gate/stages.ts';
import { stageAction } from './stage-action.ts';

await stageAction(async (workspace) => runBehaviour(workspace, await registryView(workspace, false)));
