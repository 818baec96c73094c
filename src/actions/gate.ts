import { runGate } from '../pipeline/gate/promote.ts';
import { decisionAction } from './decision-action.ts';

await decisionAction(runGate);
