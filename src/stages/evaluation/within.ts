import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';

export interface Limits {
  signal?: AbortSignal | undefined;
  /** Default: two minutes. */
  timeLimitMs?: number;
}

const defaultLimitMs = 120_000;

/**
 * The rows of a query with SQL that a person wrote, interrupted when it takes too long or the run is stopped.
 * @param refusal makes an error of what went wrong, such as "took longer than 120 s"
 * @throws that error, or the reason of the abort
 */
export async function within(
  connection: DuckDBConnection,
  query: string,
  { signal, timeLimitMs = defaultLimitMs }: Limits,
  refusal: (found: string, cause: unknown) => Error,
): Promise<DuckDBValue[][]> {
  signal?.throwIfAborted();
  let late = false;
  const interrupt = (): void => connection.interrupt();
  const timer = setTimeout(() => {
    late = true;
    interrupt();
  }, timeLimitMs);
  signal?.addEventListener('abort', interrupt, { once: true });
  try {
    return (await connection.runAndReadAll(query)).getRows();
  } catch (cause) {
    signal?.throwIfAborted();
    const text = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    throw refusal(late ? `took longer than ${timeLimitMs / 1000} s` : `cannot be computed: ${text}`, cause);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', interrupt);
  }
}
