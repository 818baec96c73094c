import { STATUS_CODES, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Answer } from './http.ts';

/*
 * A short way for the requests that make up the load of a model server. Node's HTTP server and a framework cost more than a small model does,
 * so a connection is first read here, and a request that is whole, small and of the plainest form is answered at once. There is no HTTP
 * parser here: with the first byte that is not of that form the connection, and all that was not answered, goes to Node's server for good.
 * What is ambiguous, malformed, slow or only unusual is thus read and timed by Node alone.
 */

/** Longest head and body; the pattern of a length below has as many digits. */
const mostHead = 8 * 1024;
const mostLengthDigits = 5;

export interface SimpleRequests {
  /** Close the connections over which nothing is asked. */
  endIdle(): void;
  /** Close all, whatever is under way. */
  destroy(): void;
}

export interface Service {
  /** Targets of POST that are answered here. */
  targets: readonly string[];
  /** How long a body may take to arrive before the connection goes to Node, whose time-outs hold for it. */
  patienceMs: number;
  isDraining(): boolean;
  /** Take a place in the queue. @returns what gives it back, with the status of the answer if there was one */
  enter(): ((status?: number) => void) | undefined;
  /** The answer where there is no place. */
  full(): Answer & { status: number };
  /** @param accepted `Accept-Encoding`; never rejects */
  answer(body: Buffer, accepted: string | undefined): Promise<Answer & { status: number }>;
}

/** Answer simple requests before Node's server sees them. @param server not yet listening */
export function answerSimpleRequests(server: Server, service: Service): SimpleRequests {
  const starts = service.targets.map((target) => `POST ${target} HTTP/1.1\r\n`);
  const toNode = server.listeners('connection');
  const open = new Map<Socket, () => void>();
  let due: (() => void)[] = [];
  server.removeAllListeners('connection').on('connection', connected);
  return {
    endIdle() {
      for (const endIdle of open.values()) endIdle();
    },
    destroy() {
      for (const socket of open.keys()) socket.destroy();
    },
  };

  /** Answers of one turn of the event loop go out together: each by itself would wake a client on this machine, which costs as much as a run. */
  function soon(send: () => void): void {
    if (due.length === 0) setImmediate(sendDue);
    due.push(send);
  }

  function sendDue(): void {
    const sends = due;
    due = [];
    for (const send of sends) send();
  }

  function connected(socket: Socket): void {
    /** Bytes of which no request was answered yet. */
    let held: Buffer = nothing;
    let head: Head | undefined;
    let leave: ReturnType<Service['enter']>;
    let busy = false;
    let sent: number | undefined;
    let ended = false;
    let timer: NodeJS.Timeout | undefined = setTimeout(handOver, service.patienceMs);
    const listeners = { data, end, close, timeout, error() {} };
    for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener);
    socket.setTimeout(server.keepAliveTimeout);
    open.set(socket, endIdle);

    function data(chunk: Buffer): void {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      if (busy) socket.pause();
      else next();
    }

    /** Answer the first request that is held, if it is whole. */
    function next(): void {
      if (held.length === 0) {
        wait();
        return;
      }
      head ??= readHead(held, starts);
      if (head === undefined) return handOver();
      leave ??= service.enter();
      if (held.length < head.end) {
        if (ended || leave === undefined) return handOver();
        timer ??= setTimeout(handOver, service.patienceMs);
        return wait();
      }
      clearTimeout(timer);
      timer = undefined;
      busy = true;
      const { start, end, accepted } = head;
      const body = held.subarray(start, end);
      held = held.length === end ? nothing : held.subarray(end);
      head = undefined;
      if (leave === undefined) answered(service.full());
      else void service.answer(body, accepted).then(answered);
    }

    function wait(): void {
      if (ended) socket.destroySoon();
      else if (socket.isPaused()) socket.resume();
    }

    function answered(answer: Answer & { status: number }): void {
      soon(() => {
        if (socket.destroyed) return;
        sent = answer.status;
        const last = service.isDraining() || (ended && held.length === 0);
        write(
          socket,
          answer,
          last ? 'close' : `keep-alive\r\nKeep-Alive: timeout=${server.keepAliveTimeout / 1000}`,
          (error) => {
            if (error instanceof Error) return; // its close tells
            leave?.(sent);
            leave = sent = undefined;
            busy = false;
            if (last) socket.destroySoon();
            else next();
          },
        );
      });
    }

    function handOver(): void {
      if (socket.destroyed) return; // its close follows
      clearTimeout(timer);
      open.delete(socket);
      leave?.();
      socket.setTimeout(0);
      for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener);
      for (const take of toNode) take.call(server, socket);
      if (held.length > 0) socket.emit('data', held);
      if (ended) socket.emit('end');
      else socket.resume();
    }

    function end(): void {
      ended = true;
      if (!busy) next();
    }

    function close(): void {
      clearTimeout(timer);
      open.delete(socket);
      leave?.(sent ?? 499);
    }

    /** Nothing came or went for long: nobody asks, or nobody reads the answer. */
    function timeout(): void {
      if (!busy || sent !== undefined) socket.destroy();
    }

    function endIdle(): void {
      if (busy) return;
      if (held.length === 0) socket.destroySoon();
      else handOver();
    }
  }
}

const nothing = Buffer.alloc(0);

interface Head {
  /** Where the body starts and ends. */
  start: number;
  end: number;
  accepted: string | undefined;
}

const field = /([a-z-]+): ([\x20-\x7e]+)\r\n/iy;
const bodyLength = new RegExp(`^[1-9]\\d{0,${mostLengthDigits - 1}}$`, 'u');
const mediaType = /^[a-z]+\/[a-z0-9.+-]+(?:; ?charset=[a-z0-9-]+)?$/iu;
/** Fields that change no answer. */
const harmless =
  /^(?:accept|accept-language|authorization|traceparent|tracestate|sec-fetch-[a-z]+|user-agent|x-[a-z-]+)$/u;

/** The head of a request of the plain form, else undefined. */
function readHead(bytes: Buffer, starts: readonly string[]): Head | undefined {
  const length = bytes.indexOf('\r\n\r\n') + 2;
  if (length < 2 || length > mostHead) return undefined;
  const text = bytes.toString('latin1', 0, length);
  field.lastIndex = starts.find((each) => text.startsWith(each))?.length ?? length;
  let [hosts, size, accepted] = [0, 0, undefined as string | undefined];
  while (field.lastIndex < length) {
    const found = field.exec(text);
    if (found === null) return undefined;
    const [, name, value] = found as unknown as [string, string, string];
    switch (name.toLowerCase()) {
      case 'host':
        hosts += 1;
        break;
      case 'content-length':
        if (size > 0 || !bodyLength.test(value)) return undefined;
        size = Number(value);
        break;
      case 'content-type':
        if (!mediaType.test(value)) return undefined;
        break;
      case 'connection':
        if (value.toLowerCase() !== 'keep-alive') return undefined;
        break;
      case 'accept-encoding':
        if (accepted !== undefined) return undefined;
        accepted = value;
        break;
      default:
        if (!harmless.test(name.toLowerCase())) return undefined;
    }
  }
  if (hosts !== 1 || size === 0) return undefined;
  return { start: length + 2, end: length + 2 + size, accepted };
}

function write(
  socket: Socket,
  { status, headers, body }: Answer & { status: number },
  connection: string,
  done: (error?: Error | null) => void,
): void {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`;
  for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
  head += `content-length: ${Buffer.byteLength(body)}\r\nDate: ${date()}\r\nConnection: ${connection}\r\n\r\n`;
  if (typeof body === 'string') {
    socket.write(head + body, done);
    return;
  }
  socket.cork();
  socket.write(head);
  socket.write(body, done);
  socket.uncork();
}

let second = 0;
let dateText = '';

function date(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) [second, dateText] = [now, new Date(now * 1000).toUTCString()];
  return dateText;
}
