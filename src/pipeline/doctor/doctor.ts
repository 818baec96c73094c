import { realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Config } from '../../config/index.ts';
import { textCell, type Section } from '../../report/section.ts';
import { loadConfig } from '../configuration.ts';
import { openWorkspace } from '../workspace.ts';
import { lookAtClone, lookAtRegistry } from './clone.ts';
import { lookAtFiles } from './configured.ts';
import { collect, requireWritable, tellFault, telling, type DoctorInput, type Finding } from './finding.ts';
import { lookAtGitHub } from './github.ts';
import { lookAtMachine } from './machine.ts';

export type { DoctorInput, Finding } from './finding.ts';

/** Look at all that a gate needs, and change nothing: machine, clone, configuration, and GitHub where there is a token. */
export async function diagnose(input: DoctorInput): Promise<Finding[]> {
  const { root, config: path } = input;
  const findings: Finding[] = [];
  const tell = collect('configuration', findings);
  const reading = loadConfig(resolve(root, path), path);
  const config = await reading.catch((error: unknown) => tellFault(tell, 'contender.yml', error));
  if (config !== null) {
    const names = Object.keys(config.models);
    tell('contender.yml', 'ok', `valid; ${names.length === 1 ? 'model' : 'models'} ${names.join(', ')}`);
    await lookAtFiles(tell, config, dirname(resolve(root, path)));
  }
  await lookAtMachine(collect('machine', findings), root, config);
  await requireWritable(tell, 'Output', await nearestFolder(resolve(root, input.out)), 'no report can be written');
  const clone = collect('clone', findings);
  const { origin } = await lookAtClone(
    clone,
    root,
    config === null ? null : await realpath(resolve(root, path)),
    config,
  );
  if (config !== null) await lookAtRegistryOf(clone, input, config);
  await lookAtGitHub(collect('GitHub', findings), input, origin, config);
  return findings;
}

/** The folder itself, or the one that it will be made in. */
async function nearestFolder(folder: string): Promise<string> {
  return (await stat(folder).catch(() => null)) === null ? nearestFolder(dirname(folder)) : folder;
}

async function lookAtRegistryOf(tell: ReturnType<typeof collect>, input: DoctorInput, config: Config): Promise<void> {
  const { store } = config.registry ?? {};
  if (store === 'github' && (input.github.token ?? '') === '') return;
  const workspace = await openWorkspace({ ...input, anyModel: true });
  await telling(tell, 'Registry', () => lookAtRegistry(tell, workspace));
}

const moods = { ok: 'good', note: 'open', problem: 'bad' } as const;
const titles = {
  machine: 'Machine',
  clone: 'Clone and registry',
  configuration: 'Configuration',
  GitHub: 'GitHub',
} as const;

/** The findings as tables, an area each. */
export function doctorSections(findings: readonly Finding[]): Section[] {
  return (Object.keys(titles) as Finding['area'][]).map((area) => ({
    title: titles[area],
    columns: ['', 'What', 'Found', 'What to do'],
    rows: findings
      .filter((finding) => finding.area === area)
      .map(({ status, name, found, remedy = '' }) => [
        { text: status, kind: 'verdict', mood: moods[status] },
        textCell(name),
        textCell(found),
        textCell(remedy),
      ]),
    importance: 1,
  }));
}
