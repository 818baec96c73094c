import { TrafficError } from '../../errors.ts';

interface Ask {
  method?: 'GET' | 'PUT';
  body?: object;
  token?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Ask a service within ten seconds. The token goes to this address alone. @throws TrafficError */
export async function ask(url: string, { method = 'GET', body, token, signal }: Ask = {}): Promise<Response> {
  try {
    const response = await fetch(url, {
      method,
      redirect: 'error',
      signal: AbortSignal.any([AbortSignal.timeout(10_000), ...(signal === undefined ? [] : [signal])]),
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (response.ok) return response;
    const text = (await response.text()).slice(0, 300);
    throw new TrafficError(
      { found: `${method} answers ${response.status}: ${text}`, where: url },
      response.status === 409,
    );
  } catch (cause) {
    if (cause instanceof TrafficError) throw cause;
    const { cause: below, message } = cause as Error & { cause?: { code?: string } };
    throw new TrafficError({
      found: `it cannot be reached (${below?.code ?? message})`,
      expected: 'an answer within ten seconds',
      where: url,
      cause,
    });
  }
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
