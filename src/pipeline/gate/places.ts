import { readFile } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { placeOfKeys } from '../../config/index.ts';
import { ConfigError } from '../../errors.ts';
import type { Check, Evidence } from '../../evidence/index.ts';
import { Model, whereOf } from '../configuration.ts';
import type { Workspace } from '../workspace.ts';

/**
 * The evidence with a place for every check that did not pass: its own, as a path from the root of the repository, or the line
 * of contender.yml that asks for it.
 */
export async function withPlaces(workspace: Workspace, evidence: readonly Evidence[]): Promise<Evidence[]> {
  const config = await readFile(workspace.configPath, 'utf8');
  const file = configFile(workspace);
  const placed = (check: Check): Check => {
    if (check.verdict !== 'fail' && check.verdict !== 'inconclusive') return check;
    const own = check.location === undefined ? undefined : fromRoot(workspace, check.location.file);
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
    const where = `${configFile(workspace)}:${place.line}:${place.column}: models.${workspace.model}.${key}`;
    throw new ConfigError({ ...error.fault, where });
  }
}

/** Path of contender.yml from the root of the repository. */
export function configFile(workspace: Workspace): string {
  return relative(workspace.root, workspace.configPath).split(sep).join('/');
}

/** A path of the configuration as one from the root; undefined for what lies elsewhere (an address, another folder). */
function fromRoot(workspace: Workspace, path: string): string | undefined {
  const way = relative(workspace.root, resolve(workspace.folder, path)).split(sep).join('/');
  return /^[a-z][a-z0-9+.-]*:\/\//iu.test(path) || way.startsWith('../') || isAbsolute(way) ? undefined : way;
}
