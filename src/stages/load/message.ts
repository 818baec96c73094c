import { gzipSync } from 'node:zlib';

/**
 * The bytes of one POST of JSON over HTTP/1.1, head and body. Headers of the caller come in place of ours.
 * @param gzip pack the body, and let the answer come packed
 */
export function postMessage(
  url: URL,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
  gzip = false,
): Buffer {
  const content = gzip ? gzipSync(body) : Buffer.from(body as string);
  const own = Object.keys(headers).map((name) => name.toLowerCase());
  const ours = Object.entries({
    Connection: 'keep-alive',
    'Content-Type': 'application/json',
    Accept: 'application/json',
    'Content-Length': String(content.length),
    ...(gzip ? { 'Content-Encoding': 'gzip', 'Accept-Encoding': 'gzip' } : {}),
  }).filter(([name]) => !own.includes(name.toLowerCase()));
  const lines = [['Host', url.host], ...ours, ...Object.entries(headers)].map(([name, value]) => `${name}: ${value}`);
  return Buffer.concat([
    Buffer.from(`POST ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`),
    content,
  ]);
}
