import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { ModelError, StagingError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LocalArtifact, Opened } from '../model/artifact.ts';
import { RequestError, type ModelMetadata } from '../protocol/index.ts';
import { batched, type BatchSettings } from './batching.ts';
import {
  baseUrl,
  commonEndpoints,
  inferenceOf,
  parsed,
  readJsonBodies,
  refuse,
  serverLimits,
  type Answer,
} from './http.ts';
import { metricsText, serverMetrics, type Counts } from './metrics.ts';
import { openServedModel, type ServedModel } from './served-model.ts';
import { answerSimpleRequests, type SimpleRequests } from './simple-requests.ts';

/** How long answers under way may take once the server is told to stop. */
const drainMs = 10_000;

export interface ServerSettings {
  /** Digest of the bytes to serve: others are refused before the port is opened. */
  sha256?: string | undefined;
  /** Requests that are being answered or wait, at once; more are refused with 429. */
  queue?: number;
  /** Answer requests together that come at about the same time. */
  batch?: BatchSettings | undefined;
  /** How long a request may take to arrive: a client that sends a byte now and then holds no connection for ever. */
  arrivalMs?: number;
  /** How long it still serves, and tells that it is not ready, once it is told to stop: balancers send to it until they have heard. */
  drainDelayMs?: number;
  /** What `/metrics` tells, where this server is one of several: the counts of all. */
  countsOfAll?: (() => Promise<Counts>) | undefined;
}

export const queueByDefault = 512;

export interface RunningServer {
  /** Base URL, such as `http://127.0.0.1:8080`. */
  url: string;
  /** The bytes that are served. */
  opened: Opened;
  counts(): Promise<Counts>;
  /** Finish the answers under way, refuse new ones, and let the model go. */
  close(): Promise<void>;
}

/**
 * Serve a model over HTTP as the Open Inference Protocol v2 says. The model is loaded and has answered once before the
 * port is opened, so a server that answers is ready.
 * @throws ModelError when the model cannot be loaded or is not the one asked for, StagingError when the address cannot be listened on.
 */
export async function startServer(input: {
  artifact: Pick<LocalArtifact, 'path'>;
  modelName: string;
  port: number;
  host: string;
  log: Log;
  settings?: ServerSettings;
}): Promise<RunningServer> {
  const { artifact, modelName, port, host, log, settings = {} } = input;
  const model = await openServedModel(artifact.path);
  const state = { draining: false };
  const { app, counts, simple } = await createApp(modelName, model, settings, state, log);
  try {
    requireBytes(model.opened, settings.sha256);
    await app.listen({ port, host });
  } catch (error) {
    await model.close();
    throw listenFault(error, host, port);
  }
  let closed: Promise<void> | undefined;
  return {
    url: baseUrl(app, host),
    opened: model.opened,
    counts: () => Promise.resolve(counts()),
    close: () => (closed ??= drain(app, simple, model, state, settings.drainDelayMs ?? 0)),
  };
}

async function createApp(
  name: string,
  model: ServedModel,
  { queue = queueByDefault, batch, arrivalMs = 10_000, countsOfAll }: ServerSettings,
  state: { readonly draining: boolean },
  log: Log,
): Promise<{ app: FastifyInstance; counts: () => Counts; simple: SimpleRequests }> {
  const { default: fastify } = await import('fastify');
  const app = fastify(serverLimits(arrivalMs));
  const metrics = serverMetrics();
  let inFlight = 0;
  const counts = (): Counts => metrics.counts({ inFlight, limit: queue });
  const ran = (requests: number, rows: number): void => metrics.ran(requests, rows);
  const infer: ServedModel['infer'] =
    batch === undefined
      ? (inputs) => {
          ran(1, inputs[0]?.shape[0] ?? 0);
          return model.infer(inputs);
        }
      : batched(model, batch, ran);
  const metadata: ModelMetadata = { name, platform: 'onnxruntime_onnx', inputs: model.inputs, outputs: model.outputs };

  readJsonBodies(app);
  commonEndpoints(app);
  app.get('/v2/health/ready', (_request, reply) =>
    reply.code(state.draining ? 503 : 200).send({ ready: !state.draining }),
  );
  app.get('/metrics', async (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(metricsText((await countsOfAll?.()) ?? counts())),
  );
  for (const base of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    app.get<Params>(base, (request, reply) => (served(request.params, reply) ? metadata : undefined));
    app.get<Params>(`${base}/ready`, (request, reply) =>
      served(request.params, reply) ? { name, ready: true } : undefined,
    );
    // Before its body is read: what cannot be answered in time costs nothing.
    const onRequest = (_request: unknown, reply: FastifyReply, done: () => void): void => {
      const leave = enter();
      if (leave === undefined) {
        const { status, headers, body } = full();
        reply.code(status).headers(headers).send(body);
        return;
      }
      if (state.draining) reply.header('connection', 'close'); // so that nobody asks over it just when it is closed
      reply.raw.on('close', () => leave(reply.raw.headersSent ? reply.statusCode : 499));
      done();
    };
    app.post<Params>(`${base}/infer`, { onRequest }, async (request, reply) => {
      if (!served(request.params, reply)) return reply;
      const { headers, body } = await answerTo(request.body, request.headers['accept-encoding']);
      return reply.headers(headers).send(body);
    });
  }

  app.setErrorHandler((error, _request, reply) => {
    const { status, headers, body } = refusalOf(error);
    return reply.code(status).headers(headers).send(body);
  });
  const simple = answerSimpleRequests(app.server, {
    targets: ['', '/versions/1'].map((version) => `/v2/models/${encodeURIComponent(name)}${version}/infer`),
    patienceMs: Math.min(1000, arrivalMs / 4),
    isDraining: () => state.draining,
    enter,
    full,
    answer: async (body, accepted) => {
      try {
        return { status: 200, ...(await answerTo(parsed(body), accepted)) };
      } catch (error) {
        return refusalOf(error);
      }
    },
  });
  return { app, counts, simple };

  /** Take a place in the queue. @returns what gives it back, with the status that was answered, if one was; undefined: there is no place */
  function enter(): ((status?: number) => void) | undefined {
    if (inFlight >= queue) return undefined;
    inFlight += 1;
    const started = performance.now();
    return (status) => {
      inFlight -= 1;
      if (status !== undefined) metrics.answered(status, (performance.now() - started) / 1000);
    };
  }

  function full(): Refusal {
    metrics.answered(429, 0);
    const refused = refusal(429, `${queue} requests are being answered: try again later`);
    return { ...refused, headers: { 'retry-after': '1', ...refused.headers } };
  }

  async function answerTo(body: unknown, accepted: string | string[] | undefined): Promise<Answer> {
    return (await inferenceOf({ name, model: { ...model, infer } }, body, accepted)).answer;
  }

  function refusalOf(error: unknown): Refusal {
    const { message, statusCode } = error as Error & { statusCode?: number };
    const status = statusCode ?? (error instanceof RequestError ? 400 : 500);
    if (status >= 500) log.warning(`A request failed: ${message}`);
    return refusal(status, message);
  }

  function served(params: Params['Params'], reply: FastifyReply): boolean {
    if (params.model === name && (params.version === undefined || params.version === '1')) return true;
    refuse(
      reply,
      404,
      `Model ${JSON.stringify(params.model)} is not served here. Expected ${JSON.stringify(name)}, version 1`,
    );
    return false;
  }
}

interface Params {
  Params: { model: string; version?: string };
}

type Refusal = Answer & { status: number };

function refusal(status: number, message: string): Refusal {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify({ error: message }),
  };
}

async function drain(
  app: FastifyInstance,
  simple: SimpleRequests,
  model: ServedModel,
  state: { draining: boolean },
  delayMs: number,
): Promise<void> {
  state.draining = true;
  if (delayMs > 0) await sleep(delayMs);
  const timer = setTimeout(() => {
    simple.destroy();
    app.server.closeAllConnections();
  }, drainMs);
  simple.endIdle();
  await app.close();
  clearTimeout(timer);
  await model.close();
}

/** The file of the model may have changed since others opened it. @throws ModelError */
export function requireBytes({ path, sha256 }: Opened, expected = sha256): void {
  if (sha256 === expected) return;
  throw new ModelError({
    found: `a worker opened a model with digest ${sha256.slice(0, 12)}`,
    expected: `the model that the other workers serve, ${expected.slice(0, 12)}`,
    where: path,
    remedy: 'Restore the file, or restart the server to serve the new file',
  });
}

function listenFault(error: unknown, host: string, port: number): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const where = `${host}:${port}`;
  if (code === 'EADDRINUSE') {
    return new StagingError({
      found: `Port ${port} is in use`,
      where,
      remedy: 'Stop the process that listens there, or choose another port (0 picks a free one)',
      cause: error,
    });
  }
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new StagingError({
      found: `Cannot listen on the address (${code})`,
      where,
      expected: 'an address of this machine and a port this user may open (1024 or above)',
      cause: error,
    });
  }
  return error;
}
