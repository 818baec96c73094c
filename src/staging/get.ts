import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

const bodyLimit = 1024 * 1024;

export interface Answered {
  status: number;
  body: string;
  contentType: string | null;
}

/**
 * One GET on a connection of its own. Redirects are answers, not followed; certificates are verified.
 * Not `fetch`: on Node 20 it never settles when the other side closes the connection at once, as the port of a container
 * does until its server listens.
 */
export function get(
  url: string,
  timeoutMs: number,
  signal?: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  return ask(url, undefined, timeoutMs, signal, headers);
}

/** The same of one POST of JSON. */
export function post(
  url: string,
  body: string,
  timeoutMs: number,
  signal?: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  const length = String(Buffer.byteLength(body));
  return ask(url, body, timeoutMs, signal, {
    'content-type': 'application/json',
    'content-length': length,
    ...headers,
  });
}

function ask(
  url: string,
  body: string | undefined,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  headers: Readonly<Record<string, string>>,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const method = body === undefined ? 'GET' : 'POST';
    const request = send(url, { method, agent: false, headers, ...(signal !== undefined && { signal }) });
    const timer = setTimeout(() => request.destroy(new Error('no answer in time')), timeoutMs);
    request.on('error', reject);
    request.on('close', () => clearTimeout(timer));
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > bodyLimit) response.destroy(new Error(`an answer of more than ${bodyLimit} bytes`));
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString(),
          contentType: response.headers['content-type'] ?? null,
        }),
      );
    });
    request.end(body);
  });
}
