import type { FastifyInstance, FastifyReply } from 'fastify';
import { StagingError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LocalArtifact, Opened } from '../model/artifact.ts';
import { inferResponse, readInferRequest, RequestError, type ModelMetadata } from '../protocol/index.ts';
import { version } from '../version.ts';
import { openServedModel, type ServedModel } from './served-model.ts';

/** Largest request body: about a million numbers. */
const bodyLimit = 16 * 1024 * 1024;
/** How long answers under way may take once the server is told to stop. */
const drainMs = 10_000;

export interface RunningServer {
  /** Base URL, such as `http://127.0.0.1:8080`. */
  url: string;
  /** The bytes that are served. */
  opened: Opened;
  /** Finish the answers under way, refuse new ones, and let the model go. */
  close(): Promise<void>;
}

/**
 * Serve a model over HTTP as the Open Inference Protocol v2 says. The model is loaded and has answered once before the
 * port is opened, so a server that answers is ready.
 * @throws ModelError when the model cannot be loaded, StagingError when the address cannot be listened on.
 */
export async function startServer(input: {
  artifact: Pick<LocalArtifact, 'path'>;
  modelName: string;
  port: number;
  host: string;
  log: Log;
}): Promise<RunningServer> {
  const { artifact, modelName, port, host, log } = input;
  const model = await openServedModel(artifact.path);
  const app = await createApp(modelName, model, log);
  try {
    await app.listen({ port, host });
  } catch (error) {
    await model.close();
    throw listenFault(error, host, port);
  }
  let closed: Promise<void> | undefined;
  return {
    url: baseUrl(app, host),
    opened: model.opened,
    close: () => (closed ??= drain(app, model)),
  };
}

async function createApp(name: string, model: ServedModel, log: Log): Promise<FastifyInstance> {
  const { default: fastify } = await import('fastify');
  const app = fastify({ bodyLimit, forceCloseConnections: 'idle', routerOptions: { maxParamLength: 300 } });
  const metadata: ModelMetadata = { name, platform: 'onnxruntime_onnx', inputs: model.inputs, outputs: model.outputs };

  app.removeAllContentTypeParsers();
  // Any content type is read as JSON: clients of this protocol often send none.
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, JSON.parse(body as string));
    } catch (error) {
      done(new RequestError({ found: `The body is not JSON: ${(error as Error).message}` }));
    }
  });

  app.get('/v2', () => ({ name: 'contender', version, extensions: [] }));
  app.get('/v2/health/live', () => ({ live: true }));
  app.get('/v2/health/ready', () => ({ ready: true }));
  for (const base of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    app.get<Params>(base, (request, reply) => (served(request.params, reply) ? metadata : undefined));
    app.get<Params>(`${base}/ready`, (request, reply) =>
      served(request.params, reply) ? { name, ready: true } : undefined,
    );
    app.post<Params>(`${base}/infer`, async (request, reply) => {
      if (!served(request.params, reply)) return reply;
      const { id, inputs, outputs } = readInferRequest(request.body, model);
      const tensors = await model.infer(inputs);
      const wanted = outputs === null ? tensors : tensors.filter((tensor) => outputs.includes(tensor.name));
      return reply.header('content-type', 'application/json; charset=utf-8').send(inferResponse(name, wanted, id));
    });
  }

  app.setNotFoundHandler((request, reply) => refuse(reply, 404, `No such endpoint: ${request.method} ${request.url}`));
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    if (error instanceof RequestError) return refuse(reply, 400, error.message);
    const status = error.statusCode ?? 500;
    if (status >= 500) log.warning(`A request failed: ${error.message}`);
    return refuse(reply, status, error.message);
  });
  return app;

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

async function drain(app: FastifyInstance, model: ServedModel): Promise<void> {
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
