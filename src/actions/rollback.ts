import { rollBack } from '../pipeline/gate/acts.ts';
import { actAction } from './act-action.ts';
import { rollbackInputs } from './inputs.ts';

await actAction(rollbackInputs, (workspace, { reason = '', ...input }) => rollBack(workspace, { ...input, reason }));
