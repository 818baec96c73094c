import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findAction } from './action-source.ts';
import { asText, evaluateTexts, evaluateToken, type Value } from './expressions.ts';
import {
  expressionScope,
  jobFolders,
  type JobRequest,
  type JobResult,
  type JobState,
  type StepScope,
} from './job-state.ts';
import { masks } from './masks.ts';
import { bytesOf, outputLimits } from './outputs.ts';
import { annotate, runPreStages, runSteps, say } from './steps.ts';
import { textAt } from './workflow-file.ts';

export interface RunningJob {
  done: Promise<JobResult>;
  /** What the cancel button does: the running step is signalled, steps that say always() or cancelled() still run. */
  cancel(): void;
}

/** Run one job on a fresh machine: an empty workspace, an empty home, nothing of an earlier job. */
export function startJob(request: JobRequest): RunningJob {
  const github = request.contexts['github'] as Record<string, Value>;
  const state: JobState = {
    request,
    folders: jobFolders(request.folder, asText(github['repository'] ?? '')),
    masks: masks(),
    env: { ...request.env },
    path: [],
    status: 'success',
    lines: [],
    annotations: [],
    steps: [],
    kept: new Map(),
    postponed: new Set(),
    posts: [],
    orphans: [],
    onCancel: null,
    count: 0,
  };
  const cancel = (): void => {
    if (state.status === 'cancelled') return;
    state.status = 'cancelled';
    state.onCancel?.();
  };
  return { done: runJob(state, cancel), cancel };
}

async function runJob(state: JobState, cancel: () => void): Promise<JobResult> {
  const { request, folders } = state;
  const { job, contexts, settings } = request;
  for (const secret of Object.values(contexts['secrets'] as Record<string, string>)) state.masks.add(secret);
  await rm(request.folder, { recursive: true, force: true });
  for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true });
  const github = contexts['github'] as Record<string, Value>;
  const event = join(folders.temp, '_github_workflow', 'event.json');
  await mkdir(join(event, '..'));
  await writeFile(event, JSON.stringify(github['event']));
  github['event_path'] = event;

  const scope: StepScope = {
    steps: {},
    inputs: contexts['inputs'] ?? null,
    env: {},
    action: null,
    status: () => state.status,
    ended(step) {
      state.steps.push(step);
      if (step.conclusion === 'failure' && state.status === 'success') state.status = 'failure';
    },
  };
  const never = new AbortController().signal;
  const minutes = timeoutMinutes(state, scope);
  const timer = setTimeout(() => {
    annotate(state, {
      level: 'error',
      message: `The job has exceeded the maximum execution time of ${minutes}m0s`,
    });
    cancel();
  }, minutes * settings.minuteMs);
  try {
    for (const step of job.steps) {
      const uses = textAt(step.token, 'uses');
      if (uses !== undefined && !uses.startsWith('./')) await findAction(uses, request.actions, folders.workspace);
    }
    await runPreStages(state, scope, never);
    await runSteps(state, scope, job.steps, never);
  } catch (error) {
    annotate(state, { level: 'error', message: error instanceof Error ? error.message : String(error) });
    if (state.status === 'success') state.status = 'failure';
  } finally {
    clearTimeout(timer);
  }
  for (const post of state.posts.toReversed()) await post(never);
  const outputs = jobOutputs(state, scope);
  for (const kill of state.orphans) kill();
  await rm(request.folder, { recursive: true, force: true });
  return {
    id: job.id,
    name: request.name,
    matrix: contexts['matrix'] ?? null,
    result: state.status,
    outputs,
    steps: state.steps,
    annotations: state.annotations,
    log: state.lines.join('\n'),
  };
}

/** A job may last six hours, if it says nothing. */
function timeoutMinutes(state: JobState, scope: StepScope): number {
  const token = state.request.job.token.find('timeout-minutes');
  if (token === undefined) return 360;
  return Number(evaluateToken(token, expressionScope(state, scope, state.env)));
}

/** Outputs that hold a secret are dropped, as the runner does; when they are too large there are none, and the job fails. */
function jobOutputs(state: JobState, scope: StepScope): Record<string, string> {
  const outputs = evaluateTexts(state.request.job.token.find('outputs'), expressionScope(state, scope, state.env));
  for (const [name, value] of Object.entries(outputs)) {
    if (!state.masks.touches(value)) continue;
    say(state, `##[warning]Skip output '${name}' since it may contain secret.`);
    delete outputs[name];
  }
  if (bytesOf(outputs) <= outputLimits.jobBytes) return outputs;
  annotate(state, { level: 'error', message: `Job outputs exceed ${outputLimits.jobBytes} bytes` });
  if (state.status === 'success') state.status = 'failure';
  return {};
}
