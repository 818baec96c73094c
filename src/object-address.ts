/** Whether a text is an address, with a scheme, and no path. */
export function isAddress(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:/iu.test(text);
}

/** A file in a store of objects, by its address. What may be absent says which bytes: with it, they never change. */
export type ObjectAddress =
  | { store: 's3'; bucket: string; key: string; version?: string | undefined }
  | { store: 'gs'; bucket: string; key: string; generation?: string | undefined }
  | {
      store: 'hf';
      kind: 'models' | 'datasets' | 'spaces';
      repository: string;
      revision?: string | undefined;
      key: string;
    }
  | {
      store: 'oci';
      /** With its port, if it has one. */
      host: string;
      repository: string;
      /** A tag, or `sha256:<digest>` of the manifest. */
      reference: string;
      /** The title of the layer (org.opencontainers.image.title); of an artifact with one layer it may be absent. */
      key?: string | undefined;
    };

/** How addresses are written, by their scheme. */
export const objectForms: Readonly<Record<ObjectAddress['store'], string>> = {
  s3: 's3://<bucket>/<key>, then ?versionId=<version> for one version of it',
  gs: 'gs://<bucket>/<object>, then #<generation> for one version of it',
  hf: 'hf://<owner>/<repository>@<revision>/<path>',
  oci: 'oci://<host>/<repository>@sha256:<digest> or :<tag>, then #<title> for one of several layers',
};

/** The store that the scheme of an address names; null for any other text. */
export function objectStore(uri: string): ObjectAddress['store'] | null {
  return (/^(s3|gs|hf|oci):\/\//u.exec(uri)?.[1] ?? null) as ObjectAddress['store'] | null;
}

/** What an address says; null for one of another scheme, and for one that is not written as `objectForms` says. */
export function objectAddress(uri: string): ObjectAddress | null {
  // eslint-disable-next-line no-control-regex
  if (uri.length > 4096 || /[\u0000-\u001f\u007f\\]/u.test(uri)) return null;
  const store = objectStore(uri);
  return store === null ? null : readers[store](uri.slice(store.length + 3));
}

/** The address as it is written; reading it gives the same again. */
export function objectUri(address: ObjectAddress): string {
  switch (address.store) {
    case 's3':
      return `s3://${address.bucket}/${address.key}${address.version === undefined ? '' : `?versionId=${encodeURIComponent(address.version)}`}`;
    case 'gs':
      return `gs://${address.bucket}/${address.key}${address.generation === undefined ? '' : `#${address.generation}`}`;
    case 'hf': {
      const { kind, repository, revision, key } = address;
      const at = revision === undefined ? '' : `@${encodeURIComponent(revision)}`;
      return `hf://${kind === 'models' ? '' : `${kind}/`}${repository}${at}/${key}`;
    }
    case 'oci': {
      const { host, repository, reference, key } = address;
      return `oci://${host}/${repository}${reference.startsWith('sha256:') ? '@' : ':'}${reference}${key === undefined ? '' : `#${key}`}`;
    }
  }
}

/**
 * An address as messages show it: of what is no object of a store, what follows the path may be a secret (presigned addresses, SAS of
 * Azure), and a password before the host is one. A path stays as it is.
 */
export function shownAddress(uri: string): string {
  if (objectAddress(uri) !== null || !/^[a-z][a-z0-9+.-]*:\/\//iu.test(uri)) return uri;
  return uri
    .replace(/[?#].*$/su, '')
    .replace(/^([^:]+:\/\/)[^/@]*:[^/]*@/u, '$1')
    .replace(/^(https?:\/\/)[^/]*@/iu, '$1');
}

/**
 * What in an address lets whoever knows it read what is there: what is before the host (a token may be a user name), or a parameter of a signed address (S3, Google
 * Cloud Storage, SAS of Azure, CloudFront, tokens of GitLab and GitHub), by its name. Null: nothing known.
 */
export function secretIn(uri: string): string | null {
  if (!/^https?:/iu.test(uri) || !URL.canParse(uri)) return null;
  const url = new URL(uri);
  if (url.username !== '' || url.password !== '') return beforeHost;
  const parameters = [...url.searchParams, ...new URLSearchParams(url.hash.slice(1))];
  const isSecret = ([name, value]: [string, string]): boolean =>
    value !== '' && (secretParameter.test(name) || (/^(?:key|code)$/iu.test(name) && /^[\w-]{20,}=*$/u.test(value)));
  return parameters.find(isSecret)?.[0] ?? null;
}

/** A text, such as git's words or a value of contender.yml, without what is secret in the addresses that it holds; see `secretIn`. */
export function withoutSecrets(text: string): string {
  return text
    .replace(/(https?:\/\/)[^\s/'"]+@/giu, '$1')
    .replace(/(:\/\/)[^\s/:@'"]*:[^\s/'"]+@/gu, '$1')
    .replace(/([?&#]([\w-]+)=)[^\s&#'"]+/gu, (whole, start: string, name: string) =>
      secretParameter.test(name) ? `${start}…` : whole,
    );
}

export const beforeHost = 'a user name or password';

const secretParameter =
  /(?:^sig|signature|hmac|token|jwt|secret|passw(?:or)?d|pwd|credentials?|rlkey|(?:api|access|secret|private|subscription|account|shared)[-_]?key(?:[-_]?id)?|access[-_]?id|key-pair-id|authorization|auth)$/iu;

/** Whether the address says by itself which bytes it is of. */
export function isPinned(address: ObjectAddress): boolean {
  switch (address.store) {
    case 's3':
      return address.version !== undefined;
    case 'gs':
      return address.generation !== undefined;
    case 'hf':
      return /^[0-9a-f]{40}$/u.test(address.revision ?? '');
    case 'oci':
      return address.reference.startsWith('sha256:');
  }
}

type Reader = (rest: string) => ObjectAddress | null;

/** Buckets of before 2018 may have capitals and underscores. */
const bucketAndKey = '(?<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,221}[A-Za-z0-9])/(?<key>';

const readers: Readonly<Record<ObjectAddress['store'], Reader>> = {
  s3(rest) {
    const { bucket, key, version } =
      new RegExp(`^${bucketAndKey}[^?#]+)(?:\\?versionId=(?<version>[^?#&]+))?$`, 'u').exec(rest)?.groups ?? {};
    const decoded = version === undefined ? undefined : decodedText(version);
    if (bucket === undefined || !isPlain(key) || decoded === null) return null;
    return { store: 's3', bucket, key, ...(decoded === undefined ? {} : { version: decoded }) };
  },
  gs(rest) {
    const { bucket, key, generation } =
      new RegExp(`^${bucketAndKey}[^?#]+)(?:#(?<generation>[0-9]{1,20}))?$`, 'u').exec(rest)?.groups ?? {};
    if (bucket === undefined || !isPlain(key)) return null;
    return { store: 'gs', bucket, key, ...(generation === undefined ? {} : { generation }) };
  },
  hf(rest) {
    const { kind, repository, revision, key } =
      /^(?:(?<kind>models|datasets|spaces)\/)?(?<repository>\w[\w.-]*\/\w[\w.-]*)(?:@(?<revision>[^/?#@]+))?\/(?<key>[^?#]+)$/u.exec(
        rest,
      )?.groups ?? {};
    const decoded = revision === undefined ? undefined : decodedText(revision);
    if (repository === undefined || !isPlain(key) || decoded === null) return null;
    // A revision may be refs/pr/1, and lead nowhere else.
    if (decoded !== undefined && !isPlain(decoded)) return null;
    return {
      store: 'hf',
      kind: (kind ?? 'models') as 'models',
      repository,
      key,
      ...(decoded === undefined ? {} : { revision: decoded }),
    };
  },
  /** Names and tags as the Distribution Specification has them ("Pulling manifests"). */
  oci(rest) {
    const { host, repository, digest, tag, key } =
      /^(?<host>(?:[A-Za-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]+)?)\/(?<repository>[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)(?:@(?<digest>sha256:[0-9a-f]{64})|:(?<tag>\w[\w.-]{0,127}))(?:#(?<key>.+))?$/u.exec(
        rest,
      )?.groups ?? {};
    const reference = digest ?? tag;
    if (host === undefined || repository === undefined || reference === undefined) return null;
    if (key !== undefined && !isPlain(key)) return null;
    return { store: 'oci', host, repository, reference, ...(key === undefined ? {} : { key }) };
  },
};

/** A path that stays below where it starts: what resolves an address would take `..` for a step up. */
function isPlain(path: string | undefined): path is string {
  return path !== undefined && path.split('/').every((part) => !['', '.', '..'].includes(part));
}

function decodedText(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
