import { readFile } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { placeOfCheck } from '../config/index.ts';
import type { Check, Evidence } from '../evidence/index.ts';
import type { Workspace } from './workspace.ts';

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
    return { ...check, location: { file, ...placeOfCheck(config, workspace.model, check.id) } };
  };
  return evidence.map((each) => ({ ...each, checks: each.checks.map(placed) }));
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
