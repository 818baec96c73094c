import { overrideHold } from '../pipeline/gate/acts.ts';
import { runPromote } from '../pipeline/gate/promote.ts';
import { decisionAction } from './decision-action.ts';

await decisionAction((workspace, input, { overrideReason }) =>
  overrideReason === undefined
    ? runPromote(workspace, input)
    : overrideHold(workspace, { ...input, reason: overrideReason }),
);
