import assert from 'node:assert/strict';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { documentedActions, readAction } from '../../scripts/action-tables.ts';
import { node24, runAction, runNode, type CommandResult } from '../support/gate-repository.ts';
import { projectRoot } from '../support/project.ts';

/** The Nodes an action is run on: the one that runs the tests, and the one action.yml asks for. */
export const nodes = {
  [`Node ${process.versions.node}`]: process.execPath,
  'Node 24': node24,
};

const dist = process.env['CONTENDER_DIST'] ?? join(projectRoot, 'dist');

/** What a step left behind. */
export interface Step {
  exitCode: number | null;
  log: string;
  outputs: Record<string, string>;
  summary: string;
  annotations: { level: string; properties: string; message: string }[];
}

/** A folder with the actions as a runner downloads them: action.yml files and dist, and nothing else. */
export async function downloadActions(folder: string): Promise<string> {
  if (!existsSync(dist)) throw new Error(`no bundles in ${dist}: npm run bundle makes them`);
  await cp(dist, join(folder, 'dist'), { recursive: true });
  for (const action of documentedActions) {
    await mkdir(join(folder, action.folder), { recursive: true });
    await cp(join(projectRoot, action.folder, 'action.yml'), join(folder, action.folder, 'action.yml'));
  }
  return folder;
}

export interface StepInput {
  /** Of action.yml. */
  folder: string;
  node?: string;
  workspace: string;
  sha: string;
  temporary: string;
  event?: string;
  /** Name of the branch the run is of. */
  branch?: string;
  /** Beside the repository, in what started the run. */
  payload?: Record<string, unknown>;
  inputs?: Record<string, string>;
  env?: Record<string, string>;
}

/** A step of an action of this repository, not downloaded: where what is tested is not the bundling. */
export function runHere(step: StepInput): Promise<Step> {
  const name = step.folder === '.' ? 'gate' : step.folder.replace('actions/', '');
  return runIn(projectRoot, step, (cwd, env) => runAction(name, cwd, env));
}

/** Run one step as a runner does: another folder, a clean environment, the runner's files. */
export function runStep(actions: string, step: StepInput): Promise<Step> {
  return runIn(actions, step, (cwd, env, main) => runNode(join(actions, step.folder, main), [], cwd, env, step.node));
}

async function runIn(
  actions: string,
  step: StepInput,
  run: (cwd: string, env: Record<string, string>, main: string) => Promise<CommandResult>,
): Promise<Step> {
  const action = await readAction(actions, step.folder);
  for (const name of Object.keys(step.inputs ?? {})) if (!(name in action.inputs)) throw new Error(`no input ${name}`);
  const files = { GITHUB_OUTPUT: 'output', GITHUB_STEP_SUMMARY: 'summary', GITHUB_STATE: 'state', GITHUB_ENV: 'env' };
  const elsewhere = join(step.temporary, 'elsewhere');
  await mkdir(elsewhere, { recursive: true });
  for (const file of Object.values(files)) await writeFile(join(step.temporary, file), '');
  const eventPath = join(step.temporary, 'event.json');
  await writeFile(eventPath, JSON.stringify({ repository: { default_branch: 'main' }, ...step.payload }));
  const event = step.event ?? 'push';
  const env = {
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_WORKSPACE: step.workspace,
    GITHUB_REPOSITORY: 'example/spam',
    GITHUB_ACTOR: 'ada',
    GITHUB_RUN_ID: '7',
    GITHUB_RUN_ATTEMPT: '1',
    GITHUB_EVENT_NAME: event,
    GITHUB_EVENT_PATH: eventPath,
    GITHUB_REF: event === 'pull_request' ? 'refs/pull/3/merge' : `refs/heads/${step.branch ?? 'main'}`,
    GITHUB_SHA: step.sha,
    RUNNER_TEMP: step.temporary,
    ...Object.fromEntries(Object.entries(files).map(([name, file]) => [name, join(step.temporary, file)])),
    ...Object.fromEntries(
      Object.entries(step.inputs ?? {}).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
    ),
    ...step.env,
  };
  const { code, stdout, stderr } = await run(elsewhere, env, action.runs.main);
  const outputs = parseOutputs(await readFile(join(step.temporary, 'output'), 'utf8'));
  // Outputs are set whatever becomes of the step.
  assert.deepEqual(
    Object.keys(outputs).toSorted(),
    Object.keys(action.outputs).toSorted(),
    `the outputs are those declared\n${stdout}${stderr}`,
  );
  return {
    exitCode: code,
    log: stdout + stderr,
    outputs,
    summary: await readFile(join(step.temporary, 'summary'), 'utf8'),
    annotations: [...stdout.matchAll(/^::(error|warning|notice)(?: ([^:]*))?::(.*)$/gmu)].map((match) => ({
      level: match[1] ?? '',
      properties: match[2] ?? '',
      message: match[3] ?? '',
    })),
  };
}

function parseOutputs(text: string): Record<string, string> {
  const entries = text.matchAll(/^(?<name>[^\n<]+)<<(?<end>[^\n]+)\n(?<value>.*?)\n\k<end>$/gmsu);
  return Object.fromEntries([...entries].map(({ groups }) => [groups?.['name'] ?? '', groups?.['value'] ?? '']));
}
