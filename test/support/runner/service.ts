import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { GitHubStandIn } from '../github-api/server.ts';
import { newId, type Permissions as TokenPermissions, type WorkflowRun } from '../github-api/state.ts';
import type { StandIn } from './action-source.ts';
import { concurrencyGroups, concurrencyOf } from './concurrency.ts';
import { admitted } from './environments.ts';
import { branchEvent, pullRequestEvent, pushEvent, starts, type HubEvent } from './events.ts';
import type { Value } from './expressions.ts';
import type { RunnerSettings } from './job-state.ts';
import { runnerPatience } from './process.ts';
import { startRun, type Permissions, type Run, type RunResult } from './run.ts';
import { downloadArtifact, uploadArtifact } from './stand-ins/artifacts.ts';
import { cache } from './stand-ins/cache.ts';
import { checkout } from './stand-ins/checkout.ts';
import { readWorkflow, type WorkflowFile } from './workflow-file.ts';

/** A run of a workflow in a repository, or one more attempt at it. */
export interface StartedRun {
  id: number;
  attempt: number;
  /** Of the workflow. */
  name: string;
  event: string;
  done: Promise<RunResult>;
  cancel(): void;
}

/** GitHub Actions for one repository of the API's stand-in. What it is told of starts the workflows that the repository holds. */
export interface ActionsService {
  /** A branch or tag has been moved from `before`; null: it is new. By default its commit's first parent. */
  push(ref: string, before?: string | null): Promise<StartedRun[]>;
  /** @param changes of `edited`: what was before */
  pullRequest(number: number, action?: string, changes?: Record<string, Value>): Promise<StartedRun[]>;
  dispatch(workflow: string, inputs?: Record<string, string>, ref?: string): Promise<StartedRun[]>;
  /** A reviewer lets the jobs of a run into their environment, or not, as soon as one waits for it. */
  review(run: StartedRun, by: string, state?: 'approved' | 'rejected'): Promise<void>;
  /** Any other event on the default branch: schedule, repository_dispatch, ... */
  event(name: string, payload?: Record<string, Value>): Promise<StartedRun[]>;
  /** Run again what has ended: the whole of it, or what failed in it and what needs that. */
  rerun(id: number, options?: { failedOnly?: boolean; by?: string }): StartedRun;
  /** Every attempt so far, of runs that other runs started too, once none is under way. */
  settled(): Promise<{ id: number; name: string; event: string; result: RunResult }[]>;
}

/** What the attempts at one run have in common, and how the last one ended. */
interface KnownRun {
  file: WorkflowFile;
  event: HubEvent;
  state: WorkflowRun;
  number: number;
  attempts: number;
  result: RunResult | null;
}

export interface ServiceOptions {
  hub: GitHubStandIn;
  repository: string;
  /** For workspaces. */
  folder: string;
  /** Trees of the repositories that actions come from, by `owner/name`. */
  actions: Record<string, string>;
  standIns?: Record<string, StandIn>;
  secrets?: Record<string, string>;
  vars?: Record<string, string>;
  actor?: string;
  settings: Pick<RunnerSettings, 'node'> & Partial<RunnerSettings>;
}

/** What a workflow is granted that asks for nothing: the restricted default of new repositories. */
const restricted: Permissions = { contents: 'read', packages: 'read' };

export function startActions(options: ServiceOptions): ActionsService {
  const { hub, actor = 'ada' } = options;
  const repository = hub.repository(options.repository);
  const groups = concurrencyGroups();
  const known = new Map<number, KnownRun>();
  const runs: { id: number; name: string; event: string; result: Promise<RunResult> }[] = [];
  const numbers = new Map<string, number>();
  const source = {
    repositories: options.actions,
    standIns: {
      'actions/checkout': checkout,
      'actions/upload-artifact': uploadArtifact(repository),
      'actions/download-artifact': downloadArtifact(repository),
      'actions/cache': cache(repository.defaultBranch),
      ...options.standIns,
    },
  };
  const settings: RunnerSettings = { minuteMs: 60_000, patience: runnerPatience, ...options.settings };

  return {
    async push(ref, before) {
      const from = before === undefined ? await repository.git.git('rev-parse', `${ref}^{commit}^1`) : before;
      return deliver(await pushEvent(repository, ref, from, actor));
    },
    async pullRequest(number, action = 'synchronize', changes) {
      const pull = repository.pulls.get(number);
      if (pull === undefined) throw new Error(`no pull request ${number}`);
      return deliver(await pullRequestEvent(repository, pull, action, actor, changes));
    },
    async dispatch(workflow, inputs = {}, ref = `refs/heads/${repository.defaultBranch}`) {
      const payload = { inputs, ref, workflow: `.github/workflows/${workflow}` };
      const event = await branchEvent(repository, 'workflow_dispatch', payload, actor, ref);
      return deliver(event, (file) => file.path === payload.workflow);
    },
    async review(run, by, state = 'approved') {
      const path = `${hub.url}/repos/${options.repository}/actions/runs/${run.id}/pending_deployments`;
      const headers = { authorization: `Bearer ${hub.token({ login: by, type: 'User' })}` };
      let ids: number[] = [];
      while (ids.length === 0) {
        await setTimeout(10);
        if (repository.runs.get(run.id)?.status === 'completed') throw new Error(`run ${run.id} waits for nobody`);
        const pending = (await (await fetch(path, { headers })).json()) as { environment: { id: number } }[];
        ids = pending.map(({ environment }) => environment.id);
      }
      const body = JSON.stringify({ environment_ids: ids, state, comment: '' });
      const json = { ...headers, 'content-type': 'application/json' };
      const answer = await fetch(path, { method: 'POST', headers: json, body });
      if (!answer.ok) throw new Error(await answer.text());
    },
    event: async (name, payload = {}) => deliver(await branchEvent(repository, name, payload, actor)),
    rerun(id, { failedOnly = false, by = actor } = {}) {
      const run = known.get(id);
      if (run === undefined) throw new Error(`no run ${id}`);
      if (run.result === null) throw new Error('This workflow is already running');
      return attempt(run, by, failedOnly ? run.result : null);
    },
    async settled() {
      for (let seen = -1; seen < runs.length;) {
        seen = runs.length;
        await Promise.all(runs.map(({ result }) => result));
        // A run that has ended may be about to start another.
        await new Promise((turn) => setImmediate(turn));
      }
      return Promise.all(runs.map(async (each) => ({ ...each, result: await each.result })));
    },
  };

  async function deliver(event: HubEvent, wanted: (file: WorkflowFile) => boolean = () => true): Promise<StartedRun[]> {
    const files = (await workflowFiles(event.workflows)).filter((file) => wanted(file) && starts(file, event));
    return files.map((file) => start(file, event));
  }

  /** The workflows as they were at a commit. */
  async function workflowFiles(commit: string): Promise<WorkflowFile[]> {
    const listing = await repository.git.git('ls-tree', '--name-only', commit, '.github/workflows/');
    const paths = listing.split('\n').filter((path) => /\.ya?ml$/u.test(path));
    return Promise.all(
      paths.map(async (path) => {
        const blob = await repository.git.read(`${commit}:${path}`);
        return readWorkflow(path, blob?.bytes.toString('utf8') ?? '');
      }),
    );
  }

  function start(file: WorkflowFile, event: HubEvent): StartedRun {
    const id = newId();
    const number = (numbers.get(file.path) ?? 0) + 1;
    numbers.set(file.path, number);
    const state: WorkflowRun = {
      id,
      name: file.name,
      head_branch: event.head ?? event.ref.replace(/^refs\/(?:heads|tags)\//u, ''),
      head_sha: headOf(event),
      event: event.name,
      status: 'queued',
      conclusion: null,
      path: file.path,
      head_repository: pullRequestOf(event)?.head.repo.full_name ?? options.repository,
      pull_requests: event.untrusted ? [] : [pullRequestOf(event)?.number ?? []].flat(),
      approvals: [],
    };
    repository.runs.set(id, state);
    const run = { file, event, state, number, attempts: 0, result: null };
    known.set(id, run);
    return attempt(run, event.actor, null);
  }

  /** `by`: who asked for it. `earlier`: the attempt that it goes on with. */
  function attempt(known: KnownRun, by: string, earlier: RunResult | null): StartedRun {
    const { file, event, state } = known;
    const { id } = state;
    const count = ++known.attempts;
    Object.assign(state, { status: 'queued', conclusion: null, run_attempt: count });
    known.result = null;
    const inputs = inputsOf(file, event);
    const github = githubContext(known, by);
    let run: Run | null = null;
    let cancelled = false;
    const cancel = (): void => {
      cancelled = true;
      run?.cancel();
    };
    const done = whole();
    runs.push({ id, name: file.name, event: event.name, result: done });
    return { id, attempt: count, name: file.name, event: event.name, done, cancel };

    async function whole(): Promise<RunResult> {
      const scope = {
        contexts: { github, inputs, vars: options.vars ?? {} },
        status: { success: true, failure: false, cancelled: false },
        hashFiles: () => '',
      };
      const wanted = concurrencyOf(file.token.find('concurrency'), scope);
      const leave = wanted === null ? () => undefined : await groups.enter(wanted, cancel);
      let result: RunResult = { conclusion: 'cancelled', jobs: [], annotations: [], log: '' };
      if (leave !== null && !cancelled) {
        state.status = 'in_progress';
        run = startRun({
          file,
          github,
          inputs,
          vars: options.vars ?? {},
          secrets: event.untrusted ? {} : (options.secrets ?? {}),
          token: (permissions) => hub.token({ permissions: granted(permissions ?? restricted, event.untrusted) }),
          revoke: hub.revoke,
          admitted: (name, signal) => admitted(repository, state, { name, ref: event.ref, signal }),
          service: {},
          actions: source,
          settings,
          concurrency: groups,
          folder: join(options.folder, `run-${id}-${count}`),
          runners: 2,
          earlier,
        });
        result = await run.done;
      }
      Object.assign(state, { status: 'completed', conclusion: result.conclusion });
      leave?.();
      if (event.name !== 'workflow_run') await deliver(await runEvent(file, state));
      known.result = result;
      return result;
    }
  }

  /** What a finished run tells the workflows that wait for it: they run on the default branch, whatever it ran on. */
  async function runEvent(file: WorkflowFile, run: WorkflowRun): Promise<HubEvent> {
    const { approvals: _approvals, pull_requests: pulls, head_repository: head, ...rest } = run;
    const workflow_run = {
      ...rest,
      head_repository: { full_name: head },
      pull_requests: pulls.map((number) => ({ number, head: { sha: run.head_sha } })),
    };
    const payload = { action: 'completed', workflow_run, workflow: { name: file.name, path: file.path } };
    return branchEvent(repository, 'workflow_run', payload, actor);
  }

  function githubContext({ file, event, state, number, attempts }: KnownRun, by: string): Record<string, Value> {
    const name = event.ref.replace(/^refs\/(?:heads|tags|pull)\//u, '');
    return {
      event: event.payload,
      event_name: event.name,
      ref: event.ref,
      ref_name: name,
      ref_type: event.ref.startsWith('refs/tags/') ? 'tag' : 'branch',
      ref_protected: repository.protections.some(({ ref }) => ref === event.ref),
      sha: event.sha,
      base_ref: event.base ?? '',
      head_ref: event.head ?? '',
      actor: event.actor,
      triggering_actor: by,
      repository: options.repository,
      repository_owner: repository.owner,
      repository_id: '1',
      run_id: String(state.id),
      run_number: String(number),
      run_attempt: String(attempts),
      workflow: file.name,
      workflow_ref: `${options.repository}/${file.path}@${event.ref}`,
      workflow_sha: event.workflows,
      server_url: hub.site,
      api_url: hub.url,
      graphql_url: hub.environment(options.repository)['GITHUB_GRAPHQL_URL'] ?? '',
    };
  }
}

interface PullRequestPayload {
  number: number;
  head: { sha: string; repo: { full_name: string } };
}

function pullRequestOf(event: HubEvent): PullRequestPayload | undefined {
  return event.payload['pull_request'] as PullRequestPayload | undefined;
}

function headOf(event: HubEvent): string {
  return pullRequestOf(event)?.head.sha ?? event.sha;
}

/** A run of a fork's pull request may read, whatever it asks for. */
function granted(wanted: Permissions, untrusted: boolean): TokenPermissions {
  const scopes = Object.entries(wanted).flatMap(([scope, access]) =>
    access === 'none' ? [] : [[scope, untrusted ? 'read' : access]],
  );
  return Object.fromEntries(scopes) as TokenPermissions;
}

/** The inputs context of a dispatch: defaults filled in, booleans and numbers as such. @throws Error for what GitHub refuses */
function inputsOf(file: WorkflowFile, event: HubEvent): Value {
  if (event.name !== 'workflow_dispatch') return {};
  const declared = file.events.workflow_dispatch?.inputs ?? {};
  const given = event.payload['inputs'] as Record<string, string>;
  const unknown = Object.keys(given).filter((name) => !(name in declared));
  if (unknown.length > 0) throw new Error(`Unexpected inputs provided: ${JSON.stringify(unknown)}`);
  return Object.fromEntries(
    Object.entries(declared).map(([name, { type, required, default: preset, options }]) => {
      const value = given[name] ?? preset ?? '';
      if (required === true && value === '') throw new Error(`Required input '${name}' not provided`);
      if (options !== undefined && !options.includes(String(value))) {
        throw new Error(`Provided value '${value}' for input '${name}' not in the list of allowed values`);
      }
      return [name, (type as string) === 'boolean' ? String(value) === 'true' : value];
    }),
  );
}
