type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/**
 * `fetch`, through the proxy that https_proxy, http_proxy and no_proxy name for this address, as every tool on a runner does it.
 * Node's own fetch knows no proxies before Node 24; the libraries for it are loaded only where there is one.
 */
export function connect(apiUrl: string): Fetch {
  if (!isAnyNamed()) return (url, init) => fetch(url, init);
  let proxied: Promise<Fetch> | undefined;
  return async (url, init) => {
    proxied ??= throughProxy(apiUrl);
    return (await proxied)(url, init);
  };
}

/** Whether `connect` goes through a proxy to this address. */
export async function isProxied(url: string): Promise<boolean> {
  if (!isAnyNamed()) return false;
  const { HttpClient } = await import('@actions/http-client');
  return new HttpClient().getAgentDispatcher(url) !== undefined;
}

function isAnyNamed(): boolean {
  return ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY'].some((name) => (process.env[name] ?? '') !== '');
}

async function throughProxy(apiUrl: string): Promise<Fetch> {
  const [{ HttpClient }, undici] = await Promise.all([import('@actions/http-client'), import('undici')]);
  const dispatcher = new HttpClient().getAgentDispatcher(apiUrl);
  if (dispatcher === undefined) return (url, init) => fetch(url, init);
  const request = undici.fetch as unknown as (url: string, init: object) => Promise<Response>;
  return (url, init) => request(url, { ...init, dispatcher });
}
