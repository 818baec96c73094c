import { stat } from 'node:fs/promises';
import { pulledWith } from '../../config/elsewhere.ts';
import { readHead } from '../../data/read-file.ts';
import { ModelError, instead, UsageError, openingFault } from '../../errors.ts';
import { fileDigest } from '../../file-digest.ts';
import { localModel } from '../../model/artifact.ts';
import type { Manifest } from '../../registry/manifest.ts';
import { openRegistry } from '../open-registry.ts';
import { insideRoot, type Workspace } from '../workspace.ts';

export interface VerifyInput {
  /** The file, relative to the workspace. */
  file: string;
  /** A tag that claims a version: `name@v1.2.3`, or `v1.2.3` where the model is known. */
  tag?: string | undefined;
  /** Refuse every version but the champion. */
  champion: boolean;
}

export interface Verification {
  model: string;
  sha256: string;
  /** The version these bytes are; null when the registry has none with this digest. */
  version: string | null;
  /** champion, previous and whatever else points at that version. */
  aliases: string[];
  /** Whether it is all that was asked for. */
  verified: boolean;
  /** One sentence that says why or why not. */
  message: string;
}

/**
 * Is this file, byte for byte, a version that the registry recorded, and the one it claims to be?
 * @throws RegistryError when the chain of the model is damaged; UsageError for a file that is not there and for a strange tag
 */
export async function verifyArtifact(workspace: Workspace, input: VerifyInput): Promise<Verification> {
  const { model } = workspace;
  const claimed = input.tag === undefined ? undefined : versionOfTag(input.tag, model);
  const digests = await digestsOf(workspace, input.file);
  const manifest = await (await openRegistry(workspace)).manifest(model);
  const versions = versionsWith(manifest, digests);
  const champion = manifest?.aliases['champion']?.version;
  const named = versions.find((each) => each.version === (claimed ?? champion));
  // The same bytes may have been registered under several numbers: where none is asked for, the latest counts.
  const version = named ?? versions.at(-1);
  const sha256 = version?.sha256 ?? digests[0];
  const aliases = Object.entries(manifest?.aliases ?? {})
    .filter(([, alias]) => alias.version === version?.version)
    .map(([name]) => name);
  const verdict = (verified: boolean, message: string): Verification => ({
    model,
    sha256,
    version: version?.version ?? null,
    aliases,
    verified,
    message,
  });
  const what = `${input.file} (sha256 ${sha256.slice(0, 12)})`;
  if (version === undefined) return verdict(false, `${what} is not a recorded version of ${model}`);
  const is = `${what} is ${model} ${version.version}`;
  if (claimed !== undefined && claimed !== version.version) {
    return verdict(false, `${is}, but the tag ${input.tag} claims version ${claimed}`);
  }
  if (input.champion && !aliases.includes('champion')) {
    return verdict(false, `${is}, but the champion is ${champion ?? 'none'}`);
  }
  const deprecated = versions.find(({ status }) => status === 'deprecated');
  if (deprecated !== undefined) {
    const which =
      deprecated.version === version.version ? 'which is deprecated' : `deprecated as ${deprecated.version}`;
    return verdict(false, `${is}, ${which}`);
  }
  return verdict(true, aliases.length === 0 ? is : `${is} (${aliases.join(', ')})`);
}

/** The model a tag names, `name@v1.2.3`; undefined where it names none. */
export function modelOfTag(tag: string | undefined): string | undefined {
  return tag === undefined ? undefined : versionTag.exec(tag)?.groups?.['name'];
}

/** Digest of the bytes and, for a model that keeps weights in other files, the one that covers these. */
async function digestsOf(workspace: Workspace, file: string): Promise<[string, ...string[]]> {
  const path = await insideRoot(workspace, file);
  const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new UsageError({
      found: openingFault(cause),
      expected: 'a model file',
      where: file,
      remedy: pulledWith(path, file) ?? 'Check the path',
      cause,
    });
  });
  if (!info.isFile()) {
    throw new UsageError({
      found: info.isDirectory() ? 'this is a folder' : 'this is not a file',
      expected: 'a model file',
      where: file,
      remedy: 'Name the file itself',
    });
  }
  // It says which bytes are meant, and they may be there or not: none were looked at.
  if (info.size < 1024 && (await readHead(path, 64)).toString('latin1').startsWith('version https://git-lfs')) {
    throw new UsageError({
      found: 'this is a Git LFS pointer, not the model',
      where: file,
      remedy: "Run 'git lfs pull' first (actions/checkout: lfs: true)",
    });
  }
  const bytes = await fileDigest(path);
  const whole = await localModel(path, file).catch(instead(ModelError, null));
  return [bytes, ...(whole === null ? [] : [whole.sha256])];
}

/** Every version that has an artifact with one of these digests, oldest first. */
function versionsWith(
  manifest: Manifest | null,
  digests: readonly string[],
): { version: string; sha256: string; status: 'active' | 'deprecated' }[] {
  return (manifest?.versions ?? [])
    .flatMap(({ version, status, artifacts }) => artifacts.map(({ sha256 }) => ({ version, status, sha256 })))
    .filter(({ sha256 }) => digests.includes(sha256));
}

const versionTag = /^(?:refs\/tags\/)?(?:(?<name>[^@#]+)@)?v(?<version>\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?)$/u;

function versionOfTag(tag: string, model: string): string {
  const { name, version } = versionTag.exec(tag)?.groups ?? {};
  if (version === undefined || (name !== undefined && name !== model)) {
    throw new UsageError({
      found: `tag ${JSON.stringify(tag)}`,
      expected: `${model}@v1.2.3 or v1.2.3`,
      remedy: 'Only tags of versions can be verified',
    });
  }
  return version;
}
