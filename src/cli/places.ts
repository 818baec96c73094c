import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { asConfigured } from '../pipeline/typed.ts';

/** Where a command works, and what the paths mean that a person types. */
export interface Places {
  /** Absolute path of the workspace: the folder named, else the top of the git repository, else where the person is. */
  root: string;
  /** Path of the configuration from the root: the file named, else the nearest contender.yml from here up to the root. */
  config: string;
  /** A path that was typed, as one from the root. */
  fromRoot(path: string): string;
  /** A reference that was typed, as contender.yml would have it: addresses and `registry` are what they are. */
  asConfigured(reference: string): string;
}

const configName = 'contender.yml';

/** Paths are typed from where the person is; with --workspace from there. */
export function placesOf(options: { workspace?: string | undefined; config?: string | undefined }): Places {
  const here = resolve(options.workspace ?? '.');
  const root = options.workspace === undefined ? (nearestWith('.git', here, dirname) ?? here) : here;
  const fromRoot = (path: string): string => relative(root, resolve(here, path)) || '.';
  const found = nearestWith(configName, here, (folder) => (folder === root ? folder : dirname(folder)));
  const config = fromRoot(options.config ?? join(found ?? here, configName));
  return {
    root,
    config,
    fromRoot,
    asConfigured: (reference) => asConfigured(reference, { from: here, config: resolve(root, config) }),
  };
}

/** A path as a person here would type it. */
export function shown(path: string): string {
  const way = relative('.', path) || '.';
  return way.length < path.length ? way : path;
}

/** The nearest folder that has an entry `name`, going up as `above` says until it goes no further. */
function nearestWith(name: string, folder: string, above: (folder: string) => string): string | undefined {
  if (existsSync(join(folder, name))) return folder;
  const next = above(folder);
  return next === folder ? undefined : nearestWith(name, next, above);
}
