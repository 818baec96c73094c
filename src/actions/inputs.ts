import * as core from '@actions/core';
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve } from 'node:path';
import { defaults } from '../config/defaults.ts';
import { UsageError } from '../errors.ts';
import type { RunContext } from '../github/context.ts';
import { pushedRange } from '../github/run-place.ts';
import type { PartInput } from '../pipeline/gate/run-stage.ts';
import { asConfigured, instantOf, shardOf } from '../pipeline/typed.ts';
import type { PublishChoice } from '../pipeline/publishing/publish.ts';
import type { Override } from '../pipeline/workspace.ts';

/*
 * How inputs are read. Defaults live beside that and not in action.yml, whose defaults could not be told from a
 * person's choice. An input that is left out or empty leaves what contender.yml says.
 */

/** Inputs every action has. */
export interface CommonInputs {
  /** Absolute path of the checked-out repository. */
  root: string;
  config: string;
  model: string | undefined;
  out: string;
  candidate: Override;
  champion: Override;
  /** Files of predictions in place of running the models, from the working directory. */
  predictions: string | undefined;
  /** Where to write the checks as JUnit XML, from the working directory. */
  junit: string | undefined;
  /** To read a registry that is kept through the API, to fetch models that not everybody may read, and to tell the result. */
  token: string | undefined;
  /** Opens the server that a load test asks, as a bearer token. */
  targetToken: string | undefined;
}

/** @throws UsageError */
export async function stageInputs(env: NodeJS.ProcessEnv) {
  return {
    ...(await commonInputs(env)),
    failOnFailure: boolean('fail-on-failure', true),
    failOnInconclusive: boolean('fail-on-inconclusive', true),
  };
}

/** The part of a load that this step sends; null: it judges. @throws UsageError */
export function partInputs(): PartInput | null {
  const given = text('shard');
  if (given === undefined) return null;
  const shard = shardInput(given);
  const moment = required('start', 'the time at which all parts start, in ISO 8601 with a time zone');
  const start = instantOf(moment);
  if (start === null) {
    throw new UsageError({
      found: JSON.stringify(moment),
      expected: 'a time in ISO 8601 with a time zone, such as 2026-03-01T12:00:00Z',
      where: 'input start',
    });
  }
  return { shard, start, file: required('file', 'the .json.gz file to write') };
}

export function shardInput(given: string): PartInput['shard'] {
  const shard = shardOf(given);
  if (shard !== null) return shard;
  throw new UsageError({ found: JSON.stringify(given), expected: 'i/N, from 1/N to N/N', where: 'input shard' });
}

export type DecisionInputs = Awaited<ReturnType<typeof decisionInputs>>;

/** @throws UsageError */
export async function decisionInputs(env: NodeJS.ProcessEnv, run: RunContext) {
  return {
    ...(await commonInputs(env)),
    comment: commentInput(),
    check: boolean('check', false),
    record: recordInput(run),
    overrideReason: text('override-reason'),
    uploadReport: boolean('upload-report', true),
    version: text('version'),
    failOnReject: boolean('fail-on-reject', true),
    failOnHold: boolean('fail-on-hold', true),
    /** The token to make the release of a new champion with; undefined: no release. */
    release: boolean('release', false) ? requiredToken('contents') : undefined,
  };
}

/** Read first, for the faults of the other inputs to be told too. A choice that cannot be read tells: its own fault is one. */
export function publishInputs(): PublishChoice & { token: string | undefined } {
  return {
    token: tokenInput(),
    comment: readable(commentInput, 'always'),
    check: readable(() => boolean('check', false), true),
  };
}

function commentInput(): PublishChoice['comment'] {
  return choice('comment', ['always', 'on-failure', 'never']);
}

function readable<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

/** The model that was asked for, be it configured or not. */
export function modelInput(): string | undefined {
  return text('model');
}

/** @throws UsageError */
export async function finishInputs(
  env: NodeJS.ProcessEnv,
): Promise<CommonInputs & { token: string; range: { before: string | null; after: string } }> {
  const token = requiredToken('contents and pull requests');
  const range = await pushedRange(env);
  if (range === null) {
    throw new UsageError({
      found: `the event ${env['GITHUB_EVENT_NAME'] ?? ''}`,
      expected: 'a push to the branch that holds the registry',
      remedy: 'Run it on push, with paths: [registry/**]',
    });
  }
  return { ...(await commonInputs(env)), token, range };
}

/** @throws UsageError */
export async function commentInputs(env: NodeJS.ProcessEnv) {
  const workspace = env['GITHUB_WORKSPACE'] ?? process.cwd();
  const folder = text('path') ?? '.';
  return {
    token: requiredToken('pull requests'),
    /** Absolute path of the folder with what the other workflow left; null: it left nothing. */
    path: existsSync(resolve(workspace, folder)) ? await root(workspace, folder, 'path') : null,
  };
}

/** What a person does to the registry. */
export interface ActInputs extends CommonInputs {
  record: boolean;
  reason: string | undefined;
}

/** @throws UsageError */
export async function rollbackInputs(env: NodeJS.ProcessEnv, run: RunContext): Promise<ActInputs & { to: string }> {
  return { ...(await actInputs(env, run)), to: text('to') ?? 'previous' };
}

/** @throws UsageError */
export async function actInputs(env: NodeJS.ProcessEnv, run: RunContext): Promise<ActInputs> {
  return { ...(await commonInputs(env)), record: recordInput(run), reason: text('reason') };
}

/** @throws UsageError */
export async function commonInputs(env: NodeJS.ProcessEnv): Promise<CommonInputs> {
  refuseTarget(env);
  const from = await root(env['GITHUB_WORKSPACE'] ?? process.cwd(), text('working-directory') ?? '.');
  const config = text('config') ?? 'contender.yml';
  const places = { from, config: resolve(from, config) };
  return {
    root: from,
    config,
    model: modelInput(),
    out: text('out') ?? defaults.out,
    candidate: overrideInput('candidate', places),
    champion: overrideInput('champion', places),
    predictions: text('predictions'),
    junit: text('junit'),
    token: tokenInput(),
    targetToken: tokenInput('target-token'),
  };
}

/** A path is typed from the working directory, like that of any other input. */
function overrideInput(role: 'candidate' | 'champion', places: Parameters<typeof asConfigured>[1]): Override {
  const given = text(role);
  return { uri: given === undefined ? given : asConfigured(given, places), sha256: text(`${role}-sha256`) };
}

/** With the secrets and the token of the base it would read, and run, what a stranger checked in. */
function refuseTarget(env: NodeJS.ProcessEnv): void {
  if (env['GITHUB_EVENT_NAME'] !== 'pull_request_target') return;
  throw new UsageError({
    found: 'the event pull_request_target',
    expected: 'pull_request: this action reads and runs the checked-out models and configuration',
    where: 'on',
    remedy:
      'Run it on pull_request, which is safe for forks, and let a workflow on workflow_run post the result (workflows/comment.yml)',
  });
}

/** The working directory, links followed; it must lie in the runner's workspace. */
async function root(workspace: string, directory: string, input = 'working-directory'): Promise<string> {
  const top = await realpath(workspace);
  const found = await realpath(resolve(top, directory)).catch(() => undefined);
  const way = found === undefined ? '..' : relative(top, found);
  if (found === undefined || way.startsWith('..') || isAbsolute(way)) {
    throw new UsageError({
      found: `${JSON.stringify(directory)} is not a folder in the workspace`,
      expected:
        input === 'path'
          ? 'the folder that the artifact was downloaded to'
          : 'the folder that the repository was checked out into',
      where: `input ${input}`,
      remedy: `Use ${input === 'path' ? 'actions/download-artifact' : 'actions/checkout'} before this step`,
    });
  }
  return found;
}

export function recordInput(run: RunContext): boolean {
  const wanted = text('record') ?? 'auto';
  if (wanted === 'auto') {
    if (run.withheld !== undefined) {
      core.notice(
        `Nothing is recorded: ${run.withheld}. Merge it first and run there, or set the input record: true to record from here.`,
      );
    }
    return run.recordsByDefault;
  }
  const record = boolean('record', false, 'auto, true or false');
  if (record && !run.mayRecord) {
    throw new UsageError({
      found: 'true on a pull request',
      expected: 'auto or false: pull requests evaluate and never record',
      where: 'input record',
      remedy: 'Omit the input; the decision is recorded when the pull request is merged',
    });
  }
  return record;
}

/** A token, kept out of every log. */
function tokenInput(name = 'token'): string | undefined {
  const token = text(name);
  if (token !== undefined) core.setSecret(token);
  return token;
}

export function requiredToken(what: string): string {
  const token = tokenInput();
  if (token !== undefined) return token;
  throw new UsageError({
    found: 'no token',
    expected: `a token with write access to ${what}`,
    where: 'input token',
    remedy: 'Omit the input to use the token of the job',
  });
}

export function required(name: string, expected: string): string {
  const value = text(name);
  if (value !== undefined) return value;
  throw new UsageError({ found: `no ${name}`, expected, where: `input ${name}` });
}

/** One of some words; the first is the default. */
export function choice<T extends string>(name: string, words: readonly [T, ...T[]]): T {
  return chosen(name, text(name) ?? words[0], words);
}

/** @throws UsageError for any other word */
export function chosen<T extends string>(name: string, value: string, words: readonly T[]): T {
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  throw new UsageError({ found: JSON.stringify(value), expected: words.join(', '), where: `input ${name}` });
}

export function text(name: string): string | undefined {
  const value = core.getInput(name);
  return value === '' ? undefined : value;
}

/** Booleans as the YAML 1.2 core schema writes them, and no other spelling: a typo must not turn a gate off. */
export function boolean(name: string, absent: boolean, expected = 'true or false'): boolean {
  const value = text(name);
  if (value === undefined) return absent;
  if (/^(?:true|True|TRUE)$/u.test(value)) return true;
  if (/^(?:false|False|FALSE)$/u.test(value)) return false;
  throw new UsageError({ found: JSON.stringify(value), expected, where: `input ${name}` });
}
