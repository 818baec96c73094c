import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/** Clock ticks of Linux in a second. */
const ticks = 100;

/** Run a program to its end, looking at its peak memory and its time of processors, in milliseconds, on the way. */
export async function watched(
  program: string,
  args: readonly string[],
): Promise<{ whole: number; processors: number; memory: number; stdout: string }> {
  const started = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  let memory = 0;
  let processors = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  const timer = setInterval(() => {
    void readFile(`/proc/${child.pid}/status`, 'utf8').then(
      (status) => (memory = Math.max(memory, Number(/VmHWM:\s+(\d+)/u.exec(status)?.[1] ?? 0))),
      () => undefined,
    );
    void readFile(`/proc/${child.pid}/stat`, 'utf8').then(
      (stat) => (processors = Math.max(processors, processorsOf(stat))),
      () => undefined,
    );
  }, 50);
  await new Promise<void>((done, failed) => {
    child.on('error', failed);
    child.on('close', () => done());
  });
  clearInterval(timer);
  return { whole: performance.now() - started, processors, memory: Math.round(memory / 1024), stdout };
}

/** After the name of the program, which may have blanks, the 12th and 13th number are ticks in its own code and in the system's. */
function processorsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticks;
}
