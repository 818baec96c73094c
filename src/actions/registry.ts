import { assignEnvironment, deprecateVersion, emptyEnvironment, waiveCheck } from '../pipeline/gate/acts.ts';
import { registerChampion } from '../pipeline/gate/promote.ts';
import { actAction } from './act-action.ts';
import { registryInputs } from './inputs.ts';

await actAction(registryInputs, (workspace, input) => {
  switch (input.act) {
    case 'register':
      return registerChampion(workspace, input);
    case 'assign':
      return assignEnvironment(workspace, { ...input, reason: input.reason ?? 'as planned' });
    case 'unassign':
      return emptyEnvironment(workspace, { ...input, reason: input.reason ?? '' });
    case 'waive':
      return waiveCheck(workspace, { ...input, reason: input.reason ?? '' });
    case 'deprecate':
      return deprecateVersion(workspace, { ...input, reason: input.reason ?? '' });
  }
});
