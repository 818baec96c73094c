import { registryView } from '../pipeline/promote.ts';
import { runLoadTest } from '../pipeline/stages.ts';
import { stageAction } from './stage-action.ts';

await stageAction(async (workspace) => runLoadTest(workspace, await registryView(workspace, false)));
