import { serviceSettings, type ProtocolName } from '../config/staging.ts';
import type { Staging } from '../config/schema.ts';
import { ConfigError } from '../errors.ts';
import { inferPath, publishedApi, readyPath, type JsonApi } from '../protocol/index.ts';

/** How a server is asked: paths on its host, and headers of every request. */
export interface Service {
  protocol: ProtocolName;
  model: string;
  /** Path of the predictions. */
  path: string;
  /** Path that answers 2xx when it is ready; null: whatever `/` answers below 500 will do. */
  health: string | null;
  headers: Readonly<Record<string, string>>;
  /** Bodies are sent packed, and answers may come packed. */
  gzip: boolean;
  /** Whom to trust, and who we are, where the configuration says so. */
  tls: Partial<Record<'ca' | 'cert' | 'key', Buffer | undefined>> | undefined;
  /** The published form of the protocol, where it is not the Open Inference Protocol. */
  api: JsonApi | null;
}

/**
 * What the configuration and the protocol say together.
 * @param token goes with every request as a bearer token, and nowhere else
 * @throws ConfigError
 */
export function serviceOf(staging: Staging, model: string, token?: string, tls?: Service['tls']): Service {
  const settings = serviceSettings(staging);
  const protocol = settings.protocol ?? (settings.request === undefined ? 'open-inference' : 'json');
  const api = protocol === 'open-inference' ? null : publishedApi(protocol, model);
  const path = settings.path ?? (api === null ? inferPath(model) : api.path);
  if (path === undefined) {
    throw new ConfigError({
      found: 'staging.path is missing for protocol: json',
      expected: 'the path for predictions, such as /predict',
      where: 'staging.path',
    });
  }
  const headers = { ...settings.headers };
  const secret = Object.keys(headers).find((name) => /^(?:authorization|cookie|x-api-key)$/iu.test(name));
  if (secret !== undefined) {
    throw new ConfigError({
      found: `staging.headers sets ${secret}`,
      expected: 'no secrets in files of the repository',
      where: 'staging.headers',
      remedy: 'Give the token in CONTENDER_TARGET_TOKEN (input target-token): it is sent as a bearer token',
    });
  }
  const framing = Object.keys(headers).find((name) =>
    /^(?:host|connection|content-length|content-encoding|transfer-encoding|expect|te|upgrade)$/iu.test(name),
  );
  if (framing !== undefined) {
    throw new ConfigError({
      found: `staging.headers sets ${framing}`,
      expected: 'no headers that control the transfer of the request; for compression set gzip: true',
      where: 'staging.headers',
    });
  }
  if (token !== undefined && !/^[\x21-\x7e]+$/u.test(token)) {
    throw new ConfigError({
      found: 'the target token contains spaces or non-ASCII characters',
      expected: 'a bearer token',
      where: 'CONTENDER_TARGET_TOKEN',
    });
  }
  return {
    protocol,
    model,
    path,
    health: settings.health ?? (api === null ? readyPath : (api.health ?? null)),
    gzip: settings.gzip ?? false,
    tls,
    headers: { ...headers, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
    api,
  };
}
