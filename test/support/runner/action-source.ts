import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readActionFile, type ActionFile } from './workflow-file.ts';
import type { JobState } from './job-state.ts';

/** What `uses:` stands for: a folder with an action.yml, or one of our own in place of an action that cannot be had here. */
export type Action = { kind: 'files'; folder: string; file: ActionFile } | { kind: 'stand-in'; standIn: StandIn };

/** Does what an action does, on real files, real git and the stand-in of the API. */
export interface StandIn {
  /** The inputs it takes and their defaults, which may be expressions without their `${{ }}`. */
  inputs: Record<string, string>;
  main(step: StandInStep): Promise<void>;
  post?(step: StandInStep): Promise<void>;
}

export interface StandInStep {
  input(name: string): string;
  /** Outputs of main. */
  output(name: string, value: string): void;
  log(line: string): void;
  /** What a process of the step would find in its environment. */
  env: Record<string, string>;
  /** Kept from main to post. */
  state: Record<string, string>;
  job: JobState;
  signal: AbortSignal;
}

/** Finds actions of other repositories by `owner/name`. */
export interface ActionSource {
  /** Checked-out trees of repositories, whatever the ref. */
  repositories: Record<string, string>;
  standIns: Record<string, StandIn>;
}

/** The action that `uses` names. @throws Error as the runner words it */
export async function findAction(uses: string, source: ActionSource, workspace: string): Promise<Action> {
  if (uses.startsWith('./')) return fromFolder(join(workspace, uses), uses);
  const [, repository = '', path = '', ref = ''] = /^([^/@]+\/[^/@]+)(?:\/([^@]*))?@(.+)$/u.exec(uses) ?? [];
  if (ref === '') throw new Error(`Invalid action reference '${uses}'`);
  const standIn = source.standIns[path === '' ? repository : `${repository}/${path}`];
  if (standIn !== undefined) return { kind: 'stand-in', standIn };
  const tree = source.repositories[repository];
  if (tree === undefined) throw new Error(`Unable to resolve action \`${uses}\`, repository not found`);
  return fromFolder(join(tree, path), uses);
}

async function fromFolder(folder: string, uses: string): Promise<Action> {
  const path = ['action.yml', 'action.yaml'].map((name) => join(folder, name)).find((name) => existsSync(name));
  if (path === undefined) {
    throw new Error(
      `Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '${folder}'. Did you forget to run actions/checkout before running your local action? (${uses})`,
    );
  }
  return { kind: 'files', folder, file: readActionFile(path, await readFile(path, 'utf8')) };
}
