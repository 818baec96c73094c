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
    /** Length of the body of the answer under way; null: up to the end of the connection. */
    body_bytes: number | null;
    isChunked: boolean;
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
  setHeaders(head: { statusCode: number; shouldKeepAlive: boolean; headers: string[] }): void;
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
  /** Type of the body, as its header says; empty: it says none. */
  contentType: string;
  /** How the body is packed, as its header says; empty: it is not. */
  coding: string;
  /** Where a redirect leads; empty: nowhere. */
  location: string;
  /** `performance.now()` when its last byte was read. */
  at: number;
}

export interface ConnectionEvents {
  /** The connection waits for `send`, open or not. */
  ready(connection: Connection): void;
  answered(connection: Connection, answer: Answer): void;
  /**
   * The connection is closed: a request in flight gets no answer. `reason` is a few words. `unheard`: it had been used before, and
   * closed before a byte of an answer came, as happens when a server closes an idle connection while a request is on its way.
   */
  dropped(connection: Connection, reason: string, unheard: Unheard | null): void;
}

/** A request whose connection closed before a byte of its answer came. */
export interface Unheard {
  /** How long the connection had been idle when the request was sent, in milliseconds. */
  idleMs: number;
  /** Answers that had come over it. */
  answers: number;
}

/** Opened by the first request that it sends, and again by the next after it was closed. */
export interface Connection {
  readonly isOpen: boolean;
  /** That have come since it was opened. */
  readonly answers: number;
  /** Send one HTTP request, head and body; only when ready. */
  send(message: Buffer): void;
  /** Close the connection, with the request in flight. */
  close(): void;
}

/** Bytes of the largest answer worth reading. */
export const largestAnswer = 16 * 1024 ** 2;

/** Take over a client that autocannon hands to `setupClient`. */
export function takeOver(handed: unknown, events: ConnectionEvents): Connection {
  const client = checkedClient(handed);
  const doRequest = client._doRequest;
  const connect = client._connect;
  const destroyConnection = client._destroyConnection;
  const execute = client.parser.execute;
  let isOpen = false;
  let message: Buffer | null = null; // in flight
  let sent = false; // the message in flight was written
  let answers = 0; // over this connection
  let answeredAt = 0;
  let writtenAt = 0;
  let heard = false; // bytes came since the message was written
  let chunks: Buffer[] = [];
  let size = 0;
  let status = 0;
  let headers: readonly string[] = [];
  let keepAlive = true;
  let answer: Answer | null = null; // complete, not yet reported
  let unusable = ''; // why no answer will come over this connection

  const connection: Connection = {
    get isOpen() {
      return isOpen;
    },
    get answers() {
      return answers;
    },
    send(next) {
      message = next;
      sent = false;
      if (isOpen) return write();
      isOpen = true;
      unusable = '';
      keepAlive = true;
      answers = 0;
      client.parser.reinitialize('RESPONSE');
      connect.call(client); // calls _doRequest, and writes what the socket holds until it is connected
    },
    close,
  };

  client.pipelinedRequests = {
    insertRequest() {
      chunks = [];
      size = 0;
      status = 0;
      headers = [];
      keepAlive = true;
    },
    addByteCount() {
      heard = true;
    },
    addBody(chunk) {
      size += chunk.length;
      if (size <= largestAnswer) chunks.push(chunk);
      else unusable = 'answer too large';
    },
    setHeaders(head) {
      status = head.statusCode;
      keepAlive = head.shouldKeepAlive;
      headers = head.headers;
      // Whatever length they state: these have no body (RFC 9112, 6.3), and the parser would wait for one until the time-out.
      if (status < 200 || status === 204 || status === 304) {
        client.parser.body_bytes = 0;
        client.parser.isChunked = false;
      }
    },
    terminateRequest() {
      if (message === null) unusable = 'answer without a request';
      else if (unusable === '' && status >= 200) {
        const at = performance.now();
        const [contentType, location] = [header(headers, 'content-type'), header(headers, 'location')];
        const coding = header(headers, 'content-encoding');
        answer = { status, body: Buffer.concat(chunks), contentType, coding, location, at };
      }
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
    if (unusable !== '') close();
    return parsed;
  };

  client._doRequest = () => {
    if (message !== null && !sent) return write(); // just connected
    tell();
    if (message !== null) return; // an interim (1xx) answer leaves the request in flight
    if (keepAlive && unusable === '') events.ready(connection);
    // Not at once: this is a callback of the parser, which a new connection starts afresh.
    else queueMicrotask(close);
  };

  // autocannon connects on construction, and whenever a server closed the connection or it failed: each is for us to say.
  client._connect = () => {
    if (client.conn === undefined) events.ready(connection);
    else close();
  };
  client._destroyConnection = () => {
    if (client.conn !== undefined) destroyConnection.call(client);
  };

  return connection;

  function write(): void {
    sent = true;
    heard = false;
    writtenAt = performance.now();
    doRequest.call(client);
  }

  function tell(): void {
    if (answer === null) return;
    const complete = answer;
    answer = null;
    message = null;
    answers += 1;
    answeredAt = complete.at;
    events.answered(connection, complete);
  }

  function close(): void {
    if (!isOpen || client.destroyed) return;
    client.parser.finish(); // a body that ends with its connection is complete only now
    if (!isOpen) return; // closed by whoever was told of that answer
    isOpen = false;
    client._destroyConnection();
    const unheard = message !== null && sent && !heard && answers > 0 && unusable !== 'answer without a request';
    message = null;
    const reason = unusable === '' ? 'connection closed' : unusable;
    events.dropped(connection, reason, unheard ? { idleMs: writtenAt - answeredAt, answers } : null);
    events.ready(connection);
  }
}

/** The value of a header, of names and values in turn. */
function header(headers: readonly string[], name: string): string {
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const found = headers[index] as string;
    // The length first: this is asked of every header of every answer.
    if (found.length === name.length && found.toLowerCase() === name) return headers[index + 1] as string;
  }
  return '';
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
