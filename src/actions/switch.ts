import { runSwitch } from '../pipeline/rollout/run-switch.ts';
import { switchOver } from '../stages/switch/stage.ts';
import { trafficAction } from './traffic-action.ts';

await trafficAction(switchOver, runSwitch);
