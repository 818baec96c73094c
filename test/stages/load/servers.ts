import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createRawServer, type Socket } from 'node:net';
import type { AddressInfo, Server } from 'node:net';

/** A real server on the loopback interface. */
export interface RunningServer {
  url: string;
  port: number;
  stop(): Promise<void>;
}

/** An HTTP server whose answer to each request is for `answer` to say. */
export function httpServer(
  answer: (body: string, response: ServerResponse, request: IncomingMessage) => void,
): Promise<RunningServer> {
  const server = createHttpServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => answer(Buffer.concat(chunks).toString('utf8'), response, request));
  });
  return listening(server, () => server.closeAllConnections());
}

/** A TCP server: what it answers need not be HTTP. */
export function rawServer(connected: (socket: Socket) => void): Promise<RunningServer> {
  const sockets = new Set<Socket>();
  const server = createRawServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    connected(socket);
  });
  return listening(server, () => sockets.forEach((socket) => socket.destroy()));
}

async function listening(server: Server, closeConnections: () => void): Promise<RunningServer> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        closeConnections();
      }),
  };
}
