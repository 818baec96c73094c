import { Worker } from 'node:worker_threads';

/** What a process says before it ends itself for using too much memory. */
export const memoryNotice = 'contender: memory limit exceeded';

/**
 * Watch this process from a thread of its own, which goes on while a model blocks the main one: it ends the process when its
 * parent has died, so that none is left behind, and when resident memory exceeds the limit.
 */
export function startWatchdog(memoryBytes: number): void {
  const code = `
    const { writeSync } = require('node:fs');
    const { workerData } = require('node:worker_threads');
    setInterval(() => {
      const used = process.memoryUsage.rss();
      if (used > workerData.memoryBytes) {
        try { writeSync(2, '\\n' + workerData.notice + ': ' + used + '\\n'); } catch {}
      } else if (process.ppid === workerData.parent) return;
      process.kill(process.pid, 'SIGKILL');
    }, 50);`;
  new Worker(code, { eval: true, workerData: { memoryBytes, notice: memoryNotice, parent: process.ppid } }).unref();
}
