import { modelNamePattern } from '../config/schema.ts';
import { RegistryError } from '../errors.ts';

/*
 * Where things are in a registry. Every path is relative to the registry's folder and uses `/`.
 *
 *   .gitattributes                             keeps git from converting bytes that are hashed
 *   models/<name>/manifest.json                derived from the decisions
 *   models/<name>/decisions/000/000042.json    immutable; the sequence number is the file name
 *   models/<name>/evidence/<sha256>.json.gz    named after the digest of what it says
 *   models/<name>/void/<sha256>.json           immutable; named after the digest of the decision that it makes void
 */

export const attributesPath = '.gitattributes';
export const attributesText =
  '# Every byte here is hashed: no line ending, filter or keyword may change one.\n* -text -filter -ident\n';

/** What GTO reads, where it is kept too. From the top of the repository: GTO knows no other place. */
export const artifactsPath = 'artifacts.yaml';

export function modelFolder(model: string): string {
  return `models/${model}`;
}

export function manifestPath(model: string): string {
  return `${modelFolder(model)}/manifest.json`;
}

/** Shards hold a thousand decisions each, so that no folder grows without bound. */
export function decisionPath(model: string, seq: number): string {
  const shard = String(Math.floor(seq / 1000)).padStart(3, '0');
  return `${modelFolder(model)}/decisions/${shard}/${String(seq).padStart(6, '0')}.json`;
}

export function evidencePath(model: string, sha256: string): string {
  return `${modelFolder(model)}/evidence/${sha256}.json.gz`;
}

export function voidPath(model: string, sha256: string): string {
  return `${modelFolder(model)}/void/${sha256}.json`;
}

/** What a path in the registry is, or null when a registry has no such file. */
export type RegistryPath =
  | { kind: 'attributes' }
  | { kind: 'manifest'; model: string }
  | { kind: 'decision'; model: string; seq: number }
  | { kind: 'evidence' | 'void'; model: string; sha256: string };

export function parseRegistryPath(path: string): RegistryPath | null {
  if (path === attributesPath) return { kind: 'attributes' };
  const [models, model = '', ...rest] = path.split('/');
  if (models !== 'models' || !isModelName(model)) return null;
  const inside = rest.join('/');
  if (inside === 'manifest.json') return { kind: 'manifest', model };
  const seq = Number(/^decisions\/[0-9]{3,}\/([0-9]{6,})\.json$/u.exec(inside)?.[1] ?? 0);
  if (seq >= 1 && decisionPath(model, seq) === path) return { kind: 'decision', model, seq };
  const [, evidence, voided] =
    /^(?:evidence\/([0-9a-f]{64})\.json\.gz|void\/([0-9a-f]{64})\.json)$/u.exec(inside) ?? [];
  if (evidence !== undefined) return { kind: 'evidence', model, sha256: evidence };
  return voided === undefined ? null : { kind: 'void', model, sha256: voided };
}

/** Is it a file that, once recorded, stays as it is? */
export function isRecorded(path: string): boolean {
  const kind = parseRegistryPath(path)?.kind;
  return kind === 'decision' || kind === 'evidence' || kind === 'void';
}

const modelName = new RegExp(modelNamePattern, 'u');

export function isModelName(name: string): boolean {
  return modelName.test(name);
}

/** @throws RegistryError for a name that may not become a folder, a tag or Markdown */
export function checkModelName(name: string): void {
  if (isModelName(name)) return;
  throw new RegistryError({
    found: `invalid model name ${JSON.stringify(name)}`,
    expected: 'up to 100 letters, digits, - and _, starting and ending with a letter or digit',
    remedy: 'Rename the model in contender.yml',
  });
}

/** Another model whose name differs in case alone. */
export function twinOf(model: string, models: readonly string[]): string | undefined {
  return models.find((each) => each !== model && each.toLowerCase() === model.toLowerCase());
}

/** @throws RegistryError when a new model would share its folder with another where file names know no case */
export function refuseTwin(model: string, models: readonly string[]): void {
  const twin = twinOf(model, models);
  if (twin === undefined) return;
  throw new RegistryError({
    found: `a model named ${model} and another one named ${twin}`,
    expected: 'names that differ in more than upper and lower case: on many systems these two would be the same folder',
    remedy: 'Rename the model in contender.yml',
  });
}
