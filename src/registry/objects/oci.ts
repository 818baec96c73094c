import { createHash } from 'node:crypto';
import { RegistryError } from '../../errors.ts';
import { objectUri, type ObjectAddress } from '../../object-address.ts';
import { refuseHop, refuseOpen } from '../hops.ts';
import { ask, jsonOf, type Reply } from './ask.ts';
import { dockerCredentials } from './docker-credentials.ts';
import type { OpenedObject } from './opened.ts';
import { refusal } from './refusal.ts';

type OciAddress = Extract<ObjectAddress, { store: 'oci' }>;
type Headers = Record<string, string>;

const manifestTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.artifact.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const title = 'org.opencontainers.image.title';
/** ORAS packs folders so. */
const packed = 'io.deis.oras.content.unpack';

/** As far as it is looked at (OCI Image Manifest Specification). */
interface Layer {
  digest: string;
  annotations?: Record<string, unknown>;
}

/**
 * Open a layer of an artifact in a registry ("Pulling", OCI Distribution Specification 1.1), which `oras push` makes: the one there is, or
 * the one with that title. A tag is taken for the digest that its manifest has now, and the manifest vouches for the layer.
 * @throws RegistryError
 */
export async function openOci(object: OciAddress, signal?: AbortSignal): Promise<OpenedObject> {
  const uri = objectUri(object);
  const isDocker = /^(?:index\.)?docker\.io$/u.test(object.host);
  const repository = isDocker && !object.repository.includes('/') ? `library/${object.repository}` : object.repository;
  // Without encryption on this machine alone, as Docker does.
  const isHere = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/u.test(object.host);
  const base = `${isHere ? 'http' : 'https'}://${isDocker ? 'registry-1.docker.io' : object.host}/v2/${repository}`;
  const access = await accessTo(new URL(base), object.host, repository, uri, signal);
  const from = { url: new URL(`${base}/manifests/${object.reference}`), headers: access.headers };
  const get = async (): Promise<Reply> => ask(from, { headers: { accept: manifestTypes.join(', ') }, signal });
  let reply = await get();
  if (reply.status === 401) {
    await access.signIn(reply);
    reply = await get();
  }
  const { signedIn } = access;
  if (reply.status !== 200) {
    throw refusal('oci', uri, { status: reply.status, code: codeOf(reply), signedIn: signedIn() });
  }
  const digest = `sha256:${createHash('sha256').update(reply.body).digest('hex')}`;
  const stated = object.reference.startsWith('sha256:') ? object.reference : digest;
  if (digest !== stated) {
    throw new RegistryError({
      found: `the registry sent a manifest with ${digest}`,
      expected: stated,
      where: uri,
      remedy: 'Find out who changed it before anything else',
    });
  }
  const layer = layerOf(reply, object, uri);
  const key = layer.annotations?.[title];
  return {
    address: { url: new URL(`${base}/blobs/${layer.digest}`), headers: access.headers },
    object: {
      ...object,
      reference: digest,
      ...(typeof key === 'string' && object.key === undefined ? named(key) : {}),
    },
    sha256: layer.digest.slice('sha256:'.length),
    signedIn: signedIn(),
  };
}

/** A title that can stand in an address. */
function named(key: string): { key?: string } {
  return /^\w[\w.+-]{0,200}$/u.test(key) ? { key } : {};
}

function layerOf(reply: Reply, { key }: OciAddress, uri: string): Layer {
  const { layers, manifests } = jsonOf(reply);
  if (Array.isArray(manifests)) {
    throw new RegistryError({
      found: 'an index of several manifests, as for an image for several platforms',
      expected: 'one artifact, as oras push creates it',
      where: uri,
      remedy: 'Name the digest of one of its manifests',
    });
  }
  const all = (Array.isArray(layers) ? layers : []).filter(isLayer);
  const found = all.filter(({ annotations }) => key === undefined || annotations?.[title] === key);
  const [layer] = found;
  if (layer === undefined || found.length > 1) {
    const titles = all.map(({ annotations }) => JSON.stringify(annotations?.[title] ?? null).slice(0, 100));
    throw new RegistryError({
      found: `an artifact with ${all.length} layers: ${titles.slice(0, 20).join(', ')}`,
      expected:
        key === undefined ? 'one layer, or the title of a layer after #' : `one with the title ${JSON.stringify(key)}`,
      where: uri,
      remedy: 'Name the file after the address: oci://<host>/<repository>@sha256:<digest>#<title>',
    });
  }
  if (layer.annotations?.[packed] === 'true') {
    throw new RegistryError({
      found: 'a layer that is an archive of a folder',
      expected: 'a layer that is the file itself',
      where: uri,
      remedy: 'Push the files, not their folder: oras push <address> model.onnx',
    });
  }
  return layer;
}

function isLayer(value: unknown): value is Layer {
  const { digest } = (value ?? {}) as { digest?: unknown };
  return typeof digest === 'string' && /^sha256:[0-9a-f]{64}$/u.test(digest);
}

/** What gives access to a repository: nothing at first, then what the registry asks for when it says no. */
interface Access {
  headers(this: void): Promise<Headers>;
  signIn(this: void, refused: Reply): Promise<void>;
  /** Whether a person's credentials are used. */
  signedIn(this: void): boolean;
}

async function accessTo(
  base: URL,
  host: string,
  repository: string,
  uri: string,
  signal: AbortSignal | undefined,
): Promise<Access> {
  const basic = await dockerCredentials(host);
  let now: Headers = {};
  let until = Infinity;
  let renew: () => Promise<void> = () => Promise.resolve();
  return {
    signedIn: () => basic !== null,
    async headers() {
      if (Date.now() > until) await renew();
      return now;
    },
    async signIn(refused) {
      const challenge = challengeOf(refused);
      if (challenge.scheme === 'basic' && basic !== null) now = { authorization: `Basic ${basic}` };
      if (challenge.scheme !== 'bearer' || challenge.realm === undefined) return;
      // Token Authentication Specification of the registry; the scope is ours, and no more than is needed.
      const realm = new URL(challenge.realm);
      refuseOpen(realm);
      await refuseHop(base, realm);
      realm.searchParams.set('scope', `repository:${repository}:pull`);
      if (challenge.service !== undefined) realm.searchParams.set('service', challenge.service);
      renew = async () => {
        const headers = basic === null ? {} : { headers: { authorization: `Basic ${basic}` } };
        const reply = await ask({ url: realm, ...headers }, { signal });
        const { token, access_token: accessToken, expires_in: seconds } = jsonOf(reply);
        const given = token ?? accessToken;
        if (reply.status !== 200 || typeof given !== 'string') {
          throw refusal('oci', uri, { status: reply.status, code: codeOf(reply), signedIn: basic !== null });
        }
        // A minute where nothing is said; renewed a little before.
        until = Date.now() + 900 * (typeof seconds === 'number' && seconds > 0 ? seconds : 60);
        now = { authorization: `Bearer ${given}` };
      };
      await renew();
    },
  };
}

interface Challenge {
  scheme: string | undefined;
  realm?: string | undefined;
  service?: string | undefined;
}

/** What the registry asks for (RFC 9110, 11.6.1). */
function challengeOf({ headers }: Reply): Challenge {
  const text = headers.get('www-authenticate') ?? '';
  const value = (name: string): string | undefined => new RegExp(`[ ,]${name}="([^"]*)"`, 'iu').exec(text)?.[1];
  const realm = value('realm');
  return {
    scheme: /^[a-z]+/iu.exec(text)?.[0].toLowerCase(),
    ...(realm !== undefined && URL.canParse(realm) ? { realm } : {}),
    service: value('service'),
  };
}

/** ("Error Codes", OCI Distribution Specification) */
function codeOf(reply: Reply): string | undefined {
  const { errors } = jsonOf(reply);
  const [first] = Array.isArray(errors) ? (errors as { code?: unknown }[]) : [];
  return typeof first?.code === 'string' ? first.code : undefined;
}
