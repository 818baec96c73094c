import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

const bodyLimit = 1024 * 1024;

/**
 * One GET on a connection of its own. Redirects are answers, not followed; certificates are verified.
 * Not `fetch`: on Node 20 it never settles when the other side closes the connection at once, as the port of a container
 * does until its server listens.
 */
export function get(url: string, timeoutMs: number, signal?: AbortSignal): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const request = send(url, { agent: false, ...(signal !== undefined && { signal }) });
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
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    request.end();
  });
}
