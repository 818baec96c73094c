import { TrafficError } from '../../errors.ts';
import { fetchWithin, NoAnswer } from '../fetch-within.ts';

interface Ask {
  method?: 'GET' | 'PUT';
  body?: object;
  token?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Ask a service within ten seconds. The token goes to this address alone. @throws TrafficError */
export async function ask(url: string, { method = 'GET', body, token, signal }: Ask = {}): Promise<Response> {
  const headers = {
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  const init = { method, headers, body: body === undefined ? null : JSON.stringify(body) };
  const response = await fetchWithin(10_000, url, init, signal).catch((cause: unknown) => {
    if (!(cause instanceof NoAnswer)) throw cause;
    throw new TrafficError({
      found: `it cannot be reached (${cause.message})`,
      expected: 'an answer within ten seconds',
      where: url,
      cause,
    });
  });
  if (response.ok) return response;
  const text = (await response.text().catch(() => '')).slice(0, 300);
  throw new TrafficError(
    { found: `${method} answers ${response.status}: ${text}`, where: url },
    response.status === 409,
  );
}

/** The same for JSON. @throws TrafficError */
export async function askJson(url: string, options: Ask = {}): Promise<unknown> {
  const response = await ask(url, options);
  try {
    return await response.json();
  } catch (cause) {
    throw new TrafficError({ found: 'the answer is not JSON', where: url, cause });
  }
}

/** The token in a variable of the environment. @throws TrafficError where it is not set */
export function tokenOf(variable: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  if (variable === undefined) return undefined;
  const token = env[variable];
  if (token !== undefined && token !== '') return token;
  throw new TrafficError({
    found: `the variable ${variable} is not set`,
    expected: 'the token that may set the weight',
    where: 'rollout',
    remedy: `Set ${variable} in the environment of this step`,
  });
}
