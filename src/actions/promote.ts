import { overrideHold } from '../pipeline/acts.ts';
import { runPromote } from '../pipeline/promote.ts';
import { decisionAction } from './decision-action.ts';

await decisionAction((workspace, input, { overrideReason }) =>
  overrideReason === undefined
    ? runPromote(workspace, input)
    : overrideHold(workspace, { ...input, reason: overrideReason }),
);
