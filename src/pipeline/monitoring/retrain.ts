import { GitHubError, RegistryError, UsageError } from '../../errors.ts';
import { digest, type RegistryHistory } from '../../evidence/index.ts';
import type { GitHub } from '../../github/client.ts';
import { findingsOf } from '../../monitor/findings.ts';
import { observe } from '../../monitor/judge.ts';
import type { Retraining } from '../../monitor/record.ts';
import { decideRetraining, type RetrainDecision } from '../../monitor/retrain.ts';
import { monitoredOf, type Retrain } from '../../monitor/schema.ts';
import type { Workspace } from '../workspace.ts';
import { monitorSettings } from './settings.ts';
import { openMemory, type Memory, type Remembered } from './state.ts';

export interface RetrainResult extends RetrainDecision {
  /** What was started, and recorded before. */
  started: Retraining | null;
}

/**
 * Start a training where what monitoring recorded asks for it. It is recorded first, so that of two runs at once one starts it, and a
 * start that failed is taken back.
 * @param github null: decide only
 */
export async function retrain(
  workspace: Workspace,
  view: RegistryHistory,
  { github, now }: { github: GitHub | null; now: Date },
): Promise<RetrainResult> {
  const { retrain: settings } = monitoredOf(workspace.modelConfig);
  if (settings === undefined) {
    throw new UsageError({
      found: 'there is no retrain section',
      expected: 'retrain: { dispatch: { workflow: train.yml } }',
      where: `models.${workspace.model}`,
      remedy: 'See docs/monitoring.md',
    });
  }
  const { judge, recoveredAfter } = monitorSettings(workspace);
  const memory = await openMemory(workspace);
  for (let attempt = 0; attempt < 5; attempt++) {
    const remembered = await memory.read(now);
    const { records, state } = remembered;
    const findings = findingsOf(records, observe(records, state.champions, judge), recoveredAfter);
    const decision = decideRetraining({
      settings,
      findings,
      records,
      retrainings: state.retrainings,
      promotedAt: promotedAt(view),
      rollout: rolloutIn(view),
      now: now.getTime(),
    });
    const [first] = decision.findings;
    if (!decision.due || github === null || first === undefined) return { ...decision, started: null };
    const started: Retraining = {
      at: now.toISOString(),
      findings: decision.findings.map(({ signal }) => signal),
      reason: decision.reason.slice(0, 1000),
      window: { start: first.opened, end: records.at(-1)?.end ?? now.toISOString() },
      evidence: digest({ records, champions: state.champions }),
    };
    if (!(await keep(memory, remembered, [...state.retrainings, started]))) continue;
    const run = await start(github, workspace.model, settings, started).catch(async (error: unknown) => {
      // A request whose outcome nobody knows may have started it: a second training is worse than a late one.
      if (!(error instanceof GitHubError)) throw error;
      if (!error.uncertain) {
        await change(memory, now, (all) => all.filter(({ at }) => at !== started.at));
        throw error;
      }
      throw new GitHubError(
        error.kind,
        {
          ...error.fault,
          remedy:
            'It is not known whether the training was started, so no other one is started before the cool-down ends. Check the runs of the workflow, and start it manually if there is none',
        },
        true,
      );
    });
    if (run === undefined) return { ...decision, started };
    const known = { ...started, run };
    await change(memory, now, (all) => all.map((each) => (each.at === started.at ? known : each)));
    return { ...decision, started: known };
  }
  throw new RegistryError({ found: 'other runs kept writing to the branch of monitoring', remedy: 'Run again' });
}

function keep(memory: Memory, from: Remembered, retrainings: Retraining[]): Promise<boolean> {
  const { records, state } = from;
  return memory.write(from, { records, state: { ...state, retrainings } }, 'Monitoring: a retraining\n');
}

/** Change what is recorded of trainings, whoever else writes meanwhile. */
async function change(memory: Memory, now: Date, to: (all: Retraining[]) => Retraining[]): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const remembered = await memory.read(now);
    if (await keep(memory, remembered, to(remembered.state.retrainings))) return;
  }
}

/** When the champion became it. */
function promotedAt({ decisions, championSeq }: RegistryHistory): number | null {
  const decision = decisions.find(({ seq }) => seq === championSeq);
  return decision === undefined ? null : Date.parse(decision.time);
}

/** What says that a candidate is on its way, which a training would overtake: one in the environment canary, or a step that is recorded last. */
export function rolloutIn({
  aliases,
  champion,
  decisions,
}: Pick<RegistryHistory, 'aliases' | 'champion' | 'decisions'>): string | null {
  const canary = aliases['canary'];
  if (canary !== undefined && canary.version !== champion?.version) return 'another version is in canary';
  const last = decisions.at(-1);
  const step = last?.reasons.find(({ check = '' }) => /^(?:rollout|switch)\/step@[\d.]+%$/u.test(check));
  return last?.outcome === 'hold' && step !== undefined ? `decision ${last.seq} gave a candidate traffic` : null;
}

/** @returns the run of a workflow_dispatch, where GitHub tells it */
async function start(
  github: GitHub,
  model: string,
  { dispatch }: Retrain,
  { reason, window, evidence, findings }: Retraining,
): Promise<string | undefined> {
  const inputs = {
    model,
    reason,
    findings: findings.join(','),
    window_start: window.start,
    window_end: window.end,
    evidence,
  };
  if ('event' in dispatch) {
    await github.request('POST /repos/{owner}/{repo}/dispatches', {
      event_type: dispatch.event,
      client_payload: inputs,
    });
    return undefined;
  }
  const { workflow, ref } = dispatch;
  const branch = ref ?? (await github.request('GET /repos/{owner}/{repo}', {})).default_branch;
  try {
    const answer: unknown = await github.request(
      'POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches',
      { workflow_id: workflow, ref: branch, inputs, return_run_details: true },
    );
    const run = (answer as { workflow_run_id?: number } | undefined)?.workflow_run_id;
    return run === undefined ? undefined : String(run);
  } catch (error) {
    if (!(error instanceof GitHubError) || error.uncertain) throw error;
    throw new GitHubError(error.kind, {
      ...error.fault,
      expected: `a workflow ${workflow} on ${branch} with on: workflow_dispatch and the inputs ${Object.keys(inputs).join(', ')}; and a token with actions: write`,
    });
  }
}
