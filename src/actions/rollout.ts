import { runRollout } from '../pipeline/rollout/run-rollout.ts';
import { rollout } from '../stages/rollout/stage.ts';
import { trafficAction } from './traffic-action.ts';

await trafficAction(rollout, runRollout);
