import { spawnSync } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import { dirname, posix, relative, sep } from 'node:path';
import { shellWord } from '../wording.ts';
import { objectAddress, objectForms, objectStore, shownAddress } from '../object-address.ts';

const commands: Readonly<Record<string, string>> = {
  s3: 'aws s3 cp',
  gs: 'gcloud storage cp',
  hf: 'hf download',
  oci: 'oras pull',
  gcs: 'gcloud storage cp',
  az: 'az storage copy',
  abfs: 'azcopy copy',
  abfss: 'azcopy copy',
  wasbs: 'azcopy copy',
  hdfs: 'hdfs dfs -get',
  dbfs: 'databricks fs cp',
};

/** What is wrong with an address of a model or of data that are to be fetched; null for one that can be, and for a path. */
export function addressFault(address: string): { found: string; remedy: string } | null {
  const uri = address.replace(/#sha256=[0-9a-f]{64}$/u, '');
  const store = objectStore(uri);
  if (store === null) return howToFetch(uri);
  if (objectAddress(uri) !== null) return null;
  return { found: `this is not an address of ${store}`, remedy: `Write it as ${objectForms[store]}` };
}

/** How to fetch what a path names where only a file is read: an address of a store, or a pointer of DVC. Null for any other path. */
export function howToFetch(path: string): { found: string; remedy: string } | null {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//iu.exec(path)?.[1]?.toLowerCase();
  const command = scheme === undefined ? undefined : commands[scheme];
  if (command !== undefined) {
    const shown = shownAddress(path);
    const file = shown.split(/[?#]/u)[0]?.split('/').at(-1) ?? '';
    return {
      found: `${scheme}:// is not supported`,
      remedy: `Fetch it in an earlier step, such as: ${command} ${shown} ${file === '' ? 'data/' : file}, then name the file`,
    };
  }
  if (!/\.dvc$/iu.test(path)) return null;
  return {
    found: 'this is a DVC pointer, not the file itself',
    remedy: `Run 'dvc pull ${path}' first, then name ${path.slice(0, -'.dvc'.length)}`,
  };
}

/**
 * What brings a file that is not there: DVC keeps a pointer to it beside it, git has it and did not check it out, the link that it is leads
 * nowhere, or it was written with backslashes; else undefined.
 */
export function pulledWith(path: string, shown: string): string | undefined {
  if (existsSync(`${path}.dvc`)) return `DVC keeps it: run 'dvc pull ${shown}.dvc' first`;
  const link = readLink(path);
  if (link !== null && !existsSync(path))
    return `It is a link to ${JSON.stringify(link)}, whose target does not exist: correct the link`;
  if (shown.includes('\\') && existsSync(path.replaceAll('\\', '/'))) {
    return `Write it with slashes: ${shown.replaceAll('\\', '/')}`;
  }
  // What is there, and cannot be opened, git does not bring.
  return existsSync(path) ? undefined : checkedOutWith(path);
}

function readLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

function checkedOutWith(path: string): string | undefined {
  let folder = dirname(path);
  while (!existsSync(folder)) folder = dirname(folder);
  // A repository of another user (a job container) is only read, and none of its programs is started.
  const settings = ['safe.directory=*', 'core.fsmonitor=false', 'core.quotePath=off'].flatMap((each) => ['-c', each]);
  const git = (...args: string[]): string =>
    spawnSync('git', [...settings, ...args], { cwd: folder, encoding: 'utf8', timeout: 10_000 }).stdout ?? '';
  const way = relative(folder, path).split(sep).join('/');
  const [, tag, file] = /^(\w) (.+)\n$/u.exec(git('ls-files', '-t', '--full-name', '--', `:(literal)${way}`)) ?? [];
  if (file !== undefined) {
    if (tag !== 'S') return `It is committed, and was deleted here: ${atRoot('restore', file)}`;
    const part = posix.dirname(file) === '.' ? file : posix.dirname(file);
    return `It is committed, and the sparse checkout of this clone leaves it out: ${atRoot('sparse-checkout add', part)} (in a workflow: the input sparse-checkout of actions/checkout)`;
  }
  const full = posix.join(git('rev-parse', '--show-prefix').trim(), way).split('/');
  const ancestors = full.map((_, depth) => full.slice(0, depth + 1).join('/'));
  const [, submodule] = /^160000 .*\t(.+)$/mu.exec(git('ls-tree', '--full-tree', 'HEAD', '--', ...ancestors)) ?? [];
  if (submodule === undefined) return undefined;
  return `The submodule ${submodule} is not checked out: ${atRoot('submodule update --init', submodule)} (in a workflow: the input submodules of actions/checkout)`;
}

/** git takes a path from the folder it runs in, and says it from the root. */
function atRoot(command: string, path: string): string {
  return `at the root of the repository run 'git ${command} ${shellWord(path)}'`;
}
