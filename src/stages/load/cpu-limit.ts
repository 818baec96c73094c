import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** Of a group of processes with a CPU limit: periods of its quota so far, and those in which it was held back. */
interface Quota {
  periods: number;
  throttled: number;
}

/**
 * Start observing the CPU limits that this process is under (control groups of Linux: a pod, a container, a service, and whatever is around
 * it); the returned function says in what share of the time the tightest of them has held it back. Null: there is none, or none is known.
 * A machine with such a limit looks idle while nothing on it gets on.
 * @param root of the file system
 */
export function observeCpuLimit(root = '/'): () => number | null {
  const files = statFiles(root);
  const before = files.map(quotaIn);
  return () => {
    const shares = files.flatMap((file, index) => {
      const [then, now] = [before[index] ?? null, quotaIn(file)];
      if (then === null || now === null || now.periods <= then.periods) return [];
      return [(now.throttled - then.throttled) / (now.periods - then.periods)];
    });
    return shares.length === 0 ? null : Math.max(...shares);
  };
}

/** Of the group of this process and of each around it, in the first or the second version of control groups (cgroups(7)). */
function statFiles(root: string): string[] {
  const lines = (textOf(join(root, 'proc/self/cgroup')) ?? '').split('\n');
  return lines.flatMap((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(\/.*)$/u.exec(line) ?? [];
    if (path === '' || (controllers !== '' && !controllers.split(',').includes('cpu'))) return [];
    const files: string[] = [];
    // A container may see its own group at the top, whatever the path is called outside.
    for (let group = path; ; group = posix.dirname(group)) {
      files.push(join(root, 'sys/fs/cgroup', controllers, group, 'cpu.stat'));
      if (group === '/') return files;
    }
  });
}

function quotaIn(file: string): Quota | null {
  const text = textOf(file) ?? '';
  const [periods, throttled] = ['nr_periods', 'nr_throttled'].map((name) =>
    Number(new RegExp(`^${name} (\\d+)$`, 'mu').exec(text)?.[1] ?? Number.NaN),
  ) as [number, number];
  return Number.isNaN(periods + throttled) ? null : { periods, throttled };
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null; // not Linux, or not seen from here
  }
}
