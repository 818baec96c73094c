import type { IncomingMessage, ServerResponse } from 'node:http';
import { posix } from 'node:path';
import { json, withServer } from './serve.ts';

interface Tag {
  key: string;
  value: string;
}

/**
 * The model registry of an MLflow server (REST API 2.0; mlflow/protos/model_registry.proto, its rules as in mlflow/server/handlers.py and
 * mlflow/utils/validation.py), with state: registered models, versions, tags and aliases.
 */
export interface MlflowStandIn {
  uri: string;
  models: Map<string, { aliases: Map<string, string>; versions: { source: string; tags: Map<string, string> }[] }>;
  /** Each request: method and path. */
  seen: string[];
  /** What has to be in `authorization`; absent: anybody may do anything. */
  authorization?: string;
  /** This many more requests are answered; then the server is broken. */
  until: number;
  /** Then it does what it is asked once more, and the answer is lost. */
  lost?: boolean;
}

export function withMlflow<T>(work: (server: MlflowStandIn) => Promise<T>): Promise<T> {
  const models: MlflowStandIn['models'] = new Map();
  const mlflow: MlflowStandIn = { uri: '', models, seen: [], until: Infinity };

  async function answer(request: IncomingMessage, response: ServerResponse, site: string): Promise<void> {
    const { method = '', url = '', headers } = request;
    const { pathname, searchParams } = new URL(url, site);
    const path = pathname.replace('/api/2.0/mlflow/', '');
    mlflow.seen.push(`${method} ${path}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const fail = (status: number, code: string): void => json(response, status, { error_code: code, message: 'no' });
    if (mlflow.authorization !== undefined && headers.authorization !== mlflow.authorization) {
      response.writeHead(401).end('You are not authenticated.');
      return;
    }
    mlflow.until -= 1;
    const isLost = mlflow.lost === true && mlflow.until === -1;
    if (mlflow.until < 0 && !isLost) return fail(501, 'INTERNAL_ERROR');
    const reply = (body: unknown): void => void (isLost ? response.destroy() : json(response, 200, body));
    const body = (method === 'POST' ? JSON.parse(Buffer.concat(chunks).toString('utf8')) : {}) as {
      name?: string;
      version?: string;
      source?: string;
      alias?: string;
      key?: string;
      value?: string;
      tags?: Tag[];
    };
    const name = body.name ?? searchParams.get('name') ?? /^name='(.*)'$/u.exec(searchParams.get('filter') ?? '')?.[1];
    const model = models.get(name ?? '');
    const version = model?.versions[Number(body.version) - 1];
    switch (`${method} ${path}`) {
      case 'POST registered-models/create':
        if (model !== undefined) return fail(400, 'RESOURCE_ALREADY_EXISTS');
        models.set(name ?? '', { aliases: new Map(), versions: [] });
        return reply({ registered_model: { name } });
      case 'GET registered-models/get': {
        if (model === undefined) return fail(404, 'RESOURCE_DOES_NOT_EXIST');
        const aliases = [...model.aliases].map(([alias, on]) => ({ alias, version: on }));
        return reply({ registered_model: { name, ...(aliases.length === 0 ? {} : { aliases }) } });
      }
      case 'GET model-versions/search': {
        const start = Number(searchParams.get('page_token') ?? 0);
        const size = Math.min(2, Number(searchParams.get('max_results')));
        const all = (model?.versions ?? []).map(({ source, tags }, index) => ({
          name,
          version: String(index + 1),
          source,
          tags: [...tags].map(([key, value]) => ({ key, value })),
        }));
        return reply({
          model_versions: all.slice(start, start + size),
          ...(start + size < all.length ? { next_page_token: String(start + size) } : {}),
        });
      }
      case 'POST model-versions/create': {
        if (model === undefined) return fail(404, 'RESOURCE_DOES_NOT_EXIST');
        if (!isSource(body.source ?? '')) return fail(400, 'INVALID_PARAMETER_VALUE');
        const tags = new Map((body.tags ?? []).map(({ key, value }) => [key, value]));
        const number = model.versions.push({ source: body.source ?? '', tags });
        return reply({ model_version: { name, version: String(number) } });
      }
      case 'POST model-versions/set-tag':
        if (version === undefined) return fail(404, 'RESOURCE_DOES_NOT_EXIST');
        if (!/^[/\w.\- ]+$/u.test(body.key ?? '')) return fail(400, 'INVALID_PARAMETER_VALUE');
        version.tags.set(body.key ?? '', body.value ?? '');
        return reply({});
      case 'POST registered-models/alias':
        if (version === undefined) return fail(404, 'RESOURCE_DOES_NOT_EXIST');
        model?.aliases.set(body.alias ?? '', body.version ?? '');
        return reply({});
      default:
        return fail(404, 'ENDPOINT_NOT_FOUND');
    }
  }

  return withServer(
    (request, response, [site]) => void answer(request, response, site),
    ([site]) => {
      mlflow.uri = site;
      return work(mlflow);
    },
  );
}

/** `_validate_source`: no file of the server, and no path but one that stays as it is. */
function isSource(source: string): boolean {
  if (!URL.canParse(source) || source.startsWith('file:')) return false;
  const path = decodeURIComponent(/^[a-z+]+:(?:\/\/[^/?#]*)?([^?#]*)/u.exec(source)?.[1] ?? '');
  return path !== '' && posix.resolve('/srv', path) === path;
}
