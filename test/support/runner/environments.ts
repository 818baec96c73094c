import type { RepositoryState, WorkflowRun } from '../github-api/state.ts';
import { evaluateToken, type Scope, type Value } from './expressions.ts';
import { matchesFilter } from './globs.ts';

/** The environment that a job names; null: none. @throws Error for what is not done here */
export function environmentOf(token: Parameters<typeof evaluateToken>[0], scope: Scope): string | null {
  const value = evaluateToken(token, scope);
  if (value === null || typeof value === 'string') return value === '' ? null : value;
  const { name, url: _shown, ...others } = value as Record<string, Value>;
  if (typeof name !== 'string' || Object.keys(others).length > 0)
    throw new Error('environment: is of a kind not run here');
  return name;
}

/**
 * Let a job of a run into an environment: at once, or when a reviewer has approved it through the API ("Deployments and environments",
 * GitHub docs). Gives what stands in its way; null: nothing.
 */
export async function admitted(
  repository: RepositoryState,
  run: WorkflowRun,
  { name, ref, signal }: { name: string; ref: string; signal: AbortSignal },
): Promise<string | null> {
  const environment = repository.environments.get(name);
  // One that nobody has made is made by the first job that names it, and takes all.
  if (environment === undefined) return null;
  const branch = ref.replace(/^refs\/heads\//u, '');
  if (environment.branches !== null && (branch === ref || !matchesFilter(environment.branches, branch))) {
    return `Branch "${branch}" is not allowed to deploy to ${name} due to environment protection rules.`;
  }
  if (environment.reviewers.length === 0) return null;
  const approved = await new Promise<boolean>((decide) => {
    const waiting = { run: run.id, environment, decide: end };
    run.status = 'waiting';
    repository.waiting.add(waiting);
    signal.addEventListener('abort', withdraw, { once: true });
    if (signal.aborted) withdraw();

    function withdraw(): void {
      end(false);
    }
    function end(answer: boolean): void {
      signal.removeEventListener('abort', withdraw);
      repository.waiting.delete(waiting);
      if (![...repository.waiting].some((other) => other.run === run.id)) run.status = 'in_progress';
      decide(answer);
    }
  });
  return approved ? null : `The deployment to ${name} was rejected.`;
}
