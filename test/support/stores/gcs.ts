import { json, withServer } from './serve.ts';
import { serve } from './s3.ts';

/** Google Cloud Storage by its JSON API ("Objects: get"): objects with generations. */
export interface GcsStandIn {
  endpoint: string;
  /** Returns the generation. */
  put(bucket: string, key: string, bytes: Uint8Array): string;
  seen: string[];
  /** Absent: anybody may read. */
  token?: string;
  behaviour: { truncated?: number };
}

export function withGcs<T>(work: (store: GcsStandIn) => Promise<T>): Promise<T> {
  const objects = new Map<string, { generation: string; bytes: Buffer }[]>();
  let generations = 1_716_239_022_000_000;
  const store: GcsStandIn = {
    endpoint: '',
    seen: [],
    behaviour: {},
    put(bucket, key, bytes) {
      const generation = String((generations += 1));
      const place = `${bucket}/${key}`;
      objects.set(place, [...(objects.get(place) ?? []), { generation, bytes: Buffer.from(bytes) }]);
      return generation;
    },
  };
  return withServer(
    (request, response, [site]) => {
      const { url = '', headers } = request;
      const { pathname, searchParams } = new URL(url, site);
      store.seen.push(`${pathname} ${(headers.authorization ?? 'none').split(' ')[0]}`);
      const fail = (code: number, message: string): void => json(response, code, { error: { code, message } });
      const isKnown = headers.authorization === `Bearer ${store.token}`;
      if (store.token !== undefined && !isKnown) {
        return headers.authorization === undefined ? fail(401, 'Anonymous caller') : fail(401, 'Invalid Credentials');
      }
      const [, bucket = '', key = ''] = /^\/storage\/v1\/b\/([^/]+)\/o\/([^/]+)$/u.exec(pathname) ?? [];
      const all = objects.get(`${decodeURIComponent(bucket)}/${decodeURIComponent(key)}`);
      const wanted = searchParams.get('generation');
      const found = wanted === null ? all?.at(-1) : all?.find(({ generation }) => generation === wanted);
      if (found === undefined) return fail(404, 'No such object');
      const { generation, bytes } = found;
      if (searchParams.get('alt') !== 'media') return json(response, 200, { generation, size: String(bytes.length) });
      serve(bytes, { 'x-goog-generation': generation }, request, response, store.behaviour);
    },
    ([site]) => {
      store.endpoint = site;
      return work(store);
    },
  );
}
