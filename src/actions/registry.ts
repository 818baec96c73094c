import { assignEnvironment, deprecateVersion, emptyEnvironment, waiveCheck } from '../pipeline/gate/acts.ts';
import type { ActInput } from '../pipeline/gate/acts.ts';
import { registerChampion, type PromoteResult } from '../pipeline/gate/promote.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import { actAction } from './act-action.ts';
import { actInputs, chosen, required, text } from './inputs.ts';

type Given = Omit<ActInput, 'reason'> & { reason: string | undefined; version: string | undefined };
type Act = (workspace: Workspace, input: Given) => Promise<PromoteResult>;

const environmentInput = (): string =>
  required('environment', 'an environment of registry.environments in contender.yml');

/** Each reads what it takes, which is refused before anything is looked at, and gives what is then done. */
const acts: Record<'register' | 'assign' | 'unassign' | 'deprecate' | 'waive', () => Act> = {
  register() {
    const artifact = required('artifact', 'the model file, committed to the repository');
    return (workspace, input) => registerChampion(workspace, { ...input, artifact });
  },
  assign() {
    const environment = environmentInput();
    return (workspace, { reason = 'as planned', ...input }) =>
      assignEnvironment(workspace, { ...input, reason, environment });
  },
  unassign() {
    const environment = environmentInput();
    return (workspace, { reason = '', ...input }) => emptyEnvironment(workspace, { ...input, reason, environment });
  },
  deprecate() {
    const version = required('version', 'the version that must no longer be used');
    return (workspace, { reason = '', ...input }) => deprecateVersion(workspace, { ...input, reason, version });
  },
  waive() {
    const check = required('check', 'the id of a check, or @ and a slice');
    const until = required('until', 'when the waiver ends, such as 2026-12-31 or 30d');
    return (workspace, { reason = '', ...input }) => waiveCheck(workspace, { ...input, reason, check, until });
  },
};
const names = Object.keys(acts) as (keyof typeof acts)[];

await actAction(
  async (env, run) => {
    const inputs = { ...(await actInputs(env, run)), version: text('version') };
    return { ...inputs, perform: acts[chosen('act', required('act', names.join(', ')), names)]() };
  },
  (workspace, { perform, ...input }) => perform(workspace, input),
);
