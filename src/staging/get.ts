import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { gzipSync } from 'node:zlib';
import { shownAddress } from '../object-address.ts';
import { unpacked } from './content-coding.ts';
import type { Service } from './service.ts';

const bodyLimit = 1024 * 1024;

/** What goes with each request. */
export interface Manner {
  headers?: Readonly<Record<string, string>>;
  /** Send the body packed, and let the answer come packed. */
  gzip?: boolean;
  tls?: Service['tls'];
}

export interface Answered {
  status: number;
  body: string;
  contentType: string | null;
  /** Where a redirect leads; null: nowhere. */
  location: string | null;
}

/** Where a redirect leads, as a part of a sentence; what follows the path may be a secret. Empty: nowhere. */
export function ledTo(location: string | null): string {
  if (location === null || location === '') return '';
  return ` to ${shownAddress(location.replace(/[?#].*$/su, '')).slice(0, 200)}, which is not followed`;
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
  { headers, tls }: Manner = {},
): Promise<Answered> {
  return ask(url, undefined, timeoutMs, signal, { headers: { ...headers }, tls });
}

/** The same of one POST of JSON. */
export function post(
  url: string,
  body: string,
  timeoutMs: number,
  signal?: AbortSignal,
  { headers, gzip = false, tls }: Manner = {},
): Promise<Answered> {
  const content = gzip ? gzipSync(body) : Buffer.from(body);
  const own = {
    'content-type': 'application/json',
    'content-length': String(content.length),
    ...(gzip ? { 'content-encoding': 'gzip', 'accept-encoding': 'gzip' } : {}),
  };
  return ask(url, content, timeoutMs, signal, { headers: { ...own, ...headers }, tls });
}

function ask(
  url: string,
  body: Buffer | undefined,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  { headers, tls }: { headers: Record<string, string>; tls: Service['tls'] },
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const method = body === undefined ? 'GET' : 'POST';
    const request = send(url, { method, agent: false, headers, ...tls, signal });
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
      response.on('end', () => {
        try {
          const content = unpacked(Buffer.concat(chunks), response.headers['content-encoding'] ?? '', bodyLimit);
          const { 'content-type': contentType = null, location = null } = response.headers;
          resolve({ status: response.statusCode ?? 0, body: content.toString(), contentType, location });
        } catch (error) {
          reject(error);
        }
      });
    });
    request.end(body);
  });
}
