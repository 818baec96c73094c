/**
 * One keep-alive connection of autocannon, taken over so that we say when it sends and what.
 *
 * autocannon has no schedule of its own that an open-loop test could use: it sends a rate as one burst a second. But it
 * calls `setupClient` with every client before it connects, and a client whose `_doRequest` is replaced waits for us.
 * This is the only file that knows autocannon's private parts. They hold for exactly 9.0.0; `test/load/connection.test.ts`
 * pins them, and `takeOver` fails clearly where one is missing.
 */

/** The private parts of an autocannon 9.0.0 client that we use. */
interface Client {
  on(event: 'connError', listener: (error: NodeJS.ErrnoException) => void): unknown;
  destroyed: boolean;
  conn?: unknown;
  /** http-parser-js; reports what it cannot parse by returning an Error, which autocannon ignores. */
  parser: {
    execute(chunk: Buffer): number | Error;
    reinitialize(type: string): void;
    finish(): unknown;
  };
  /** Requests sent and not answered: autocannon's queue keeps those of a lost connection, and so pairs answers wrongly. */
  pipelinedRequests: Exchange;
  /** Called when the connection may send: after connecting and after every answer. */
  _doRequest(): void;
  _connect(): void;
  _destroyConnection(): void;
  getRequestBuffer(): Buffer;
}

/** What autocannon asks of its queue of unanswered requests. */
interface Exchange {
  insertRequest(request: unknown): void;
  addByteCount(count: number): void;
  addBody(chunk: Buffer): void;
  setHeaders(head: { statusCode: number; shouldKeepAlive: boolean }): void;
  terminateRequest(): {
    req: undefined;
    bytes: number;
    body: string;
    duration: number;
    headers: { statusCode: number; headers: string[] };
  };
  clear(): void;
}

export interface Answer {
  status: number;
  body: Buffer;
  /** `performance.now()` when its last byte was read. */
  at: number;
}

export interface ConnectionEvents {
  /** The connection waits for `send`. */
  ready(connection: Connection): void;
  answered(connection: Connection, answer: Answer): void;
  /** The connection is made anew: a request in flight gets no answer. `reason` is a few words. */
  dropped(connection: Connection, reason: string): void;
}

export interface Connection {
  /** Send one HTTP request, head and body; only when ready. */
  send(message: Buffer): void;
  /** Drop the connection, with the request in flight, and connect again. */
  reset(): void;
}

/** Bytes of the largest answer worth reading. */
const largestAnswer = 16 * 1024 ** 2;
const firstBackoffMs = 50;
const longestBackoffMs = 1000;

/** Take over a client that autocannon hands to `setupClient`. */
export function takeOver(handed: unknown, events: ConnectionEvents): Connection {
  const client = checkedClient(handed);
  const doRequest = client._doRequest;
  const connect = client._connect;
  const execute = client.parser.execute;
  let message: Buffer | null = null; // in flight
  let chunks: Buffer[] = [];
  let size = 0;
  let status = 0;
  let keepAlive = true;
  let answer: Answer | null = null; // complete, not yet reported
  let unusable = ''; // why no answer will come over this connection
  let failures = 0; // reconnections since the last answer
  let reconnecting = false;

  const connection: Connection = {
    send(next) {
      message = next;
      doRequest.call(client);
    },
    reset: reconnect,
  };

  client.pipelinedRequests = {
    insertRequest() {
      chunks = [];
      size = 0;
      status = 0;
      keepAlive = true;
    },
    addByteCount() {},
    addBody(chunk) {
      size += chunk.length;
      if (size <= largestAnswer) chunks.push(chunk);
      else unusable = 'answer too large';
    },
    setHeaders(head) {
      status = head.statusCode;
      keepAlive = head.shouldKeepAlive;
    },
    terminateRequest() {
      if (message === null) unusable = 'answer without a request';
      else if (unusable === '' && status >= 200)
        answer = { status, body: Buffer.concat(chunks), at: performance.now() };
      chunks = [];
      return { req: undefined, bytes: size, body: '', duration: 0, headers: { statusCode: status, headers: [] } };
    },
    clear() {
      chunks = [];
    },
  };
  client.getRequestBuffer = () => message as Buffer;
  client.on('connError', (error) => {
    unusable = error.code ?? error.message;
  });

  client.parser.execute = (chunk) => {
    const parsed = execute.call(client.parser, chunk);
    if (parsed instanceof Error) unusable = 'not HTTP';
    if (unusable !== '') reconnect();
    return parsed;
  };

  client._doRequest = () => {
    tell();
    if (reconnecting || message !== null) return; // an interim (1xx) answer leaves the request in flight
    if (keepAlive && unusable === '') events.ready(connection);
    // Not at once: this is a callback of the parser, which a new connection starts afresh.
    else queueMicrotask(reconnect);
  };

  // Every way to a new connection ends here: the server closed the old one, it failed, or we gave it up.
  client._connect = () => {
    if (client.conn === undefined) connect.call(client);
    else reconnect();
  };

  return connection;

  function tell(): void {
    if (answer === null) return;
    const complete = answer;
    answer = null;
    message = null;
    failures = 0;
    events.answered(connection, complete);
  }

  function reconnect(): void {
    if (reconnecting || client.destroyed) return;
    reconnecting = true;
    client.parser.finish(); // a body that ends with its connection is complete only now
    client._destroyConnection();
    message = null;
    events.dropped(connection, unusable === '' ? 'connection closed' : unusable);
    // At once after an answer (a server that closes after each), then ever later: a dead server is not hammered.
    const delay = failures === 0 ? 0 : Math.min(longestBackoffMs, firstBackoffMs * 2 ** (failures - 1));
    failures += 1;
    setTimeout(() => {
      reconnecting = false;
      if (client.destroyed) return;
      unusable = '';
      keepAlive = true;
      client.parser.reinitialize('RESPONSE');
      connect.call(client);
    }, delay);
  }
}

/** The client, if it has the parts of autocannon 9.0.0 that we use. */
function checkedClient(handed: unknown): Client {
  const client = handed as Record<string, unknown>;
  const parser = (client['parser'] ?? {}) as Record<string, unknown>;
  const missing = [
    ...['on', '_doRequest', '_connect', '_destroyConnection', 'getRequestBuffer'].filter(
      (name) => typeof client[name] !== 'function',
    ),
    ...['execute', 'reinitialize', 'finish']
      .filter((name) => typeof parser[name] !== 'function')
      .map((name) => `parser.${name}`),
    ...(client['pipelinedRequests'] === undefined ? ['pipelinedRequests'] : []),
  ];
  if (missing.length > 0) {
    throw new Error(
      `autocannon is not 9.0.0: its client has no ${missing.join(', ')}; the pacing of requests relies on it`,
    );
  }
  return handed as Client;
}
