import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { observeCpuLimit } from '../../../src/stages/load/cpu-limit.ts';
import { inTemporaryFolder } from '../../support/project.ts';

/** `cpu.stat` as the kernel writes it. */
const stat = (periods: number, throttled: number): string =>
  `usage_usec 1\nnr_periods ${periods}\nnr_throttled ${throttled}\nthrottled_usec 1\nnr_bursts 0\n`;

/** What is told between two states of the same files. */
function between(
  groups: string,
  before: Record<string, string>,
  after: Record<string, string>,
): Promise<number | null> {
  return inTemporaryFolder(async (root) => {
    const write = async (files: Record<string, string>): Promise<void> => {
      for (const [name, text] of Object.entries(files)) {
        await mkdir(dirname(join(root, name)), { recursive: true });
        await writeFile(join(root, name), text);
      }
    };
    await write({ 'proc/self/cgroup': groups, ...before });
    const told = observeCpuLimit(root);
    await write(after);
    return told();
  });
}

describe('the CPU limit around a load test', () => {
  test('is that of its own container, which sees itself at the top', async () => {
    const file = 'sys/fs/cgroup/cpu.stat';
    assert.equal(await between('0::/\n', { [file]: stat(100, 40) }, { [file]: stat(140, 60) }), 0.5);
    assert.equal(await between('0::/kubepods/pod1\n', { [file]: stat(100, 40) }, { [file]: stat(140, 60) }), 0.5);
  });

  test('may be that of a group around it, in either version of control groups', async () => {
    const [own, around] = ['sys/fs/cgroup/a.slice/b.scope/cpu.stat', 'sys/fs/cgroup/a.slice/cpu.stat'];
    const moved = between(
      '0::/a.slice/b.scope\n',
      { [own]: stat(10, 0), [around]: stat(10, 0) },
      { [own]: stat(20, 1), [around]: stat(20, 8) },
    );
    assert.equal(await moved, 0.8);
    const first = 'sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.stat';
    const groups = '5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n0::/\n';
    assert.equal(await between(groups, { [first]: stat(0, 0) }, { [first]: stat(4, 3) }), 0.75);
  });

  test('is none where no period of one has passed, and where nothing says it', async () => {
    const file = 'sys/fs/cgroup/cpu.stat';
    assert.equal(await between('0::/\n', { [file]: stat(0, 0) }, { [file]: stat(0, 0) }), null);
    assert.equal(await between('0::/\n', { [file]: 'usage_usec 1\n' }, { [file]: 'usage_usec 2\n' }), null);
    assert.equal(await between('', {}, {}), null);
  });
});
