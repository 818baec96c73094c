import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';
import { open, stat } from 'node:fs/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DataError, ModelError } from '../errors.ts';
import type { Log } from '../log.ts';
import { RequestError, type Tensor } from '../protocol/index.ts';
import { baseUrl, commonEndpoints, inferenceOf, readJsonBodies, refuse, serverLimits } from './http.ts';
import { openServedModel, type ServedModel } from './served-model.ts';

/* Champion and candidate behind one address: a weight says which share of users the candidate answers. */

export interface SplitServerInput {
  champion: string;
  candidate: string;
  modelName: string;
  port: number;
  host: string;
  /** JSON lines: a line for each request that was answered, and for each feedback. */
  logFile: string;
  /** Header that names the user; without it each request is drawn anew. */
  keyHeader: string;
  /** What whoever sets the weight must send; undefined: only this machine may. */
  token: string | undefined;
  log: Log;
}

export interface RunningSplitServer {
  url: string;
  close(): Promise<void>;
}

/** The share of users that the candidate answers, and until when, unless somebody says so again. */
export interface SplitWeight {
  /** 0 to 100. */
  weight: number;
  /** ISO 8601; null: it stays. Once it is over the weight is 0. */
  expires: string | null;
}

export type Arm = 'champion' | 'candidate';

/** How long a request may take to arrive. */
const arrivalMs = 10_000;

/** Bytes of the log that one request gives at most. */
const logPart = 4 * 1024 * 1024;

/**
 * Serve two versions behind one address (Open Inference Protocol v2). Beside it: `GET` and `PUT /contender/weight`, `POST
 * /contender/feedback`, `GET /contender/log?offset=`.
 * @throws ModelError when a model cannot be loaded
 */
export async function startSplitServer(input: SplitServerInput): Promise<RunningSplitServer> {
  const writer = await openLog(input.logFile, input.log);
  const models: Record<Arm, ServedModel> = {
    champion: await openServedModel(input.champion),
    candidate: await openServedModel(input.candidate),
  };
  requireSameInputs(models, input);
  const app = await createApp(input, models, writer);
  const close = async (): Promise<void> => {
    await app.close();
    await new Promise<void>((done) => writer.end(() => done()));
    await Promise.all(Object.values(models).map((model) => model.close()));
  };
  try {
    await app.listen({ port: input.port, host: input.host });
  } catch (error) {
    await close();
    throw error;
  }
  return { url: baseUrl(app, input.host), close };
}

/** @throws DataError where it cannot be written. A log that fails later, as on a full disk, ends no service: a rollout then sees no data. */
async function openLog(file: string, log: Log): Promise<WriteStream> {
  const writer = createWriteStream(file, { flags: 'a' });
  await once(writer, 'open').catch((cause: NodeJS.ErrnoException) => {
    throw new DataError({
      found: `the log cannot be written (${cause.code ?? cause.message})`,
      expected: 'a file in an existing folder',
      where: file,
      remedy: 'Create the folder, or choose another file with --log',
      cause,
    });
  });
  writer.on('error', (error) => log.warning(`Requests are no longer logged: ${error.message}`));
  return writer;
}

/** Requests are written for the champion: a candidate that wants others would refuse each of them. @throws ModelError */
function requireSameInputs(models: Record<Arm, ServedModel>, { champion, candidate }: SplitServerInput): void {
  const told = ({ inputs }: ServedModel): string =>
    inputs
      .map(({ name, datatype, shape }) => `${name} ${datatype} [${shape.join(', ')}]`)
      .toSorted()
      .join('; ');
  const [asked, wanted] = [told(models.champion), told(models.candidate)];
  if (asked === wanted) return;
  throw new ModelError({
    found: `the candidate takes ${wanted}`,
    expected: `the same inputs as ${champion}: ${asked}`,
    where: candidate,
    remedy: 'Serve the two versions at separate addresses, and send each the inputs it takes',
  });
}

/**
 * Which version answers a user: the same one as long as the weight is the same, and whoever the candidate answers it goes on
 * answering as the weight grows. @param salt another draw of users for another candidate
 */
export function armOf(key: string, salt: string, weight: number): Arm {
  const draw = createHash('sha256').update(salt).update('\0').update(key).digest().readUInt32BE(0) / 2 ** 32;
  return draw < weight / 100 ? 'candidate' : 'champion';
}

async function createApp(
  { modelName, keyHeader, token, log, logFile }: SplitServerInput,
  models: Record<Arm, ServedModel>,
  writer: WriteStream,
): Promise<FastifyInstance> {
  const { default: fastify } = await import('fastify');
  const app = fastify(serverLimits(arrivalMs));
  const salt = models.candidate.opened.sha256;
  let set: SplitWeight = { weight: 0, expires: null };
  let lapsed: string | null = null;
  const weightNow = (): SplitWeight => {
    if (set.expires !== null && Date.parse(set.expires) <= Date.now()) {
      log.warning(`The weight of ${set.weight}% expired at ${set.expires}: the champion answers everybody again.`);
      lapsed = set.expires;
      set = { weight: 0, expires: null };
    }
    return set;
  };
  const write = (line: object): void => void writer.write(`${JSON.stringify(line)}\n`);
  const digests = { champion: models.champion.opened.sha256, candidate: models.candidate.opened.sha256 };

  readJsonBodies(app);
  commonEndpoints(app);
  app.get('/v2/health/ready', () => ({ ready: true }));
  const { inputs, outputs } = models.champion;
  const metadata = { name: modelName, platform: 'onnxruntime_onnx', inputs, outputs };
  app.get<Params>('/v2/models/:model', ({ params }, reply) => (isServed(params, reply) ? metadata : reply));
  app.get<Params>('/v2/models/:model/ready', ({ params }, reply) =>
    isServed(params, reply) ? { name: modelName, ready: true } : reply,
  );
  app.post<Params>('/v2/models/:model/infer', (request, reply) => answer(request, reply));
  // One version by itself, to be checked before it gets traffic: not for users, and not logged as theirs.
  for (const arm of ['champion', 'candidate'] as const) {
    const may = (request: FastifyRequest, reply: FastifyReply): boolean =>
      mayAct(request, token) ||
      (refuse(reply, 403, 'A single version can be called only with the token or from this machine'), false);
    app.get(`/${arm}/v2/health/ready`, () => ({ ready: true }));
    app.get<Params>(`/${arm}/v2/models/:model`, ({ params }, reply) => (isServed(params, reply) ? metadata : reply));
    app.post<Params>(`/${arm}/v2/models/:model/infer`, (request, reply) =>
      may(request, reply) && isServed(request.params, reply) ? answerOf(models[arm], request, reply) : reply,
    );
  }

  app.get('/contender/weight', () => ({ ...weightNow(), digests, time: new Date().toISOString() }));
  app.put('/contender/weight', (request, reply) => {
    if (!mayAct(request, token))
      return refuse(reply, 403, 'The weight can be set only with the token or from this machine');
    const asked = readWeight(request.body);
    if (typeof asked === 'string') return refuse(reply, 400, asked);
    const { weight } = weightNow();
    if (asked.from !== undefined && asked.from !== weight) {
      const why = lapsed === null ? 'another client set it' : `it expired at ${lapsed} and was not renewed`;
      return refuse(reply, 409, `The weight is ${weight}, not ${asked.from}: ${why}`);
    }
    lapsed = null;
    set = { weight: asked.weight, expires: asked.expires };
    return { ...set, digests, time: new Date().toISOString() };
  });
  app.post('/contender/feedback', (request, reply) => {
    const { id, feedback } = (request.body ?? {}) as Record<string, unknown>;
    if (typeof id !== 'string' || typeof feedback !== 'string' || id.length > 200 || feedback.length > 100) {
      return refuse(reply, 400, 'Expected {"id": the x-request-id of an answer, "feedback": the name of the feedback}');
    }
    write({ time: new Date().toISOString(), id, feedback });
    return { taken: true };
  });
  app.get<{ Querystring: { offset?: string } }>('/contender/log', async (request, reply) => {
    if (!mayAct(request, token))
      return refuse(reply, 403, 'The log can be read only with the token or from this machine');
    const offset = Number(request.query.offset ?? 0);
    if (!Number.isSafeInteger(offset) || offset < 0) return refuse(reply, 400, 'offset is not a number of bytes');
    const part = await readLines(logFile, offset);
    return reply
      .header('content-type', 'application/x-ndjson')
      .header('x-next-offset', String(offset + part.length))
      .send(part);
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) =>
    refuse(reply, error.statusCode ?? (error instanceof RequestError ? 400 : 500), error.message),
  );
  return app;

  async function answer(request: FastifyRequest<Params>, reply: FastifyReply): Promise<FastifyReply> {
    if (!isServed(request.params, reply)) return reply;
    const start = performance.now();
    const header = request.headers[keyHeader.toLowerCase()];
    const user = typeof header === 'string' && header !== '' ? header : undefined;
    const id = randomUUID();
    const { weight } = weightNow();
    const arm = armOf(user ?? id, salt, weight);
    const finish = (status: number, said: object = {}): void => {
      const ms = Number((performance.now() - start).toFixed(3));
      const who = user === undefined ? {} : { user: createHash('sha256').update(user).digest('hex').slice(0, 16) };
      write({ time: new Date().toISOString(), id, ...who, arm, version: digests[arm], weight, status, ms, ...said });
      reply.header('x-request-id', id).header('x-contender-version', `${arm}; sha256=${digests[arm].slice(0, 12)}`);
    };
    try {
      const { answer, all } = await answerFor(models[arm], request);
      finish(200, answerOfOne(all));
      return reply.headers(answer.headers).send(answer.body);
    } catch (error) {
      const status = error instanceof RequestError ? 400 : 500;
      if (status === 500) log.warning(`The ${arm} failed: ${error instanceof Error ? error.message : String(error)}`);
      finish(status);
      return refuse(reply, status, error instanceof Error ? error.message : String(error));
    }
  }

  function answerFor(model: ServedModel, { body, headers }: FastifyRequest): ReturnType<typeof inferenceOf> {
    return inferenceOf({ name: modelName, model }, body, headers['accept-encoding']);
  }

  async function answerOf(model: ServedModel, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { answer } = await answerFor(model, request);
    return reply.headers(answer.headers).send(answer.body);
  }

  function isServed({ model }: Params['Params'], reply: FastifyReply): boolean {
    if (model === modelName) return true;
    void refuse(reply, 404, `Model ${JSON.stringify(model)} is not served here. Expected ${JSON.stringify(modelName)}`);
    return false;
  }
}

interface Params {
  Params: { model: string };
}

/** What the log says of an answer to one row: its label, and its score, which is the last fraction. */
function answerOfOne(tensors: readonly Tensor[]): { score?: number; label?: string | number | boolean } {
  if (tensors.some(({ shape }) => shape[0] !== 1)) return {};
  const cells = (isScore: boolean): unknown[] => {
    const found = tensors.find(({ datatype }) => datatype.startsWith('FP') === isScore);
    return found === undefined ? [] : Array.from(found.data as ArrayLike<unknown>);
  };
  const [score, label] = [cells(true).at(-1), cells(false)[0]];
  const told = typeof label === 'bigint' ? Number(label) : label;
  return {
    ...(typeof score === 'number' && Number.isFinite(score) ? { score } : {}),
    ...(typeof told === 'number' || typeof told === 'string' || typeof told === 'boolean' ? { label: told } : {}),
  };
}

function readWeight(body: unknown): (SplitWeight & { from?: number }) | string {
  const { weight, expires = null, from } = (body ?? {}) as Record<string, unknown>;
  if (typeof weight !== 'number' || !(weight >= 0 && weight <= 100)) return 'weight is not a number from 0 to 100';
  if (expires !== null && (typeof expires !== 'string' || !Number.isFinite(Date.parse(expires)))) {
    return 'expires is not a time in ISO 8601';
  }
  if (from !== undefined && typeof from !== 'number') return 'from is not a number';
  return { weight, expires, ...(from === undefined ? {} : { from }) };
}

/** With a token whoever has it, else this machine. */
function mayAct(request: FastifyRequest, token: string | undefined): boolean {
  if (token === undefined) return ['127.0.0.1', '::1', '::ffff:127.0.0.1'].includes(request.ip);
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(request.headers.authorization ?? ''), digest(`Bearer ${token}`));
}

/** Whole lines of the log from a byte on. */
async function readLines(file: string, offset: number): Promise<Buffer> {
  const { size } = await stat(file).catch(() => ({ size: 0 }));
  const length = Math.min(logPart, size - offset);
  if (length <= 0) return Buffer.alloc(0);
  const handle = await open(file);
  try {
    const part = Buffer.alloc(length);
    const { bytesRead } = await handle.read(part, 0, length, offset);
    return part.subarray(0, part.subarray(0, bytesRead).lastIndexOf(0x0a) + 1);
  } finally {
    await handle.close();
  }
}
