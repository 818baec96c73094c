import type { Static } from 'typebox';
import { isoTime } from '../evidence/decision.ts';
import { Sha256 } from '../evidence/evidence.ts';
import { canonicalJson, sha256 } from '../evidence/index.ts';
import { Closed, Matching, Type } from '../forms.ts';
import { parsed, restoreRemedy, type Finding } from './chain.ts';
import { maximumBytes } from './git/object-stream.ts';
import { readBlobs, type TreeEntry } from './git/objects.ts';
import type { Repository } from './git/repository.ts';
import { parseRegistryPath } from './layout.ts';

export const voidSchemaId = 'contender/void/v1';

const Signed = Type.String({ minLength: 1, maxLength: 4000, pattern: '\\S' });

/**
 * A decision that was in the registry, that Contender did not make, and that is none any more: the branch goes on without its file, the
 * history keeps it, and this says for ever who took it off and why.
 */
export const Void = Closed({
  schema: Type.Literal(voidSchemaId),
  model: Type.String(),
  seq: Type.Integer({ minimum: 1, description: 'the number that it had' }),
  sha256: Sha256,
  by: Signed,
  reason: Signed,
  time: Matching(isoTime, 'when it was made void, ISO 8601, UTC'),
});
export type Void = Static<typeof Void>;

/** A file of the registry as some commit had it. */
export interface FileThen {
  /** Relative to the repository. */
  path: string;
  oid: string;
}

export interface Voids {
  /** Each with its file, relative to the repository. */
  entries: { path: string; entry: Void }[];
  findings: Finding[];
}

/** What was made void in the registry of a commit. @param entries every file of the registry, by its path there */
export async function readVoids(repository: Repository, folder: string, files: readonly TreeEntry[]): Promise<Voids> {
  const kept = files.filter(({ path, size }) => parseRegistryPath(path)?.kind === 'void' && size <= maximumBytes);
  const found: Voids = { entries: [], findings: [] };
  if (kept.length === 0) return found;
  const [contents, { firstFault, validatorOf }] = await Promise.all([
    readBlobs(repository, kept),
    import('../validator.ts'),
  ]);
  const isVoid = validatorOf<Void>(Void);
  for (const { path: below, oid } of kept) {
    const path = `${folder}/${below}`;
    const bytes = contents.get(oid) as Buffer;
    const value = parsed(bytes);
    const place = parseRegistryPath(below);
    const fault = !isVoid(value)
      ? firstFault(isVoid)
      : place?.kind !== 'void' || value.model !== place.model || value.sha256 !== place.sha256
        ? 'about another decision than its name says'
        : `${canonicalJson(value)}\n` === bytes.toString('utf8')
          ? null
          : 'bytes that are not canonical';
    if (fault === null) found.entries.push({ path, entry: value as Void });
    else
      found.findings.push({
        path,
        found: `not a void decision: ${fault}`,
        expected: 'what contender registry void writes',
        remedy: restoreRemedy,
      });
  }
  return found;
}

export interface Excused {
  /** Those of the files that may be gone. */
  files: Set<FileThen>;
  /** Of each entry the files that it makes void. */
  madeVoid: Map<Void, { file: FileThen; bytes: Buffer }[]>;
}

/** Which of the files that are gone were made void: decisions by their bytes, and evidence that those refer to. */
export async function excuse(
  repository: Repository,
  folder: string,
  { entries }: Voids,
  gone: readonly FileThen[],
): Promise<Excused> {
  const excused: Excused = { files: new Set(), madeVoid: new Map() };
  const models = new Set(entries.map(({ entry }) => entry.model));
  const placed = gone.map((file) => ({ file, place: parseRegistryPath(file.path.slice(folder.length + 1)) }));
  const asked = placed.filter(({ place }) => place?.kind === 'decision' && models.has(place.model)) as {
    file: FileThen;
    place: { kind: 'decision'; model: string };
  }[];
  const contents = await readBlobs(
    repository,
    asked.map(({ file }) => ({ mode: '', type: 'blob', size: 0, ...file })),
  );
  const referring = new Map<string, string>();
  for (const { file, place } of asked) {
    const bytes = contents.get(file.oid) as Buffer;
    const digest = sha256(bytes);
    const found = entries.find(({ entry }) => entry.model === place.model && entry.sha256 === digest)?.entry;
    if (found === undefined) continue;
    excused.files.add(file);
    excused.madeVoid.set(found, [...(excused.madeVoid.get(found) ?? []), { file, bytes }]);
    referring.set(found.model, (referring.get(found.model) ?? '') + bytes.toString('latin1'));
  }
  for (const { file, place } of placed) {
    if (place?.kind === 'evidence' && referring.get(place.model)?.includes(place.sha256)) excused.files.add(file);
  }
  return excused;
}
