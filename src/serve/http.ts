import { promisify } from 'node:util';
import { constants, brotliDecompress, gunzip, gzip, inflate, type ZlibOptions } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { inferResponse, parseJson, readInferRequest, RequestError, type Tensor } from '../protocol/index.ts';
import { version } from '../version.ts';
import { encoded, headerLengthName, wantsBinary, withBinaryData } from './binary-tensors.ts';
import type { ServedModel } from './served-model.ts';

/* What the model servers have in common beneath their endpoints: bodies in, answers out, and their limits. */

/** Largest body of a request, as sent and as unpacked: about a million numbers. */
const bodyLimit = 16 * 1024 * 1024;

/** Shorter answers gain nothing from being packed. */
const leastPacked = 1024;

const [gunzipped, inflated, unbrotlied, gzipped] = [
  promisify<Buffer, ZlibOptions, Buffer>(gunzip),
  promisify<Buffer, ZlibOptions, Buffer>(inflate),
  promisify<Buffer, ZlibOptions, Buffer>(brotliDecompress),
  promisify<Buffer, ZlibOptions, Buffer>(gzip),
];

/** @param arrivalMs how long a request may take to arrive: a client that sends a byte now and then holds no connection for ever */
export function serverLimits(arrivalMs: number) {
  return {
    bodyLimit,
    forceCloseConnections: 'idle',
    requestTimeout: arrivalMs,
    http: { connectionsCheckingInterval: Math.min(1000, arrivalMs / 4), headersTimeout: arrivalMs },
    routerOptions: { maxParamLength: 300 },
  } as const;
}

/** What every model server answers beside its models: what it is, that it lives, and that there is nothing else. */
export function commonEndpoints(app: FastifyInstance): void {
  app.get('/v2', () => ({ name: 'contender', version, extensions: ['binary_tensor_data'] }));
  app.get('/v2/health/live', () => ({ live: true }));
  app.setNotFoundHandler((request, reply) => refuse(reply, 404, `No such endpoint: ${request.method} ${request.url}`));
}

export function refuse(reply: FastifyReply, status: number, message: string): FastifyReply {
  return reply.code(status).send({ error: message });
}

export function baseUrl(app: FastifyInstance, host: string): string {
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** Read every body as JSON, whatever its type says (clients of this protocol often send none), with what follows it in bytes. */
export function readJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request: FastifyRequest, body: Buffer, done) => {
    const { 'content-encoding': encoding, [headerLengthName]: length } = request.headers;
    const read = (content: Buffer): void => {
      let value: unknown;
      try {
        value = valueOf(content, length);
      } catch (error) {
        return done(error as Error);
      }
      done(null, value);
    };
    // At once where nothing is packed: a promise for each request is felt at ten thousand a second.
    if (encoding === undefined) read(body);
    else unpacked(body, encoding).then(read, done);
  });
}

function valueOf(content: Buffer, given: string | string[] | undefined): unknown {
  if (given === undefined) return parsed(content);
  const length = /^\d{1,9}$/u.test(String(given)) ? Number(given) : Number.NaN;
  if (!(length <= content.length)) {
    throw new RequestError({
      found: `${headerLengthName} is ${JSON.stringify(String(given).slice(0, 30))} of a body of ${content.length} bytes`,
      expected: 'the length of the JSON in bytes',
    });
  }
  return withBinaryData(parsed(content.subarray(0, length)), content.subarray(length));
}

/** @throws RequestError */
export function parsed(content: Buffer): unknown {
  try {
    return parseJson(content);
  } catch (error) {
    throw new RequestError({ found: `The body is not JSON: ${(error as Error).message.slice(0, 200)}` });
  }
}

async function unpacked(body: Buffer, encoding: string): Promise<Buffer> {
  const options = { maxOutputLength: bodyLimit };
  try {
    switch (encoding.trim().toLowerCase()) {
      case 'identity':
        return body;
      case 'gzip':
      case 'x-gzip':
        return await gunzipped(body, options);
      case 'deflate':
        return await inflated(body, options);
      case 'br':
        return await unbrotlied(body, options);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw withStatus(413, `The body is more than ${bodyLimit} bytes when unpacked`);
    throw new RequestError({ found: `The body is not ${encoding}: ${(error as Error).message}` });
  }
  throw withStatus(
    415,
    `Content-Encoding ${JSON.stringify(encoding.slice(0, 60))} is not known`,
    'gzip, deflate or br',
  );
}

function withStatus(statusCode: number, found: string, expected?: string): RequestError {
  return Object.assign(new RequestError({ found, expected }), { statusCode });
}

/** What goes out, whoever writes it. */
export interface Answer {
  headers: Record<string, string>;
  body: Buffer | string;
}

/** What a model answers to the body of a request, and all of its tensors. @param accepted `Accept-Encoding` @throws RequestError */
export async function inferenceOf(
  { name, model }: { name: string; model: Pick<ServedModel, 'inputs' | 'outputs' | 'infer'> },
  body: unknown,
  accepted: string | string[] | undefined,
): Promise<{ answer: Answer; all: readonly Tensor[] }> {
  const { id, inputs, outputs } = readInferRequest(body, model);
  const all = await model.infer(inputs);
  const tensors = outputs === null ? all : all.filter((tensor) => outputs.includes(tensor.name));
  return { answer: await tensorAnswer(body, accepted, { model: name, tensors, id }), all };
}

/** An answer with tensors: as JSON, or in bytes where the request asks for that; packed where the client reads it. */
async function tensorAnswer(
  asked: unknown,
  accepted: string | string[] | undefined,
  answer: { model: string; tensors: readonly Tensor[]; id: string | undefined },
): Promise<Answer> {
  const isBinary = wantsBinary(asked);
  const parts: Buffer[] = [];
  const tensors = answer.tensors.map((tensor) => {
    if (!isBinary(tensor.name)) return tensor;
    const bytes = encoded(tensor);
    parts.push(bytes);
    return { ...tensor, data: undefined, parameters: { binary_data_size: bytes.length } };
  });
  const json = inferResponse(answer.model, tensors, answer.id);
  const head = Buffer.from(parts.length > 0 ? json : '');
  const body = parts.length > 0 ? Buffer.concat([head, ...parts]) : json;
  const headers: Record<string, string> =
    parts.length > 0
      ? { [headerLengthName]: String(head.length), 'content-type': 'application/octet-stream' }
      : { 'content-type': 'application/json; charset=utf-8' };
  if (body.length < leastPacked || !readsGzip(accepted)) return { headers, body };
  return {
    headers: { ...headers, 'content-encoding': 'gzip', vary: 'accept-encoding' },
    body: await gzipped(Buffer.from(body as string), { level: constants.Z_BEST_SPEED }),
  };
}

/** RFC 9110, 12.5.3; a weight of 0 refuses. */
function readsGzip(accepted: string | string[] | undefined): boolean {
  return String(accepted ?? '')
    .split(',')
    .some((each) => /^\s*(?:gzip|x-gzip|\*)\s*(?:;\s*q\s*=\s*(?!0(?:\.0*)?\s*$)[\d.]+\s*)?$/iu.test(each));
}
