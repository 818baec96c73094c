import type { Registry } from '../config/index.ts';
import { RegistryError, UsageError } from '../errors.ts';
import { modelDigest } from '../evidence/index.ts';
import { committedPlace } from './artifact-uri.ts';
import type { Manifest } from './manifest.ts';
import { ask, jsonOf } from './objects/ask.ts';
import { credential, encodedPath, endpoint, variable } from './objects/opened.ts';

export interface MlflowPlace {
  settings: NonNullable<Registry['mlflow']>;
  /** owner/name on GitHub, where committed models can be looked at. */
  repository: string | undefined;
  signal?: AbortSignal | undefined;
}

/** What was brought up to date. */
export interface Synced {
  model: string;
  /** The name of the registered model in MLflow. */
  name: string;
  /** Versions that MLflow had not, by their version here. */
  created: string[];
  /** How many tags had another value, or none. */
  tags: number;
  /** The champion here, and the version of MLflow that the alias is on; null: there is none. */
  champion: { version: string; mlflow: string; moved: boolean } | null;
}

/** As far as it is looked at (ModelVersion, REST API of MLflow). */
interface MlflowVersion {
  version: string;
  tags: ReadonlyMap<string, string>;
}

type Server = (path: string, send: { query: Record<string, string> } | { json: unknown }) => Promise<unknown>;

const alias = 'champion';
const timeoutMs = 20_000;

/**
 * Bring a registered model of MLflow up to date with a manifest: a version for every version, told by the tag `contender.version`, its tags,
 * and the alias champion. What is so already costs two requests; what an interrupted run began is gone on with. Versions and tags of others stay.
 * REST API 2.0 of MLflow 2.3 or newer ("Create ModelVersion", "Set Registered Model Alias", ...).
 *
 * @throws UsageError for settings that do not go together; RegistryError where the server cannot be reached or says no
 */
export async function syncMlflow(manifest: Manifest, place: MlflowPlace): Promise<Synced> {
  const { settings, repository } = place;
  const server = serverOf(place);
  const { model } = manifest;
  const name = (settings.model ?? '{model}').replaceAll('{model}', model);
  const champions = await registeredModel(server, name);
  const known = await versionsOf(server, name);
  const synced: Synced = { model, name, created: [], tags: 0, champion: null };
  for (const version of manifest.versions) {
    const wanted = tagsOf(version);
    const found = known.get(version.version);
    if (found === undefined) {
      const source = sourceOf(wanted['contender.uri'] ?? '', repository);
      const tags = Object.entries(wanted).map(([key, value]) => ({ key, value }));
      const made = await server('model-versions/create', { json: { name, source, tags } });
      known.set(version.version, { version: numberIn(made), tags: new Map(Object.entries(wanted)) });
      synced.created.push(version.version);
      continue;
    }
    for (const [key, value] of Object.entries(wanted)) {
      if (found.tags.get(key) === value) continue;
      await server('model-versions/set-tag', { json: { name, version: found.version, key, value } });
      synced.tags += 1;
    }
  }
  const champion = manifest.aliases['champion']?.version;
  const there = champion === undefined ? undefined : known.get(champion);
  if (champion !== undefined && there !== undefined) {
    const moved = champions !== there.version;
    if (moved) await server('registered-models/alias', { json: { name, alias, version: there.version } });
    synced.champion = { version: champion, mlflow: there.version, moved };
  }
  return synced;
}

/** One line about it. */
export function syncText({ name, created, tags, champion }: Synced): string {
  const made = created.length === 0 ? '' : `, created ${created.join(', ')}`;
  const tagged = tags === 0 ? '' : `, ${tags} ${tags === 1 ? 'tag' : 'tags'} set`;
  const who =
    champion === null
      ? 'no champion'
      : `champion ${champion.moved ? 'is now' : 'is'} version ${champion.mlflow} (${champion.version})`;
  return `MLflow ${name}: ${who}${made}${tagged}`;
}

/** The version that the alias is on, of a registered model that is made if need be; null: on none. */
async function registeredModel(server: Server, name: string): Promise<string | null> {
  const found = (await server('registered-models/get', { query: { name } })) as {
    registered_model?: { aliases?: { alias?: string; version?: string | number }[] };
  } | null;
  if (found === null) {
    await server('registered-models/create', { json: { name } });
    return null;
  }
  const on = (found.registered_model?.aliases ?? []).find((each) => each.alias === alias)?.version;
  return on === undefined ? null : String(on);
}

/** Those that are versions of ours, by their version here; of two the older. */
async function versionsOf(server: Server, name: string): Promise<Map<string, MlflowVersion>> {
  const all: MlflowVersion[] = [];
  let token: string | undefined;
  // A server that never ends its list is none.
  for (let pages = 0; pages < 1000; pages += 1) {
    const filter = `name='${name}'`;
    const query = { filter, max_results: '200', ...(token === undefined ? {} : { page_token: token }) };
    const page = (await server('model-versions/search', { query })) as {
      model_versions?: { version?: unknown; tags?: { key?: unknown; value?: unknown }[] }[];
      next_page_token?: string;
    } | null;
    for (const { version, tags = [] } of page?.model_versions ?? []) {
      all.push({ version: String(version), tags: new Map(tags.map(({ key, value }) => [String(key), String(value)])) });
    }
    token = page?.next_page_token;
    if (token === undefined || token === '') break;
  }
  const known = new Map<string, MlflowVersion>();
  for (const each of all.toSorted((a, b) => Number(b.version) - Number(a.version))) {
    const ours = each.tags.get('contender.version');
    if (ours !== undefined) known.set(ours, each);
  }
  return known;
}

function tagsOf({ version, artifacts, seq, status }: Manifest['versions'][number]): Record<string, string> {
  const digest = modelDigest({ version, artifacts });
  const artifact = artifacts.find(({ sha256 }) => sha256 === digest) ?? artifacts[0];
  return {
    'contender.version': version,
    'contender.sha256': artifact?.sha256 ?? '',
    'contender.uri': artifact?.uri ?? '',
    'contender.decision': String(seq),
    'contender.status': status,
  };
}

/** Where MLflow is told that the model is. It takes no address whose path does not begin with a slash, as that of a commit does not. */
function sourceOf(uri: string, repository: string | undefined): string {
  const committed = committedPlace(uri);
  if (committed === null) return uri;
  const site = variable('GITHUB_SERVER_URL') ?? 'https://github.com';
  const { commit, path } = committed;
  return repository === undefined
    ? `git://commit/${commit}/${encodedPath(path)}`
    : `${site}/${repository}/raw/${commit}/${encodedPath(path)}`;
}

function numberIn(made: unknown): string {
  const { version } = (made as { model_version?: { version?: unknown } } | null)?.model_version ?? {};
  if (typeof version === 'string' || typeof version === 'number') return String(version);
  throw new RegistryError({
    found: 'MLflow created a version without a number',
    remedy: 'Check that registry.mlflow.uri is an MLflow server',
  });
}

/** How the server is asked. `null`: it has no such thing. */
function serverOf({ settings, signal }: MlflowPlace): Server {
  const named = variable('MLFLOW_TRACKING_URI');
  const uri = settings.uri ?? named;
  if (uri === null) {
    throw new UsageError({
      found: 'no address of an MLflow server',
      expected: 'https://...',
      where: 'MLFLOW_TRACKING_URI',
      remedy: 'Set registry.mlflow.uri, or the variable MLFLOW_TRACKING_URI',
    });
  }
  const place = endpoint(uri, settings.uri === undefined ? 'MLFLOW_TRACKING_URI' : 'registry.mlflow.uri');
  // Anybody may propose another address in contender.yml; the one in the environment says what the token is for.
  const meant = named === null ? null : endpoint(named, 'MLFLOW_TRACKING_URI');
  if (meant !== null && meant.origin !== place.origin) {
    throw new UsageError({
      found: `registry.mlflow.uri is at ${place.origin}, and MLFLOW_TRACKING_URI at ${meant.origin}`,
      expected: 'both on the same server',
      where: 'registry.mlflow.uri',
      remedy: 'Set only one of them, or the same server in both',
    });
  }
  const headers = authorization();
  if (headers['authorization'] !== undefined && meant === null) {
    throw new UsageError({
      found: 'credentials for MLflow without MLFLOW_TRACKING_URI',
      expected:
        'MLFLOW_TRACKING_URI set together with them: otherwise a change of contender.yml could send them to another server',
      where: 'the environment',
      remedy: `If they are for ${place.origin}, set MLFLOW_TRACKING_URI to it`,
    });
  }
  const base = `${place.origin}${place.pathname.replace(/\/+$/u, '')}/api/2.0/mlflow`;
  return async (path, send) => {
    const url = new URL(`${base}/${path}`);
    if ('query' in send) url.search = new URLSearchParams(send.query).toString();
    const more = 'json' in send ? { json: send.json } : {};
    const reply = await ask({ url, headers }, { ...more, stay: true, timeoutMs, signal });
    if (reply.status === 200) return jsonOf(reply);
    const { error_code: code } = jsonOf(reply);
    if (code === 'RESOURCE_DOES_NOT_EXIST' && 'query' in send) return null;
    // Another run came first.
    if (code === 'RESOURCE_ALREADY_EXISTS' && path === 'registered-models/create') return {};
    throw refused(reply.status, code, path, url);
  };
}

function authorization(): Record<string, string> {
  const token = credential('MLFLOW_TRACKING_TOKEN');
  if (token !== null) return { authorization: `Bearer ${token}` };
  const [user, password] = [variable('MLFLOW_TRACKING_USERNAME'), variable('MLFLOW_TRACKING_PASSWORD')];
  if (user === null || password === null) return {};
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

function refused(status: number, code: unknown, path: string, url: URL): RegistryError {
  const known = typeof code === 'string' && /^[A-Z_]{1,60}$/u.test(code) ? ` ${code}` : '';
  const isAccess = status === 401 || status === 403;
  return new RegistryError({
    found: `MLflow answered ${status}${known} to ${path}`,
    where: url.origin,
    remedy: isAccess
      ? 'Set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, of someone who may edit registered models'
      : 'Check registry.mlflow, and that the server is MLflow 2.3 or newer',
  });
}
