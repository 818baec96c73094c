import { setTimeout as sleep } from 'node:timers/promises';
import { defaults } from '../config/defaults.ts';
import type { Staging } from '../config/schema.ts';
import { serviceSettings, type ServiceSettings } from '../config/staging.ts';
import { milliseconds } from '../config/units.ts';
import { ConfigError, StagingError } from '../errors.ts';
import { jsonIn, listOf, objectOf } from '../json.ts';
import { datatypes, isDatatype, modelPath, readModelMetadata } from '../protocol/index.ts';
import type { ModelMetadata, TensorMetadata } from '../protocol/index.ts';
import { get, ledTo } from './get.ts';
import type { Service } from './service.ts';

const requestTimeoutMs = 5_000;
/** Until then a certificate that is only made when a server starts has replaced the one that stands in for it. */
const replacedMs = 30_000;

/** Something that is being waited for. */
export interface Awaited {
  /** For messages: what is started, without credentials. */
  what: string;
  /** Base URL of the server. */
  url: string;
  service: Service;
  staging: Exclude<Staging, { target: string }>;
  signal: AbortSignal | undefined;
  /** Somebody else runs it: that it does not answer at all says nothing about the candidate. */
  external: boolean;
  /** Why it can no longer become healthy, or null while it may. */
  ended: () => Promise<string | null>;
  /** The last lines it wrote, for the message. */
  logs: () => Promise<string>;
}

/**
 * Wait until a server is ready and ask for the metadata of its model, if its protocol has any.
 * @throws StagingError when the target ends or the time is over first, with the last answer and its log.
 */
export async function healthy(awaited: Awaited): Promise<ModelMetadata | null> {
  const { url, service, staging, signal } = awaited;
  const health = healthUrl(awaited.url, awaited.service);
  const expected =
    awaited.service.health === null ? `an answer below 500 from ${health}` : `a status of 2xx from ${health}`;
  const givenMs = milliseconds(awaited.staging.start_timeout ?? defaults.startTimeout);
  const deadline = Date.now() + givenMs;
  let last = 'no answer';
  let mistrusted: number | null = null;
  for (let pause = 25; ; pause = Math.min(pause * 1.5, 500)) {
    signal?.throwIfAborted();
    const timeoutMs = Math.max(1, Math.min(requestTimeoutMs, deadline - Date.now()));
    const answer = await askHealth(health, timeoutMs, service, signal);
    // What the end of the time cut off says less than the answer before it.
    if (answer !== 'no answer in time' || timeoutMs === requestTimeoutMs || last === 'no answer') last = answer;
    if ((service.health === null ? /^[1-4]\d\d\b/u : /^2\d\d$/u).test(answer)) {
      if (service.protocol !== 'open-inference') return null;
      const told = await askModel(url, service, serviceSettings(staging), signal);
      if (typeof told !== 'string') return told;
      last = told;
    }
    signal?.throwIfAborted();
    const fault = last.startsWith('TLS: ')
      ? tlsFaults.find(({ found }) => found.some((words) => last.includes(words)))
      : undefined;
    if (fault !== undefined) {
      mistrusted ??= Date.now();
      if (fault.lasts === true || Date.now() + pause > Math.min(deadline, mistrusted + replacedMs)) {
        const { remedy } = fault;
        throw new StagingError(
          { found: `${awaited.what} does not answer: ${last}`, expected, remedy },
          awaited.external,
        );
      }
    }
    const ended = await awaited.ended();
    if (ended !== null) {
      throw new StagingError({
        found: `${awaited.what} ended before it was healthy: ${ended}${shownLogs(await awaited.logs())}`,
        expected,
        remedy: ended.startsWith('out of memory')
          ? 'Raise staging.memory or serve a smaller model'
          : ended === 'exit code 0'
            ? 'A server that goes into the background cannot be monitored: start it in the foreground'
            : 'Read its log, and start it manually in the same way',
      });
    }
    if (Date.now() + pause > deadline) {
      const tls = health.startsWith('https:') ? ', staging.tls' : ' (https:// if the server uses TLS)';
      const setting = awaited.external
        ? `staging.url${tls} and staging.health`
        : `staging.health and staging.port${'image' in awaited.staging ? ', and that it listens on 0.0.0.0 and not on 127.0.0.1' : ''}`;
      throw new StagingError(
        {
          found: `${awaited.what} was not healthy after ${givenMs / 1000} s (last answer: ${last})${shownLogs(await awaited.logs())}`,
          expected,
          remedy: /^40[137]\b/u.test(last)
            ? 'Set CONTENDER_TARGET_TOKEN (input target-token) or staging.headers'
            : `Check ${setting}, or raise staging.start_timeout`,
        },
        asksElsewhere(last) || (awaited.external && !/^\d+\b/u.test(last)),
      );
    }
    await sleep(pause, undefined, { signal });
  }
}

/** Whether a status says that it cannot answer yet, as while it loads the model, or a proxy does not reach it. */
export function isNotYet(status: number): boolean {
  return [429, 502, 503, 504].includes(status);
}

/** Whether a status says that the address, the method or who asks is wrong: of the model behind it that says nothing. */
export function asksElsewhere(status: string): boolean {
  return /^(?:3\d\d|40[13457])\b/u.test(status);
}

/** The address that tells health; a path of the configuration is one from the top of the host. */
export function healthUrl(url: string, { health }: Service): string {
  return new URL(health ?? '/', url).href;
}

/**
 * Status code of one health request as text, with where it leads if it redirects or what it says against being ready, or why
 * there is none.
 */
export async function askHealth(
  url: string,
  timeoutMs: number,
  manner: Pick<Service, 'headers' | 'tls'>,
  signal?: AbortSignal,
): Promise<string> {
  return get(url, timeoutMs, signal, manner).then(
    ({ status, location, body }) => `${status}${ledTo(location)}${saysUnready(body) ? excerpt(body) : ''}`,
    reason,
  );
}

/**
 * Whether a body says that the model is not ready, whatever the status: KServe answers `ready: false`, TorchServe that it is
 * unhealthy, and TensorFlow Serving with the state of each version, all with 200.
 */
function saysUnready(body: string): boolean {
  const { ready, status, model_version_status: versions } = objectOf(jsonIn(body));
  const states = listOf(versions).map((version) => objectOf(version)['state']);
  return ready === false || status === 'Unhealthy' || (states.length > 0 && !states.includes('AVAILABLE'));
}

/**
 * Ask a healthy server for the metadata of the model that is to be tested. What the configuration declares stands for what the
 * server does not tell.
 * @param base scheme, host and the path before those of the protocol
 * @throws StagingError when it does not serve that model or does not speak the protocol; ConfigError for a datatype that is none.
 */
export async function askMetadata(...asked: Parameters<typeof askModel>): Promise<ModelMetadata> {
  const told = await askModel(...asked);
  if (typeof told !== 'string') return told;
  throw new StagingError({ found: `No metadata of the model: ${told}` });
}

/** The same; or the status by which the server says that it cannot tell yet, as while it loads the model. */
async function askModel(
  base: string,
  service: Pick<Service, 'model' | 'headers' | 'tls'>,
  settings: ServiceSettings,
  signal?: AbortSignal,
): Promise<ModelMetadata | string> {
  const { model } = service;
  const inputs = declared(settings.inputs, 'inputs');
  const outputs = declared(settings.outputs, 'outputs');
  if (inputs !== null && outputs !== null) return { name: model, platform: '', inputs, outputs };
  const url = base + modelPath(model);
  const { status, body, contentType, location } = await get(url, requestTimeoutMs, signal, service).catch(
    (error: unknown) => {
      signal?.throwIfAborted();
      throw new StagingError({ found: `No metadata from ${url}: ${reason(error)}`, cause: error });
    },
  );
  if (isNotYet(status)) return `${status} from ${url}${excerpt(body)}`;
  if (status !== 200) {
    throw new StagingError({
      found: `${url} answered ${status}${ledTo(location)} (${contentType ?? 'no content type'})${excerpt(body)}`,
      expected: `the metadata of model ${JSON.stringify(model)} (Open Inference Protocol v2)`,
      remedy:
        'Serve the model under that name (the image of Contender takes it from CONTENDER_MODEL_NAME), declare staging.inputs and staging.outputs, or set staging.protocol if the server uses another protocol',
    });
  }
  const told = readModelMetadata(body);
  const metadata = { ...told, inputs: inputs ?? told.inputs, outputs: outputs ?? told.outputs };
  const missing = (['inputs', 'outputs'] as const).filter((part) => metadata[part].length === 0);
  if (missing.length === 0) return metadata;
  throw new StagingError({
    found: `The metadata from ${url} has no ${missing.join(' and no ')}`,
    expected: 'name, datatype and shape of each tensor',
    remedy: `Declare them: staging: { ${missing.map((part) => `${part}: [{ name, datatype: FP32, shape: [-1, 10] }]`).join(', ')} }`,
  });
}

function declared(tensors: ServiceSettings['inputs'], what: string): TensorMetadata[] | null {
  if (tensors === undefined) return null;
  return tensors.map(({ name, datatype, shape }) => {
    if (isDatatype(datatype)) return { name, datatype, shape };
    throw new ConfigError({
      found: `datatype ${JSON.stringify(datatype)} of ${JSON.stringify(name)}`,
      expected: `one of ${datatypes.join(', ')}`,
      where: `staging.${what}`,
    });
  });
}

/** The start of a body, ready to follow a sentence. */
function excerpt(body: string): string {
  const start = body.slice(0, 150).replaceAll(/\s+/gu, ' ').trim();
  return start === '' ? '' : `: ${JSON.stringify(start)}`;
}

/** The end of the log of something that failed, ready to follow a sentence: the last line first, which says most. */
export function shownLogs(logs: string): string {
  const lines = logs
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-10)
    .map((line) => line.slice(0, 300));
  const last = lines.pop();
  if (last === undefined) return '';
  return `. It wrote last: ${last.trim()}${lines.length === 0 ? '' : ` (after ${lines.join(' | ')})`}`;
}

/** Of what OpenSSL says only why, without its number and the place in its source; of a certificate why it is not trusted. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const failed = /:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/u.exec(error.message)?.[1];
  if (failed !== undefined) return `TLS: ${failed}`;
  const untrusted =
    'code' in error && /CERT|^UNABLE_TO_|^INVALID_(?:CA|PURPOSE)$|^HOSTNAME_MISMATCH$/u.test(String(error.code));
  // Node 24 adds an option of its own command line to it.
  return untrusted
    ? `TLS: ${error.message.replace(/; if the root CA.*$/su, '')} (${String(error.code)})`
    : error.message;
}

interface TlsFault {
  /** Any of these words or codes. */
  found: readonly string[];
  remedy: string;
  /** Waiting does not change it. */
  lasts?: true;
}

/**
 * What can be done about each fault. One that may not last: an ingress, or a server, that waits for its certificate shows another
 * until it has it, or none. What it says then beside these (internal error, unrecognized name) has no remedy but to wait.
 */
const tlsFaults: readonly TlsFault[] = [
  {
    found: ['wrong version number', 'packet length too long'],
    remedy: 'Write http:// in staging.url if the server does not use TLS on that port',
    lasts: true,
  },
  {
    found: [
      'certificate required',
      'alert certificate',
      'alert bad certificate',
      'alert unsupported certificate',
      'alert unknown ca',
    ],
    remedy: 'Set a client certificate that the server accepts, and its key, in staging.tls',
    lasts: true,
  },
  { found: ['unsupported protocol', 'protocol version'], remedy: 'Enable TLS 1.2 or later on the server', lasts: true },
  {
    found: ['handshake failure', 'no shared'],
    remedy:
      'Enable TLS 1.2 or later on the server; if it requires a client certificate, set one that it accepts, and its key, in staging.tls',
  },
  {
    found: ['EXPIRED', 'NOT_YET_VALID', 'REVOKED'],
    remedy: 'Renew the certificate of the server, or correct the clock of the machine where it is wrong',
  },
  { found: ['ALTNAME', 'HOSTNAME_MISMATCH'], remedy: 'Use the host name of the certificate in staging.url' },
  {
    found: ['SELF_SIGNED', 'UNABLE_TO_', 'INVALID_', 'CERT_'],
    remedy: 'Set staging.tls.ca to the CA certificate that signed the server certificate',
  },
];
