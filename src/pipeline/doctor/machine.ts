import { statfs } from 'node:fs/promises';
import { tmpdir, totalmem } from 'node:os';
import { gte } from 'semver';
import type { Config } from '../../config/index.ts';
import { StagingError } from '../../errors.ts';
import { runGit, textOf } from '../../registry/git/run.ts';
import { connectEngine } from '../../staging/engine.ts';
import { telling, type Findings } from './finding.ts';

const leastNode = '20.19.0';
const leastGit = '2.30.0';
const gibibyte = 1024 ** 3;

/** Node, git, the engines that run models and read data, Docker where it is asked for, disk and memory. @param root where files are written */
export async function lookAtMachine(tell: Findings, root: string, config: Config | null): Promise<void> {
  const node = process.versions.node;
  const platform = `${node} on ${process.platform} ${process.arch}`;
  tell('Node', gte(node, leastNode) ? 'ok' : 'problem', platform, `Install Node ${leastNode} or later`);
  await telling(tell, 'git', () => lookAtGit(tell));
  await lookAtEngine(tell, 'onnxruntime', () => import('onnxruntime-node'));
  await lookAtEngine(tell, 'DuckDB', () => import('@duckdb/node-api'));
  await lookAtDocker(tell, config);
  for (const folder of new Set([root, tmpdir()])) await lookAtDisk(tell, folder);
  const memory = totalmem() / gibibyte;
  tell(
    'Memory',
    memory >= 2 ? 'ok' : 'note',
    `${memory.toFixed(1)} GiB`,
    'Large models and tables need more; limits.memory of contender.yml keeps a model within bounds',
  );
}

async function lookAtGit(tell: Findings): Promise<void> {
  const said = textOf(await runGit('.', ['--version']));
  const version = /\d+\.\d+(?:\.\d+)?/u.exec(said)?.[0] ?? '0.0';
  const enough = gte(version.split('.').length === 2 ? `${version}.0` : version, leastGit);
  tell('git', enough ? 'ok' : 'problem', version, `Install git ${leastGit} or later`);
}

async function lookAtEngine(tell: Findings, name: string, load: () => Promise<unknown>): Promise<void> {
  try {
    await load();
    tell(name, 'ok', 'loads on this machine');
  } catch (error) {
    tell(
      name,
      'problem',
      `does not load: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`,
      'Install the packages again on this machine (npm ci); there are binaries for Linux x64 with glibc, macOS and Windows',
    );
  }
}

async function lookAtDocker(tell: Findings, config: Config | null): Promise<void> {
  const asked = Object.entries(config?.models ?? {}).filter(
    ([, { staging }]) => staging !== undefined && 'image' in staging,
  );
  if (asked.length === 0) {
    tell('Docker', 'ok', 'not needed: no model of contender.yml is served by an image');
    return;
  }
  const names = asked.map(([name]) => name).join(', ');
  try {
    const engine = await connectEngine();
    const { Version: version } = await engine.version();
    tell('Docker', 'ok', `engine ${version} answers; needed by ${names}`);
  } catch (error) {
    if (!(error instanceof StagingError)) throw error;
    tell('Docker', 'problem', `${error.fault.found}; needed by ${names}`, error.fault.remedy);
  }
}

async function lookAtDisk(tell: Findings, folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = (bavail * bsize) / gibibyte;
  tell(
    'Disk',
    free >= 2 ? 'ok' : free >= 0.2 ? 'note' : 'problem',
    `${free.toFixed(1)} GiB free at ${folder}`,
    'Free some space: models and tables are copied into temporary files (TMPDIR)',
  );
}
