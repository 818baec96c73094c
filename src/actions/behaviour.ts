import { registryView } from '../pipeline/promote.ts';
import { runBehaviour } from '../pipeline/stages.ts';
import { stageAction } from './stage-action.ts';

await stageAction(async (workspace) => runBehaviour(workspace, await registryView(workspace, false)));
