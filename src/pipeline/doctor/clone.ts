import { join, relative } from 'node:path';
import { defaults, type Config } from '../../config/index.ts';
import { withoutSecrets } from '../../object-address.ts';
import { commitAt, isShallow, openRepository } from '../../registry/git/repository.ts';
import { isOnBranch } from '../../registry/git/remote.ts';
import { runGit, textOf } from '../../registry/git/run.ts';
import { uncommittedEdits } from '../../registry/git/status.ts';
import { openRegistry } from '../open-registry.ts';
import type { Workspace } from '../workspace.ts';
import { requireWritable, tellFault, type Findings } from './finding.ts';

/** What is known of the clone: what is checked out, whether its history is whole, where it came from. */
export interface CloneFacts {
  /** Address of the remote `origin`, credentials taken out; undefined: there is none. */
  origin: string | undefined;
}

/** The git repository, its history, its remote and the branch of the registry. Nothing is fetched. */
export async function lookAtClone(
  tell: Findings,
  root: string,
  configPath: string | null,
  config: Config | null,
): Promise<CloneFacts> {
  const status = config?.registry?.store === 'github' ? 'note' : 'problem';
  const repository = await openRepository(root).catch((error: unknown) => tellFault(tell, 'Repository', error, status));
  if (repository === null) return { origin: undefined };
  const head = await commitAt(repository, 'HEAD');
  if (head === null)
    tell(
      'Commit',
      'problem',
      'nothing is committed yet',
      'Commit contender.yml, model and data: the registry names committed files',
    );
  else tell('Commit', 'ok', head.slice(0, 12));
  if (config?.registry?.store !== 'github') {
    await requireWritable(tell, 'Repository', join(repository.commonFolder, 'objects'), 'decisions cannot be recorded');
  }
  if (isShallow(repository)) {
    tell(
      'History',
      'problem',
      'the clone is shallow: the champion may be in an earlier commit',
      'Run git fetch --unshallow; in a workflow: actions/checkout with fetch-depth: 0',
    );
  } else tell('History', 'ok', 'whole');
  if (configPath !== null && !repository.bare) {
    const path = relative(repository.folder, configPath);
    const [edit] = await uncommittedEdits(repository.folder, [path]);
    if (edit !== undefined)
      tell(
        'contender.yml in git',
        'note',
        `it is ${edit.what}`,
        'Commit it: a decision is recorded under what is committed',
      );
  }
  const attributes = await runGit(repository.folder, [
    'grep',
    '-l',
    '--fixed-strings',
    'filter=lfs',
    '--',
    '.gitattributes',
    '**/.gitattributes',
  ]);
  if (attributes.code === 0 && (await runGit(repository.folder, ['lfs', 'version'])).code !== 0) {
    tell(
      'Git LFS',
      'note',
      'files are kept in Git LFS and git-lfs is not installed',
      'Install git-lfs and run git lfs pull; Contender itself fetches recorded objects without it',
    );
  }
  const remote = await runGit(repository.folder, ['remote', 'get-url', 'origin']);
  const origin = remote.code === 0 ? withoutSecrets(textOf(remote)) : undefined;
  const push = config?.registry?.push;
  if (push !== undefined && (await runGit(repository.folder, ['remote', 'get-url', push])).code !== 0) {
    tell(
      'Remote',
      'problem',
      `registry.push is ${push}, but there is no such remote`,
      `Run git remote add ${push} ADDRESS, or remove registry.push`,
    );
  } else if (origin !== undefined && config !== null && push === undefined && config.registry?.store !== 'github') {
    tell(
      'Remote',
      'note',
      `${origin}; decisions stay in the clone that records them`,
      'Set registry: { push: origin } in contender.yml: a workflow that records loses its clone',
    );
  } else if (push !== undefined && head !== null && !(await isOnBranch(repository, push, head))) {
    tell(
      'Remote',
      'note',
      `${origin ?? push} does not have the commit that is checked out, as far as was fetched`,
      `Push it before you register or record: git push ${push}`,
    );
  } else tell('Remote', 'ok', origin ?? 'none, and none is required');
  return { origin };
}

/** The registry: whether it opens, and which champion it has of each model. */
export async function lookAtRegistry(tell: Findings, workspace: Workspace): Promise<void> {
  const branch = workspace.config.registry?.branch ?? defaults.registryBranch;
  const registry = await openRegistry(workspace);
  for (const [model, { champion: named }] of Object.entries(workspace.config.models)) {
    const name = `Registry: ${model}`;
    const { champion, decisions } = await registry.view(model);
    if (champion !== null) {
      tell(name, 'ok', `champion ${champion.version}, ${decisions.length} decisions on ${branch}`);
    } else if (named !== undefined && named !== 'registry') {
      tell(name, 'ok', 'no champion; contender.yml names one');
    } else {
      const register = 'Record the current one: contender registry register --artifact FILE';
      const remedy = `${register}; else the first candidate needs policy.allow_first`;
      tell(name, 'note', `no champion on ${branch}`, remedy);
    }
  }
}
