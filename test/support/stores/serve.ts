import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Run `work` beside a server of this machine, by a name of it and another: to a client two hosts. */
export async function withServer<T>(
  answer: (
    request: IncomingMessage,
    response: ServerResponse,
    sites: [site: string, other: string],
  ) => void | Promise<void>,
  work: (sites: [site: string, other: string]) => Promise<T>,
): Promise<T> {
  let sites: [string, string] = ['', ''];
  const server = createServer((request, response) => void answer(request, response, sites));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  sites = [`http://127.0.0.1:${port}`, `http://localhost:${port}`];
  try {
    return await work(sites);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}
