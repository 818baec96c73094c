import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { ModelError, StagingError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LocalArtifact, Opened } from '../model/artifact.ts';
import { readInferRequest, RequestError, type ModelMetadata, type Tensor } from '../protocol/index.ts';
import { version } from '../version.ts';
import { batched, type BatchSettings } from './batching.ts';
import { readJsonBodies, sendTensors, serverLimits } from './http.ts';
import { metricsText, serverMetrics, type Counts } from './metrics.ts';
import { openServedModel, type ServedModel } from './served-model.ts';

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
  const { app, counts } = await createApp(modelName, model, settings, state, log);
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
    close: () => (closed ??= drain(app, model, state, settings.drainDelayMs ?? 0)),
  };
}

async function createApp(
  name: string,
  model: ServedModel,
  { queue = queueByDefault, batch, arrivalMs = 10_000, countsOfAll }: ServerSettings,
  state: { readonly draining: boolean },
  log: Log,
): Promise<{ app: FastifyInstance; counts: () => Counts }> {
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
  app.get('/v2', () => ({ name: 'contender', version, extensions: ['binary_tensor_data'] }));
  app.get('/v2/health/live', () => ({ live: true }));
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
      if (inFlight >= queue) {
        metrics.answered(429, 0);
        refuse(reply.header('retry-after', '1'), 429, `${queue} requests are being answered: try again later`);
        return;
      }
      inFlight += 1;
      if (state.draining) reply.header('connection', 'close'); // so that nobody asks over it just when it is closed
      const started = performance.now();
      reply.raw.on('close', () => {
        inFlight -= 1;
        metrics.answered(reply.raw.headersSent ? reply.statusCode : 499, (performance.now() - started) / 1000);
      });
      done();
    };
    app.post<Params>(`${base}/infer`, { onRequest }, (request, reply) => {
      if (!served(request.params, reply)) return;
      const { id, inputs, outputs } = readInferRequest(request.body, model);
      const answer = (all: Tensor[]): void => {
        const tensors = outputs === null ? all : all.filter((tensor) => outputs.includes(tensor.name));
        sendTensors(request, reply, { model: name, tensors, id });
      };
      infer(inputs)
        .then(answer)
        .catch((error: unknown) => reply.send(error));
    });
  }

  app.setNotFoundHandler((request, reply) => refuse(reply, 404, `No such endpoint: ${request.method} ${request.url}`));
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? (error instanceof RequestError ? 400 : 500);
    if (status >= 500) log.warning(`A request failed: ${error.message}`);
    return refuse(reply, status, error.message);
  });
  return { app, counts };

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

function refuse(reply: FastifyReply, status: number, message: string): FastifyReply {
  return reply.code(status).send({ error: message });
}

async function drain(
  app: FastifyInstance,
  model: ServedModel,
  state: { draining: boolean },
  delayMs: number,
): Promise<void> {
  state.draining = true;
  if (delayMs > 0) await sleep(delayMs);
  const timer = setTimeout(() => app.server.closeAllConnections(), drainMs);
  await app.close();
  clearTimeout(timer);
  await model.close();
}

function baseUrl(app: FastifyInstance, host: string): string {
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** The file of the model may have changed since others opened it. @throws ModelError */
export function requireBytes({ path, sha256 }: Opened, expected = sha256): void {
  if (sha256 === expected) return;
  throw new ModelError({
    found: `a worker opened a model of digest ${sha256.slice(0, 12)}`,
    expected: `the one the others serve, ${expected.slice(0, 12)}`,
    where: path,
    remedy: 'Put the file back, or start the server anew to serve what is there now',
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
