import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/** Run a program to its end, looking at its peak memory on the way. */
export async function watched(
  program: string,
  args: readonly string[],
): Promise<{ whole: number; memory: number; stdout: string }> {
  const started = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  let memory = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  const timer = setInterval(() => {
    void readFile(`/proc/${child.pid}/status`, 'utf8').then(
      (status) => (memory = Math.max(memory, Number(/VmHWM:\s+(\d+)/u.exec(status)?.[1] ?? 0))),
      () => undefined,
    );
  }, 50);
  await new Promise<void>((done, failed) => {
    child.on('error', failed);
    child.on('close', () => done());
  });
  clearInterval(timer);
  return { whole: performance.now() - started, memory: Math.round(memory / 1024), stdout };
}
