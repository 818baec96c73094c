import { readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../../test/support/project.ts';

/** Print a section of docs/benchmarks.md and put it in the place of the one of that name, or at the end. `lines`: Markdown. */
export async function publish(name: string, lines: readonly string[]): Promise<void> {
  const machine = `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
  const section = [`## ${name}`, '', `${new Date().toISOString().slice(0, 10)}, ${machine}.`, '', ...lines, ''].join(
    '\n',
  );
  console.log(section);
  const path = join(projectRoot, 'docs', 'benchmarks.md');
  const [head, ...sections] = (await readFile(path, 'utf8')).split(/^(?=## )/m);
  const place = sections.findIndex((each) => each.startsWith(`## ${name}\n`));
  if (place === -1) sections.push(section);
  else sections[place] = section;
  await writeFile(path, `${head}${sections.map((each) => `${each.trimEnd()}\n`).join('\n')}`);
}
