import { runValidate } from '../pipeline/stages.ts';
import { stageAction } from './stage-action.ts';

await stageAction(runValidate);
