import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { ActionSource } from './action-source.ts';
import type { Annotation } from './commands.ts';
import { asText, evaluateTexts, evaluateToken, holds, type Scope, type Value } from './expressions.ts';
import { concurrencyOf, type ConcurrencyGroups } from './concurrency.ts';
import { environmentOf } from './environments.ts';
import { startJob } from './job.ts';
import type { JobRequest, JobResult, Result, RunnerSettings } from './job-state.ts';
import { bytesOf, outputLimits } from './outputs.ts';
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
  /** A token for one job. Null: what the repository grants a workflow that asks for nothing. */
  token(permissions: Permissions | null): string;
  /** The end of a token, with its job. */
  revoke(token: string): void;
  /** Let a job into an environment. Gives what stands in its way; null: nothing. */
  admitted(environment: string, signal: AbortSignal): Promise<string | null>;
  service: Record<string, string>;
  actions: ActionSource;
  settings: RunnerSettings;
  concurrency: ConcurrencyGroups;
  folder: string;
  /** Jobs at one time. */
  runners: number;
  /** The attempt before, when only what failed in it runs again, and what needs that ("Re-running workflows and jobs", GitHub docs). */
  earlier: RunResult | null;
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
  /** Whether any of it ran, and was not taken from an earlier attempt. */
  ran: boolean;
}

/** The jobs of one matrix, each with what cancels it, be it running or waiting. */
interface Siblings {
  places: ReturnType<typeof places>;
  stops: Set<AbortController>;
}

export function startRun(request: RunRequest): Run {
  const { file } = request;
  /** What cancels each job that is not yet done. */
  const stops = new Map<AbortController, JobFile>();
  const finished = new Map<string, Finished>();
  const runners = places(request.runners);
  let cancelled = false;
  let started = 0;
  let outputBytes = 0;

  const promises = new Map<string, Promise<Finished>>();
  const finish = (job: JobFile): Promise<Finished> => {
    const known = promises.get(job.id) ?? oneJob(job);
    promises.set(job.id, known);
    return known;
  };

  return { done: whole(), cancel };

  function cancel(): void {
    cancelled = true;
    for (const [stop, job] of stops) if (!wantsToRun(job)) stop.abort();
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
    const needsRan = job.needs.some((id) => finished.get(id)?.ran);
    if (!holds(job.condition, before)) {
      const result = cancelled ? 'cancelled' : 'skipped';
      const jobs = [emptyResult(job, nameOf(job, null, before), null, result)];
      return { result, outputs: {}, jobs, ran: needsRan };
    }
    const strategy = job.token.find('strategy');
    const setting = (key: string): Value =>
      strategy !== undefined && isMapping(strategy) ? evaluateToken(strategy.find(key), before) : null;
    const matrix = setting('matrix');
    const all = matrix === null ? [null] : combinations(matrix);
    const parallel = Number(setting('max-parallel') ?? all.length);
    const failFast = setting('fail-fast') !== false;
    const siblings: Siblings = { places: places(parallel), stops: new Set() };
    const kept = needsRan ? [] : succeededBefore(job);
    let ran = false;
    const jobs = await Promise.all(
      all.map(async (combination, index) => {
        const of = { 'fail-fast': failFast, 'job-index': index, 'job-total': all.length, 'max-parallel': parallel };
        const scope = scopeOf(job, { matrix: combination, strategy: of });
        const before = kept.find((each) => isDeepStrictEqual(each.matrix, combination));
        ran ||= before === undefined;
        const result = before ?? (await runCombination(job, scope, siblings));
        const tolerated = evaluateToken(job.token.find('continue-on-error'), scope) === true;
        if (result.result === 'failure' && failFast && !tolerated) for (const stop of siblings.stops) stop.abort();
        return { ...result, seen: tolerated && result.result === 'failure' ? 'success' : result.result };
      }),
    );
    return {
      result: worst(jobs.map(({ seen }) => seen)),
      // The last combination that says something is heard.
      outputs: Object.assign({}, ...jobs.map(({ outputs }) => said(outputs))) as Record<string, string>,
      jobs,
      ran,
    };
  }

  function succeededBefore(job: JobFile): JobResult[] {
    return (request.earlier?.jobs ?? []).filter(({ id, result }) => id === job.id && result === 'success');
  }

  async function runCombination(job: JobFile, scope: Scope, siblings: Siblings): Promise<JobResult> {
    const combination = scope.contexts['matrix'] as Combination | null;
    const name = nameOf(job, combination, scope);
    const empty = (result: Result, problem?: string): JobResult => emptyResult(job, name, combination, result, problem);
    const stop = new AbortController();
    stops.set(stop, job);
    siblings.stops.add(stop);
    const leave: (() => void)[] = [await siblings.places.take()];
    try {
      refuseOtherMachines(job, scope);
      const wanted = concurrencyOf(job.token.find('concurrency'), scope);
      if (wanted !== null) {
        const turn = await request.concurrency.enter(wanted, () => stop.abort());
        if (turn === null) return empty('cancelled');
        leave.push(turn);
      }
      const environment = environmentOf(job.token.find('environment'), scope);
      // Its turn in the group comes first: a job that waits for a reviewer holds its place.
      const problem = environment === null ? null : await request.admitted(environment, stop.signal);
      if (problem !== null && !stop.signal.aborted) return empty('failure', problem);
      leave.push(await runners.take());
      if (stop.signal.aborted) return empty('cancelled');
      const token = request.token(permissionsOf(job));
      leave.push(() => request.revoke(token));
      const one = startJob(jobRequest(job, name, scope, token));
      stop.signal.addEventListener('abort', one.cancel, { once: true });
      return withinRun(await one.done);
    } finally {
      stops.delete(stop);
      siblings.stops.delete(stop);
      for (const each of leave) each();
    }
  }

  /** A job whose outputs are too many with those of the others has none, and fails. */
  function withinRun(result: JobResult): JobResult {
    outputBytes += bytesOf(result.outputs);
    if (outputBytes <= outputLimits.runBytes) return result;
    const message = `The outputs of the run exceed ${outputLimits.runBytes} bytes`;
    return {
      ...result,
      result: 'failure',
      outputs: {},
      annotations: [...result.annotations, { level: 'error', message }],
    };
  }

  /** Jobs whose condition still holds when the run is cancelled are left alone. */
  function wantsToRun(job: JobFile): boolean {
    return holds(job.condition, scopeOf(job, {}));
  }

  function jobRequest(job: JobFile, name: string, scope: Scope, token: string): JobRequest {
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
        ...(permissionsOf(job)?.['id-token'] === 'write'
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

/** A job that did not run, and what GitHub says of it. */
function emptyResult(job: JobFile, name: string, matrix: Value, result: Result, problem?: string): JobResult {
  const annotations: Annotation[] = problem === undefined ? [] : [{ level: 'error', message: problem }];
  return { id: job.id, name, matrix, result, outputs: {}, steps: [], annotations, log: problem ?? '' };
}

/** @throws Error where a job wants another machine than the one that is here */
function refuseOtherMachines(job: JobFile, scope: Scope): void {
  const wanted = evaluateToken(job.token.find('runs-on'), scope);
  const label = Array.isArray(wanted) && wanted.length === 1 ? wanted[0] : wanted;
  if (typeof label === 'string' && /^ubuntu-(?:latest|\d\d\.\d\d)$/u.test(label)) return;
  throw new Error(`job ${job.id} runs on ${JSON.stringify(wanted)}, which is not here`);
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
