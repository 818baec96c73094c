import { registryView } from '../pipeline/gate/promote.ts';
import { runLoadTest } from '../pipeline/gate/stages.ts';
import { stageAction } from './stage-action.ts';

await stageAction(async (workspace) => runLoadTest(workspace, await registryView(workspace, false)));
