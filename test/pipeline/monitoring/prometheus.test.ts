import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { askPrometheus } from '../../../src/pipeline/monitoring/prometheus.ts';

test('an answer of Prometheus that holds no number is told by what it holds, whatever its form', async (t) => {
  const vector = (...result: unknown[]) => ({ status: 'success', data: { resultType: 'vector', result } });
  const answers: [unknown, RegExp][] = [
    [vector({ metric: {}, histogram: [1, { count: '5', sum: '9' }] }), /gives a histogram/u],
    [vector(null), /gives a histogram/u],
    [{ status: 'success', data: { resultType: 'scalar', result: null } }, /expected one number/u],
    [{ status: 'success', data: { resultType: 'matrix', result: [{ values: [] }] } }, /gives a matrix/u],
    [{ status: 'success', data: null }, /expected one number/u],
    [{ status: 'error', error: { type: 'bad_data' } }, /answered 200/u],
    [{ ...vector({ value: [1, '5'] }), warnings: ['a store was not reached'] }, /a store was not reached/u],
  ];
  let next: unknown;
  const server = createServer((_request, response) => response.end(JSON.stringify(next)));
  t.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const [answer, told] of answers) {
    next = answer;
    const said = await askPrometheus({ url, query: 'x' }, new Date());
    assert.match('fault' in said ? said.fault : String(said.value), told);
  }
  next = vector({ metric: {}, value: [1, '5'] });
  assert.deepEqual(await askPrometheus({ url, query: 'x' }, new Date()), { value: 5 });
});
