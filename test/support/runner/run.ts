import { join } from 'node:path';
import type { ActionSource } from './action-source.ts';
import type { Annotation } from './commands.ts';
import { asText, evaluateTexts, evaluateToken, holds, type Scope, type Value } from './expressions.ts';
import type { Concurrency, ConcurrencyGroups } from './concurrency.ts';
import { startJob, type RunningJob } from './job.ts';
import type { JobRequest, JobResult, Result, RunnerSettings } from './job-state.ts';
import { combinations, type Combination } from './matrix.ts';
import { isMapping } from './parser.ts';
import { places } from './places.ts';
import type { JobFile, WorkflowFile } from './workflow-file.ts';

export type Permissions = Record<string, 'read' | 'write' | 'none'>;

/** One run of a workflow, for one event. */
export interface RunRequest {
  file: WorkflowFile;
  /** The github context, but for what belongs to a job. */
  github: Record<string, Value>;
  inputs: Value;
  vars: Record<string, string>;
  secrets: Record<string, string>;
  /** A token for one job, and the end of it. Null: what the repository grants a workflow that asks for nothing. */
  token(permissions: Permissions | null): string;
  service: Record<string, string>;
  actions: ActionSource;
  settings: RunnerSettings;
  concurrency: ConcurrencyGroups;
  folder: string;
  /** Jobs at one time. */
  runners: number;
}

export interface RunResult {
  conclusion: Result;
  /** In the order they are written; every combination of a matrix is one. */
  jobs: JobResult[];
  annotations: Annotation[];
  log: string;
}

export interface Run {
  done: Promise<RunResult>;
  cancel(): void;
}

/** How a job, with all of its matrix, looks to the jobs that need it. */
interface Finished {
  result: Result;
  outputs: Record<string, string>;
  jobs: JobResult[];
}

/** The jobs of one matrix. */
interface Siblings {
  places: ReturnType<typeof places>;
  running: Set<RunningJob>;
  stopped: boolean;
}

export function startRun(request: RunRequest): Run {
  const { file } = request;
  const running = new Map<RunningJob, JobFile>();
  const finished = new Map<string, Finished>();
  const runners = places(request.runners);
  let cancelled = false;
  let started = 0;

  const promises = new Map<string, Promise<Finished>>();
  const finish = (job: JobFile): Promise<Finished> => {
    const known = promises.get(job.id) ?? oneJob(job);
    promises.set(job.id, known);
    return known;
  };

  return { done: whole(), cancel };

  function cancel(): void {
    cancelled = true;
    for (const [one, job] of running) if (!wantsToRun(job)) one.cancel();
  }

  async function whole(): Promise<RunResult> {
    const all = (await Promise.all(file.jobs.map((job) => finish(job)))).flatMap(({ jobs }) => jobs);
    const results = [...finished.values()].map(({ result }) => result);
    return {
      conclusion: results.every((result) => result === 'skipped') ? 'skipped' : worst(results),
      jobs: all,
      annotations: all.flatMap(({ annotations }) => annotations),
      log: all.map(({ log }) => log).join('\n'),
    };
  }

  async function oneJob(job: JobFile): Promise<Finished> {
    // Until all of the map is filled.
    await Promise.resolve();
    await Promise.all(job.needs.map((id) => finish(file.jobs.find((each) => each.id === id) as JobFile)));
    const result = await runMatrix(job);
    finished.set(job.id, result);
    return result;
  }

  async function runMatrix(job: JobFile): Promise<Finished> {
    const before = scopeOf(job, {});
    if (!holds(job.condition, before)) {
      const result = cancelled ? 'cancelled' : 'skipped';
      return { result, outputs: {}, jobs: [emptyResult(job, nameOf(job, null, before), null, result)] };
    }
    const strategy = job.token.find('strategy');
    const setting = (key: string): Value =>
      strategy !== undefined && isMapping(strategy) ? evaluateToken(strategy.find(key), before) : null;
    const matrix = setting('matrix');
    const all = matrix === null ? [null] : combinations(matrix);
    const parallel = Number(setting('max-parallel') ?? all.length);
    const failFast = setting('fail-fast') !== false;
    const siblings: Siblings = { places: places(parallel), running: new Set(), stopped: false };
    const jobs = await Promise.all(
      all.map(async (combination, index) => {
        const of = { 'fail-fast': failFast, 'job-index': index, 'job-total': all.length, 'max-parallel': parallel };
        const result = await runCombination(job, scopeOf(job, { matrix: combination, strategy: of }), siblings);
        const tolerated = evaluateToken(job.token.find('continue-on-error'), before) === true;
        if (result.result === 'failure' && failFast && !tolerated) {
          siblings.stopped = true;
          for (const sibling of siblings.running) sibling.cancel();
        }
        return { ...result, seen: tolerated && result.result === 'failure' ? 'success' : result.result };
      }),
    );
    return {
      result: worst(jobs.map(({ seen }) => seen)),
      // The last combination that says something is heard.
      outputs: Object.assign({}, ...jobs.map(({ outputs }) => said(outputs))) as Record<string, string>,
      jobs,
    };
  }

  async function runCombination(job: JobFile, scope: Scope, siblings: Siblings): Promise<JobResult> {
    const combination = scope.contexts['matrix'] as Combination | null;
    const name = nameOf(job, combination, scope);
    const leave: (() => void)[] = [await siblings.places.take()];
    try {
      const wanted = concurrencyOf(job.token.find('concurrency'), scope);
      if (wanted !== null) {
        const turn = await request.concurrency.enter(wanted, () =>
          [...siblings.running].forEach((each) => each.cancel()),
        );
        if (turn === null) return emptyResult(job, name, combination, 'cancelled');
        leave.push(turn);
      }
      leave.push(await runners.take());
      if (siblings.stopped || (cancelled && !wantsToRun(job))) return emptyResult(job, name, combination, 'cancelled');
      const one = startJob(jobRequest(job, name, scope));
      running.set(one, job);
      siblings.running.add(one);
      const result = await one.done;
      running.delete(one);
      siblings.running.delete(one);
      return result;
    } finally {
      for (const each of leave) each();
    }
  }

  /** Jobs whose condition still holds when the run is cancelled are left alone. */
  function wantsToRun(job: JobFile): boolean {
    return holds(job.condition, scopeOf(job, {}));
  }

  function jobRequest(job: JobFile, name: string, scope: Scope): JobRequest {
    const permissions = permissionsOf(job);
    const token = request.token(permissions);
    const secrets = { ...request.secrets, GITHUB_TOKEN: token, github_token: token };
    const github = { ...request.github, job: job.id, token };
    const contexts = { ...scope.contexts, github, secrets };
    const inner = { ...scope, contexts };
    return {
      job,
      name,
      contexts,
      env: { ...evaluateTexts(file.token.find('env'), inner), ...evaluateTexts(job.token.find('env'), inner) },
      defaults: { ...defaultsOf(file.token.find('defaults'), inner), ...defaultsOf(job.token.find('defaults'), inner) },
      service: {
        ...request.service,
        ...(permissions?.['id-token'] === 'write'
          ? { ACTIONS_ID_TOKEN_REQUEST_URL: `${request.service['ACTIONS_RESULTS_URL'] ?? ''}/id-token` }
          : {}),
      },
      folder: join(request.folder, `job-${++started}`),
      actions: request.actions,
      settings: request.settings,
    };
  }

  function permissionsOf(job: JobFile): Permissions | null {
    const token = job.token.find('permissions') ?? file.token.find('permissions');
    if (token === undefined) return null;
    const value = evaluateToken(token, scopeOf(job, {}));
    if (value === 'read-all' || value === 'write-all') throw new Error(`${file.path}: ${value} is not granted here`);
    return (value ?? {}) as Permissions;
  }

  function scopeOf(job: JobFile, more: Record<string, Value>): Scope {
    const ancestors = ancestorsOf(file, job).map((id) => finished.get(id)?.result);
    const needs = Object.fromEntries(
      job.needs.map((id) => {
        const { result = 'skipped', outputs = {} } = finished.get(id) ?? {};
        return [id, { result, outputs }];
      }),
    );
    return {
      contexts: {
        github: request.github,
        inputs: request.inputs,
        vars: request.vars,
        secrets: request.secrets,
        matrix: null,
        strategy: null,
        needs,
        ...more,
      },
      status: {
        success: !cancelled && ancestors.every((result) => result === 'success'),
        failure: !cancelled && ancestors.includes('failure'),
        cancelled,
      },
      hashFiles: () => '',
    };
  }
}

function emptyResult(job: JobFile, name: string, matrix: Value, result: Result): JobResult {
  return { id: job.id, name, matrix, result, outputs: {}, steps: [], annotations: [], log: '' };
}

function ancestorsOf(file: WorkflowFile, job: JobFile): string[] {
  const above = job.needs.flatMap((id) => {
    const needed = file.jobs.find((each) => each.id === id);
    return needed === undefined ? [] : [id, ...ancestorsOf(file, needed)];
  });
  return [...new Set(above)];
}

function nameOf(job: JobFile, combination: Combination | null, scope: Scope): string {
  const named = job.token.find('name');
  if (named !== undefined) return asText(evaluateToken(named, scope));
  if (combination === null) return job.id;
  return `${job.id} (${Object.values(combination)
    .map((value) => asText(value))
    .join(', ')})`;
}

function defaultsOf(token: Parameters<typeof evaluateToken>[0], scope: Scope): { shell?: string; directory?: string } {
  const run = ((evaluateToken(token, scope) ?? {}) as Record<string, Value>)['run'];
  const { shell, 'working-directory': directory } = (run ?? {}) as Record<string, string>;
  return { ...(shell === undefined ? {} : { shell }), ...(directory === undefined ? {} : { directory }) };
}

function said(outputs: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(outputs).filter(([, value]) => value !== ''));
}

function worst(results: readonly Result[]): Result {
  return (['failure', 'cancelled', 'success'] as const).find((result) => results.includes(result)) ?? 'skipped';
}

/** What a workflow's or job's `concurrency` says. */
export function concurrencyOf(token: Parameters<typeof evaluateToken>[0], scope: Scope): Concurrency | null {
  const value = evaluateToken(token, scope);
  if (value === null) return null;
  if (typeof value !== 'object') return { group: asText(value), cancelInProgress: false, queue: 'single' };
  const { group = '', 'cancel-in-progress': cancel, queue } = value as Record<string, Value>;
  return {
    group: asText(group),
    cancelInProgress: asText(cancel ?? false) === 'true',
    queue: queue === 'max' ? 'max' : 'single',
  };
}
