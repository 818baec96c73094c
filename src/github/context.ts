import type { Source } from '../evidence/index.ts';

/** What the runner's environment says of the run. Pure: the environment is an argument. */
export interface RunContext {
  source: Source;
  actor: string | undefined;
  /** Pull requests evaluate and never record. */
  mayRecord: boolean;
  /** Pushes, dispatches, schedules and laptops record by themselves; any other event only when told to. */
  recordsByDefault: boolean;
}

const recordingEvents = new Set(['push', 'workflow_dispatch', 'repository_dispatch', 'schedule']);

/**
 * Read the default variables of GitHub Actions ("Default environment variables", GitHub docs).
 * Outside a workflow everything is absent and recording is allowed.
 */
export function runContext(env: NodeJS.ProcessEnv): RunContext {
  const text = (name: string): string | undefined => (env[name] === '' ? undefined : env[name]);
  const ref = text('GITHUB_REF');
  const pullRequest = /^refs\/pull\/([1-9][0-9]{0,9})\//u.exec(ref ?? '')?.[1];
  const event = text('GITHUB_EVENT_NAME');
  const fields = {
    repository: text('GITHUB_REPOSITORY'),
    sha: text('GITHUB_SHA'),
    ref,
    run: text('GITHUB_RUN_ID'),
    attempt: text('GITHUB_RUN_ATTEMPT'),
    event,
    pullRequest: pullRequest === undefined ? undefined : Number(pullRequest),
  };
  const mayRecord = pullRequest === undefined && !(event ?? '').startsWith('pull_request');
  return {
    source: Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)),
    actor: text('GITHUB_ACTOR'),
    mayRecord,
    recordsByDefault: mayRecord && (event === undefined || recordingEvents.has(event)),
  };
}
