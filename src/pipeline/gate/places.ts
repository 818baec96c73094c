import { readFile } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { placeOfKeys } from '../../config/index.ts';
import { ConfigError, instead, RegistryError } from '../../errors.ts';
import type { Check, Evidence } from '../../evidence/index.ts';
import { openRepository } from '../../registry/git/repository.ts';
import { Model, whereOf } from '../configuration.ts';
import type { Workspace } from '../workspace.ts';

/**
 * The evidence with a place for every check that did not pass: its own, as a path from the top of the repository, or the line
 * of contender.yml that asks for it.
 */
export async function withPlaces(workspace: Workspace, evidence: readonly Evidence[]): Promise<Evidence[]> {
  const config = await readFile(workspace.configPath, 'utf8');
  const top = await topOf(workspace);
  const file = pathFrom(top, workspace.configPath);
  const placed = (check: Check): Check => {
    if (check.verdict !== 'fail' && check.verdict !== 'inconclusive') return check;
    const own = check.location === undefined ? undefined : fromTop(top, workspace.folder, check.location.file);
    if (own !== undefined) return { ...check, location: { ...check.location, file: own } };
    const keys = ['models', workspace.model, ...whereOf(check.id, workspace.modelConfig)];
    return { ...check, location: { file, ...placeOfKeys(config, keys) } };
  };
  return evidence.map((each) => ({ ...each, checks: each.checks.map(placed) }));
}

/** Do `work`; what it finds wrong with a key of the model's configuration is told with the line of contender.yml that has it. */
export async function withLines<T>(workspace: Workspace, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const named = /^(?:models\.[^.]+\.)?(?<key>(?<section>\w+)[\w.[\]]*)/u.exec(error.fault.where ?? '')?.groups;
    const { key, section } = named ?? {};
    if (key === undefined || section === undefined || !Object.hasOwn(Model.properties, section)) throw error;
    const parts = key.split(/[.[\]]+/u).filter((part) => part !== '');
    const keys = ['models', workspace.model, ...parts.map((part) => (/^\d+$/u.test(part) ? Number(part) : part))];
    const place = placeOfKeys(await readFile(workspace.configPath, 'utf8'), keys);
    if (place === undefined) throw error;
    const where = `${pathFrom(workspace.root, workspace.configPath)}:${place.line}:${place.column}: models.${workspace.model}.${key}`;
    throw new ConfigError({ ...error.fault, where });
  }
}

/** An absolute path as GitHub shows it: from the top of the repository, in whichever folder of it the run works. */
export async function fromTopOf(
  { root, repository = () => openRepository(root) }: Pick<Workspace, 'root'> & Partial<Pick<Workspace, 'repository'>>,
  path: string,
): Promise<string> {
  return pathFrom(await topOf({ root, repository }), path);
}

/** The run's own folder where it lies in no repository. */
function topOf({ root, repository }: Pick<Workspace, 'root' | 'repository'>): Promise<string> {
  return repository().then(({ folder }) => folder, instead(RegistryError, root));
}

/** A path of the configuration as one from the top; undefined for what lies elsewhere (an address, another folder). */
function fromTop(top: string, folder: string, path: string): string | undefined {
  const way = pathFrom(top, resolve(folder, path));
  return /^[a-z][a-z0-9+.-]*:\/\//iu.test(path) || way.startsWith('../') || isAbsolute(way) ? undefined : way;
}

function pathFrom(folder: string, path: string): string {
  return relative(folder, path).split(sep).join('/');
}
