import { runGate } from '../pipeline/promote.ts';
import { decisionAction } from './decision-action.ts';

await decisionAction(runGate);
