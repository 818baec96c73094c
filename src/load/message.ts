/** The bytes of one POST of JSON over HTTP/1.1, head and body. Credentials in the URL become basic authentication. */
export function postMessage(url: URL, body: string | Buffer): Buffer {
  const content = typeof body === 'string' ? Buffer.from(body) : body;
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const head = [
    `POST ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    'Connection: keep-alive',
    ...(credentials === ':' ? [] : [`Authorization: Basic ${Buffer.from(credentials).toString('base64')}`]),
    'Content-Type: application/json',
    'Accept: application/json',
    `Content-Length: ${content.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), content]);
}
