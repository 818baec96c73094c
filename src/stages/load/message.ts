/** The bytes of one POST of JSON over HTTP/1.1, head and body. */
export function postMessage(url: URL, body: string | Buffer): Buffer {
  const content = typeof body === 'string' ? Buffer.from(body) : body;
  const head = [
    `POST ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    'Connection: keep-alive',
    'Content-Type: application/json',
    'Accept: application/json',
    `Content-Length: ${content.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), content]);
}
