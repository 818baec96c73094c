import { join } from 'node:path';
import type { Annotation } from './commands.ts';
import { compiledBefore } from '../project.ts';
import { asText, type Scope, type Value } from './expressions.ts';
import { hashFiles } from './globs.ts';
import type { Masks } from './masks.ts';
import type { Patience } from './process.ts';
import type { ActionSource } from './action-source.ts';
import type { JobFile, StepFile } from './workflow-file.ts';

export type Result = 'success' | 'failure' | 'cancelled' | 'skipped';

/** What the runner is told of a job. */
export interface JobRequest {
  job: JobFile;
  name: string;
  /** The contexts that stay as they are: github, needs, matrix, strategy, inputs, vars, secrets. */
  contexts: Record<string, Value>;
  /** `env` and `defaults.run` of the workflow and the job, already evaluated. */
  env: Record<string, string>;
  defaults: { shell?: string; directory?: string };
  /** Variables of the service: ACTIONS_RUNTIME_TOKEN and the like. */
  service: Record<string, string>;
  /** The runner's own folder for this job, which it makes and removes. */
  folder: string;
  actions: ActionSource;
  settings: RunnerSettings;
}

export interface RunnerSettings {
  /** The Node that `using: node24` means. */
  node: string;
  /** What a minute of `timeout-minutes` lasts, in ms. */
  minuteMs: number;
  patience: Patience;
  /** What the runner's own machine puts into every environment, such as its proxy. */
  machine?: Record<string, string>;
}

export interface StepResult {
  id: string;
  name: string;
  /** Before continue-on-error. */
  outcome: Result;
  conclusion: Result;
  outputs: Record<string, string>;
  /** What a person reads, secrets hidden. */
  log: string;
  summary: string;
}

export interface JobResult {
  id: string;
  name: string;
  matrix: Value;
  result: Result;
  outputs: Record<string, string>;
  steps: StepResult[];
  annotations: Annotation[];
  log: string;
}

/** A job while it runs. */
export interface JobState {
  request: JobRequest;
  folders: JobFolders;
  masks: Masks;
  /** What `env` is for every step from here on, GITHUB_ENV included. */
  env: Record<string, string>;
  /** Added by GITHUB_PATH, the latest first. */
  path: string[];
  status: Exclude<Result, 'skipped'>;
  lines: string[];
  annotations: Annotation[];
  steps: StepResult[];
  /** What each step's action keeps from stage to stage, and the steps whose post stage is waiting. */
  kept: Map<StepFile, Record<string, string>>;
  postponed: Set<StepFile>;
  /** To run at the end, the last first. */
  posts: ((signal: AbortSignal) => Promise<void>)[];
  orphans: (() => void)[];
  /** Told when the job is cancelled. */
  onCancel: (() => void) | null;
  /** Numbers the files of steps. */
  count: number;
}

export interface JobFolders {
  workspace: string;
  temp: string;
  home: string;
  files: string;
  tools: string;
}

/** Where steps have their ids, inputs and status: a job, or one run of a composite action. */
export interface StepScope {
  steps: Record<string, { outputs: Record<string, string>; outcome: Result; conclusion: Result }>;
  inputs: Value;
  /** What a composite action's own step added to the environment. */
  env: Record<string, string>;
  /** The action whose steps these are. */
  action: { path: string; name: string } | null;
  /** Of the composite action, so far; the job's own otherwise. */
  status(): JobState['status'];
  /** A step has ended. */
  ended(result: StepResult): void;
}

export function jobFolders(folder: string, repository: string): JobFolders {
  const name = repository.split('/')[1] ?? 'repository';
  return {
    workspace: join(folder, 'work', name, name),
    temp: join(folder, 'work', '_temp'),
    home: join(folder, 'home'),
    files: join(folder, 'work', '_temp', '_runner_file_commands'),
    tools: join(folder, 'tools'),
  };
}

/** What an expression of a step may see. */
export function expressionScope(state: JobState, scope: StepScope, env: Record<string, string>): Scope {
  const { contexts } = state.request;
  const status = scope.status();
  const github = contexts['github'] as Record<string, Value>;
  return {
    contexts: {
      ...contexts,
      github: {
        ...github,
        ...(scope.action === null ? {} : { action_path: scope.action.path, action_status: status }),
        workspace: state.folders.workspace,
      },
      env,
      inputs: scope.inputs,
      steps: scope.steps,
      job: { status: state.status },
      runner: runnerContext(state),
    },
    status: { success: status === 'success', failure: status === 'failure', cancelled: state.status === 'cancelled' },
    hashFiles: (patterns) => hashFiles(state.folders.workspace, patterns),
  };
}

export function runnerContext({ folders }: JobState): Record<string, string> {
  return {
    name: 'stand-in',
    os: 'Linux',
    arch: 'X64',
    environment: 'github-hosted',
    temp: folders.temp,
    tool_cache: folders.tools,
    workspace: join(folders.workspace, '..'),
  };
}

/** The variables a step's process starts with ("Default environment variables", GitHub docs). */
export function processEnvironment(
  state: JobState,
  scope: StepScope,
  step: { env: Record<string, string>; files: Record<string, string>; id: string },
): Record<string, string> {
  const { contexts, service } = state.request;
  const github = Object.fromEntries(
    Object.entries(contexts['github'] as Record<string, Value>).flatMap(([name, value]) =>
      name === 'token' || name === 'event' || value === null ? [] : [[`GITHUB_${name.toUpperCase()}`, asText(value)]],
    ),
  );
  const runner = Object.fromEntries(
    Object.entries(runnerContext(state)).map(([name, value]) => [`RUNNER_${name.toUpperCase()}`, value]),
  );
  const env = {
    PATH: process.env['PATH'] ?? '',
    ...compiledBefore,
    HOME: state.folders.home,
    LANG: 'C.UTF-8',
    ...state.request.settings.machine,
    ...state.env,
    ...scope.env,
  };
  Object.assign(env, step.env);
  return {
    ...env,
    PATH: [...state.path, env.PATH].join(':'),
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    ...service,
    ...github,
    ...runner,
    GITHUB_WORKSPACE: state.folders.workspace,
    GITHUB_ACTION: step.id,
    ...(scope.action === null ? {} : { GITHUB_ACTION_PATH: scope.action.path }),
    ...step.files,
  };
}
