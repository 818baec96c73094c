import type { RefChange } from './bare-repository.ts';
import { ApiError, type Protection, type RepositoryState, type Token } from './state.ts';

/** The commit or object a ref is at; null when there is none. `stale`: what it was at before it last moved. */
export async function refAt(repository: RepositoryState, ref: string, stale = false): Promise<string | null> {
  if (stale && repository.before.has(ref)) return repository.before.get(ref) ?? null;
  if (!ref.startsWith('refs/')) return null;
  return (await repository.git.read(ref))?.oid ?? null;
}

/** The protection that forbids this token to move a ref itself. */
export function forbidding(repository: RepositoryState, ref: string, token: Token): Protection | undefined {
  return repository.protections.find(
    (each) => matches(each.ref, ref) && !each.bypass.includes(token.login) && each.violations.length > 0,
  );
}

/** All changes or none, one caller at a time. @returns false when a ref is not where it must be */
export function moveRefs(repository: RepositoryState, changes: readonly RefChange[]): Promise<boolean> {
  return exclusively(repository, () => moveRefsNow(repository, changes));
}

/** Run what reads refs and then moves them, one at a time. */
export function exclusively<T>(repository: RepositoryState, work: () => Promise<T>): Promise<T> {
  const result = repository.queue.then(work, work);
  repository.queue = result.catch(() => undefined);
  return result;
}

/** The same as `moveRefs`, for who has the repository exclusively. */
export async function moveRefsNow(repository: RepositoryState, changes: readonly RefChange[]): Promise<boolean> {
  const before = await Promise.all(changes.map(({ ref }) => refAt(repository, ref)));
  if (changes.some((each, index) => each.before !== undefined && each.before !== before[index])) return false;
  const moved = await repository.git.updateRefs(
    changes.map((each, index) => ({ ...each, before: each.before ?? before[index] ?? null })),
  );
  if (moved) {
    repository.lastMove = changes.map(({ ref }, index) => ({ ref, before: before[index] ?? null }));
    for (const { ref, before: old } of repository.lastMove) repository.before.set(ref, old);
  }
  return moved;
}

/** As GitHub words it, by kind of rule and by the call that ran into it. */
export function ruleRefusal(protection: Protection, ref: string, call: 'refs' | 'graphql' | 'contents'): ApiError {
  const list = protection.violations.join('\n');
  if (protection.kind === 'ruleset') {
    const message = `Repository rule violations found\n\n${list}\n\n`;
    return new ApiError(call === 'contents' ? 409 : 422, message, {}, 'UNPROCESSABLE');
  }
  const branch = ref.replace(/^refs\/heads\//u, '');
  if (call === 'graphql') {
    return new ApiError(
      422,
      `protected branch '${branch}' check failed:\n  ${list}`,
      {},
      'BRANCH_PROTECTION_RULE_VIOLATION',
    );
  }
  return call === 'contents' ? new ApiError(409, list) : new ApiError(422, 'Reference update failed');
}

export function matches(pattern: string, ref: string): boolean {
  const expression = pattern.replace(/[.+^${}()|[\]\\]/gu, String.raw`\$&`).replace(/\*/gu, '.*');
  return new RegExp(`^${expression}$`, 'u').test(ref);
}

/** Names git takes for a ref (git-check-ref-format). */
export function isRefName(ref: string): boolean {
  // eslint-disable-next-line no-control-regex
  return (
    // eslint-disable-next-line no-control-regex
    /^refs\/[^/]+\/.+/u.test(ref) && !/[\u0000- ~^:?*[\\\u007f]|\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)|[/.]$/u.test(ref)
  );
}
