import { runValidate } from '../pipeline/gate/stages.ts';
import { stageAction } from './stage-action.ts';

await stageAction(runValidate);
