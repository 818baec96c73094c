import { StagingError } from '../errors.ts';
import { inferPath, readyPath } from '../protocol/index.ts';
import { askHealth, askMetadata, untilHealthy } from './health.ts';
import type { StagingTarget } from './target.ts';

/** Use a server that somebody else runs. Its certificate is verified; nothing is started or stopped. */
export async function useUrl(input: {
  url: string;
  health: string | undefined;
  modelName: string;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}): Promise<StagingTarget> {
  const { origin, prefix } = parts(input.url);
  const base = origin + prefix;
  const health = new URL(input.health ?? prefix + readyPath, origin).href;
  await untilHealthy({
    what: `The server at ${base}`,
    url: health,
    timeoutMs: input.timeoutMs,
    signal: input.signal,
    external: true,
    ended: () => Promise.resolve(null),
    logs: () => Promise.resolve(''),
  });
  return {
    kind: 'url',
    url: origin,
    inferPath: prefix + inferPath(input.modelName),
    metadata: await askMetadata(base, input.modelName, input.signal),
    async observe() {
      const answer = await askHealth(health, 5_000);
      const alive = answer === '200';
      return { memoryBytes: null, cpuPercent: null, alive, ...(!alive && { exit: `health: ${answer}` }) };
    },
    logs: () => Promise.resolve(''),
    stop: () => Promise.resolve(),
  };
}

/** Origin and path prefix. The messages never repeat a URL that may hold a secret. */
function parts(text: string): { origin: string; prefix: string } {
  if (!URL.canParse(text)) throw new StagingError({ found: 'staging.url is not a URL', expected: 'https://host/path' });
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.search !== '') {
    throw new StagingError({
      found: `staging.url for ${url.host} holds credentials or a query`,
      expected: 'scheme, host and path only',
      remedy: 'A URL is printed in logs and evidence; let the network or a proxy authenticate the runner',
    });
  }
  return { origin: url.origin, prefix: url.pathname.replace(/\/+$/u, '') };
}
