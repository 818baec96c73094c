import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../src/errors.ts';
import { requireEngines, type Machine } from '../../src/model/engines.ts';

test('the engines of this machine are here', () => {
  requireEngines();
});

const others: Machine[] = [
  { platform: 'linux', arch: 'arm64', libc: 'glibc' },
  { platform: 'darwin', arch: 'arm64', libc: null },
  { platform: 'win32', arch: 'x64', libc: null },
  { platform: 'linux', arch: 'x64', libc: 'musl' },
];
for (const machine of others) {
  test(`those of ${Object.values(machine).join(' ')} are not, which is told with what is expected`, () => {
    assert.throws(
      () => requireEngines(machine),
      (error) =>
        error instanceof UsageError &&
        error.message.startsWith(`${machine.platform} ${machine.arch}`) &&
        error.message.includes('Expected linux x64 with glibc') &&
        error.message.includes('runs-on: ubuntu-latest'),
    );
  });
}
