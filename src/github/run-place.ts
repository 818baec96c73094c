import { readFile } from 'node:fs/promises';
import { isObject, jsonIn, objectOf } from '../json.ts';

/** Where in GitHub a workflow run stands: what its comments, checks and releases are about. */
export interface RunPlace {
  /** `owner/name`. */
  repository: string;
  apiUrl: string | undefined;
  run: { id: number; attempt: number; url: string };
  /** The commit a person looks at: of a pull request its head, not the merge that GitHub tries out. */
  headSha: string;
  pullRequest: { number: number; fork: boolean } | null;
}

/** Null outside a workflow. The event's payload is GitHub's word, but names and texts in it are anybody's. */
export async function runPlace(env: NodeJS.ProcessEnv): Promise<RunPlace | null> {
  const repository = env['GITHUB_REPOSITORY'] ?? '';
  const id = Number(env['GITHUB_RUN_ID'] ?? '');
  const sha = env['GITHUB_SHA'] ?? '';
  if (repository === '' || !Number.isSafeInteger(id) || id < 1 || sha === '') return null;
  const server = env['GITHUB_SERVER_URL'] ?? 'https://github.com';
  const pull = objectAt(await eventPayload(env), 'pull_request');
  const head = objectAt(pull, 'head');
  const number = pull?.['number'];
  const headSha = head?.['sha'];
  return {
    repository,
    apiUrl: env['GITHUB_API_URL'],
    run: {
      id,
      attempt: Number(env['GITHUB_RUN_ATTEMPT'] ?? '') || 1,
      url: `${server}/${repository}/actions/runs/${id}`,
    },
    headSha: typeof headSha === 'string' ? headSha : sha,
    pullRequest:
      typeof number === 'number' ? { number, fork: objectAt(head, 'repo')?.['full_name'] !== repository } : null,
  };
}

/**
 * What the change that started the run is made to, as git names it in a clone of actions/checkout; undefined for other events.
 * `pushed`: the branch was moved from there already, so that it must follow it.
 */
export async function baseOfEvent(env: NodeJS.ProcessEnv): Promise<{ base: string; pushed: boolean } | undefined> {
  const branch = env['GITHUB_BASE_REF'] ?? '';
  if (branch !== '') return { base: `refs/remotes/origin/${branch}`, pushed: false };
  const queued = objectAt(await eventPayload(env), 'merge_group')?.['base_sha'];
  if (typeof queued === 'string') return { base: queued, pushed: false };
  const before = (await pushedRange(env))?.before ?? null;
  return before === null ? undefined : { base: before, pushed: true };
}

/** The commits that a push moved a branch from (null: it is new) and to; null for other events. */
export async function pushedRange(env: NodeJS.ProcessEnv): Promise<{ before: string | null; after: string } | null> {
  const { before, after } = await eventPayload(env);
  if (env['GITHUB_EVENT_NAME'] !== 'push' || typeof before !== 'string' || typeof after !== 'string') return null;
  return { before: /^0+$/u.test(before) ? null : before, after };
}

/** What started the run (GITHUB_EVENT_PATH); empty where there is none. */
export async function eventPayload(env: NodeJS.ProcessEnv): Promise<Record<string, unknown>> {
  return objectOf(await readEvent(env));
}

/** Undefined where there is no file, or one that is not JSON. */
export async function readEvent(env: NodeJS.ProcessEnv): Promise<unknown> {
  const path = env['GITHUB_EVENT_PATH'] ?? '';
  if (path === '') return undefined;
  return jsonIn(await readFile(path, 'utf8').catch(() => ''));
}

export function objectAt(value: Record<string, unknown> | null, key: string): Record<string, unknown> | null {
  const found = value?.[key];
  return isObject(found) ? found : null;
}
