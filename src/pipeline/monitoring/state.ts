import { defaults } from '../../config/defaults.ts';
import { RegistryError, UsageError } from '../../errors.ts';
import { MonitoringState, WindowRecord, monitoringSchemaId } from '../../monitor/record.ts';
import { monitoredOf } from '../../monitor/schema.ts';
import { openGitFiles, openGitHubFiles, type BranchFiles, type FilesAt } from '../../registry/branch-files.ts';
import { firstFault, validatorOf, type LazyValidator } from '../../validator.ts';
import { gitHubOf } from '../open-registry.ts';
import type { Workspace } from '../workspace.ts';
import { jsonIn } from '../../json.ts';

/*
 * What monitoring remembers: a branch beside the registry, which holds nothing that a promotion depends on.
 *   <model>/state.json           baselines of champions, what was told, retrainings
 *   <model>/windows/2026.jsonl   a window a line
 */

const defaultBranch = 'model-monitoring';

export interface Remembered {
  state: MonitoringState;
  /** In order of time. */
  records: WindowRecord[];
  at: FilesAt;
}

export interface Memory {
  read(now: Date): Promise<Remembered>;
  /** Keep what changed since it was read. False: somebody else was first. */
  write(from: Remembered, now: Pick<Remembered, 'state' | 'records'>, message: string): Promise<boolean>;
}

/** @throws RegistryError, UsageError */
export async function openMemory(workspace: Workspace): Promise<Memory> {
  const files = await openFiles(workspace);
  const { model } = workspace;
  return {
    async read(now) {
      // Two years and more hold every window that is judged.
      const years = [now.getUTCFullYear() - 2, now.getUTCFullYear() - 1, now.getUTCFullYear()];
      const at = await files.read([statePath(model), ...years.map((year) => windowsPath(model, year))]);
      const text = at.files.get(statePath(model));
      const state: MonitoringState =
        text === undefined
          ? { schema: monitoringSchemaId, model, champions: [], told: {}, retrainings: [] }
          : checked(text, isState, statePath(model));
      const records = years.flatMap((year) => {
        const path = windowsPath(model, year);
        const lines = (at.files.get(path) ?? '').split('\n').filter((line) => line !== '');
        return lines.map((line, index) => checked(line, isWindow, `${path}:${index + 1}`));
      });
      return { state, records: records.sort((a, b) => a.start.localeCompare(b.start)), at };
    },
    async write(from, { state, records }, message) {
      const changed = new Map<string, string>();
      const keep = (path: string, text: string): void => {
        if (from.at.files.get(path) !== text) changed.set(path, text);
      };
      keep(statePath(model), `${JSON.stringify(state, null, 2)}\n`);
      for (const year of new Set(records.map(yearOf))) {
        const some = records.filter((record) => yearOf(record) === year);
        keep(windowsPath(model, year), some.map((record) => `${JSON.stringify(record)}\n`).join(''));
      }
      if (changed.size === 0) return true;
      return files.write(from.at, changed, message);
    },
  };
}

async function openFiles(workspace: Workspace): Promise<BranchFiles> {
  const { config, log, modelConfig } = workspace;
  const branch = monitoredOf(modelConfig).monitor?.branch ?? defaultBranch;
  if (branch === (config.registry?.branch ?? defaults.registryBranch)) {
    throw new UsageError({
      found: `${branch} is the branch of the registry`,
      expected: 'another branch: the branch of the registry may contain only recorded decisions',
      where: 'monitor.branch',
    });
  }
  if (config.registry?.store === 'github') return openGitHubFiles((await gitHubOf(workspace)).github, branch);
  const repository = await workspace.repository();
  return openGitFiles({ repository, branch, push: config.registry?.push, log });
}

function yearOf({ start }: WindowRecord): number {
  return Number(start.slice(0, 4));
}

function statePath(model: string): string {
  return `${model}/state.json`;
}

function windowsPath(model: string, year: number): string {
  return `${model}/windows/${year}.jsonl`;
}

const isState = validatorOf<MonitoringState>(MonitoringState);
const isWindow = validatorOf<WindowRecord>(WindowRecord);

function checked<T>(text: string, valid: LazyValidator<T>, where: string): T {
  const value = jsonIn(text);
  if (value !== undefined && valid(value)) return value;
  throw new RegistryError({
    found: `this file was not written by monitoring: ${value === undefined ? 'it is not JSON' : firstFault(valid)}`,
    where,
    remedy:
      'Restore the file from the history of the branch, or remove it: the data still in the logs are then evaluated again',
  });
}
