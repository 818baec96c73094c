import type { Source } from '../evidence/index.ts';
import { objectAt } from './run-place.ts';

/** What the runner's environment says of the run. Pure: the environment is an argument. */
export interface RunContext {
  source: Source;
  actor: string | undefined;
  /** Pull requests evaluate and never record. */
  mayRecord: boolean;
  /** Pushes, dispatches and schedules of the default branch record by themselves, and so do laptops; anything else only when told to. */
  recordsByDefault: boolean;
  /** Why a run of an event that records does not by itself: nobody need have reviewed what is on its branch. */
  withheld: string | undefined;
}

const recordingEvents = new Set(['push', 'workflow_dispatch', 'repository_dispatch', 'schedule']);
/** They run on the default branch and no other. */
const ofDefaultBranch = new Set(['repository_dispatch', 'schedule']);

/**
 * Read the default variables of GitHub Actions ("Default environment variables", GitHub docs) and the event's payload.
 * Outside a workflow everything is absent and recording is allowed.
 */
export function runContext(env: NodeJS.ProcessEnv, payload: Record<string, unknown> = {}): RunContext {
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
  const records = mayRecord && (event === undefined || recordingEvents.has(event));
  const withheld =
    records && event !== undefined && !ofDefaultBranch.has(event) ? otherBranch(ref, payload) : undefined;
  return {
    source: Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)),
    actor: text('GITHUB_ACTOR'),
    mayRecord,
    recordsByDefault: records && withheld === undefined,
    withheld,
  };
}

/** That a ref is not the default branch, in words; undefined where it is. What cannot be told is not taken for it. */
function otherBranch(ref: string | undefined, payload: Record<string, unknown>): string | undefined {
  const name = objectAt(payload, 'repository')?.['default_branch'];
  if (typeof name === 'string' && ref === `refs/heads/${name}`) return undefined;
  const branch =
    typeof name === 'string' ? `the default branch, ${name},` : 'the default branch, which the event does not name,';
  return `this run is of ${ref ?? 'no branch'}, and only runs of ${branch} record by themselves`;
}
