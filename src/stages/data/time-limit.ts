import { createContext, Script } from 'node:vm';

const sandbox = createContext({ work: undefined }) as { work: (() => void) | undefined };
const script = new Script('work()');

/**
 * Run synchronous work for at most `limit` milliseconds. The engine interrupts also a regular expression that is
 * running, which no timer of ours could. Not re-entrant.
 * @throws an error that `timedOut` recognises
 */
export function withTimeLimit<T>(limit: number, work: () => T): T {
  let result: T | undefined;
  sandbox.work = () => {
    result = work();
  };
  try {
    script.runInContext(sandbox, { timeout: limit });
  } finally {
    sandbox.work = undefined;
  }
  return result as T;
}

export function timedOut(cause: unknown): boolean {
  return (cause as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
}
