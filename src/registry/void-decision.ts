import { RegistryError } from '../errors.ts';
import { sha256 } from '../evidence/index.ts';
import { withChampion } from './artifacts-yaml.ts';
import { canonicalBytes, type Finding } from './chain.ts';
import type { RegistryBranch } from './git/branch.ts';
import { additions } from './git/history.ts';
import { entryAt, readBlobs, treeWith, writeCommit } from './git/objects.ts';
import { isCutOff, shallowFault, type Repository } from './git/repository.ts';
import { git } from './git/run.ts';
import {
  artifactsPath,
  checkModelName,
  decisionPath,
  manifestPath,
  modelFolder,
  parseRegistryPath,
  voidPath,
} from './layout.ts';
import { championOf, manifestOf } from './manifest.ts';
import { readModel, type ModelState } from './model-state.ts';
import { verifyRegistry, type DecisionCheck } from './verify.ts';
import { voidSchemaId, type Void } from './void.ts';

export interface VoidInput {
  repository: Repository;
  /** That of the registry. */
  branch: RegistryBranch;
  folder: string;
  artifactsYaml: boolean;
  model: string;
  seq: number;
  by: string;
  reason: string;
  now: Date;
  judge: DecisionCheck;
}

export interface Voided {
  /** A branch here, for a person to push: to that of the registry, or as a pull request. */
  branch: string;
  commit: string;
  /** One for each decision, oldest first. */
  entries: Void[];
}

/**
 * Take a decision that Contender did not make off a registry, and those that were recorded after it, in a commit on a branch of its own:
 * their files are gone from it, its history keeps them, and an entry for each says who did that and why. Where the decision is gone
 * already (a commit that was reverted), the commit has the entries alone.
 *
 * @throws RegistryError for a decision that Contender made, or that was never recorded
 */
export async function voidDecision(input: VoidInput): Promise<Voided> {
  const { repository, folder, model, seq, judge } = input;
  checkModelName(model);
  const { head } = await input.branch.tip();
  if (head === null) throw notRecorded(model, seq);
  if (await isCutOff(repository, head))
    throw shallowFault(repository, ' of the registry, where the decision was recorded');
  const { files, links } = await readModel(repository, head, folder, model);
  const before = (await additions(repository, head, `${folder}/models/${model}/decisions`)).flatMap(({ path, oid }) => {
    const below = path.slice(folder.length + 1);
    const place = parseRegistryPath(below);
    return place?.kind === 'decision' && place.seq >= seq
      ? [{ below, seq: place.seq, oid, mode: '', type: 'blob', size: 0, path }]
      : [];
  });
  const contents = await readBlobs(repository, before);
  const recorded = new Map(
    before.map((file) => {
      const bytes = contents.get(file.oid) as Buffer;
      return [sha256(bytes), { ...file, bytes }] as const;
    }),
  );
  const open = [...recorded].filter(([digest]) => !files.has(voidPath(model, digest)));
  const gone = open.filter(([, { below, oid }]) => files.get(below)?.oid !== oid);
  const named = [gone, open].filter((taken) => taken.some(([, file]) => file.seq === seq));
  if (named.length === 0) throw notRecorded(model, seq);
  const tried: { made: Prepared; faults: Finding[]; own: Finding[] }[] = [];
  for (const taken of named) {
    // Whoever reverted it has taken it away already, and what was recorded since stays; unless it was edited or left in parts.
    const alone = taken === gone;
    const made = await prepared(input, { head, files, links, taken, alone });
    const found = await verifyRegistry(repository, made.commit, folder, { tags: 'ignored', judge });
    const faults = found.filter(({ path }) => path.startsWith(`${folder}/${modelFolder(model)}/`));
    const own = faults.filter(({ path }) => {
      const place = parseRegistryPath(path.slice(folder.length + 1));
      return place?.kind === 'void' || (place?.kind === 'decision' && place.seq === seq);
    });
    tried.push({ made, faults, own: alone ? own : faults });
    if (faults.length === 0) break;
  }
  // A fault of another decision, recorded since, waits for an entry of its own.
  const sound = tried.find(({ faults }) => faults.length === 0) ?? tried.find(({ own }) => own.length === 0);
  if (sound !== undefined) {
    const branch = `contender/void/${model}-${seq}`;
    // Unlike update-ref it moves no branch that somebody has checked out.
    await git(repository.folder, ['branch', '--quiet', '--force', '--no-track', branch, sound.made.commit]);
    return { branch, ...sound.made };
  }
  const [fault] = tried.flatMap(({ own }) => own) as [Finding];
  throw new RegistryError({
    found: fault.found,
    expected: fault.expected,
    where: fault.path,
    remedy: 'Nothing was written. Name the first decision that contender registry verify finds fault with',
  });
}

type Prepared = Pick<Voided, 'commit' | 'entries'>;

/** A commit that has an entry for each of the decisions, and, unless they are gone, neither them nor what follows them. */
async function prepared(
  { repository, folder, model, seq, by, reason, now, artifactsYaml }: VoidInput,
  {
    head,
    files,
    links,
    taken,
    alone,
  }: Pick<ModelState, 'files' | 'links'> & {
    head: string;
    taken: readonly [string, { seq: number }][];
    alone: boolean;
  },
): Promise<Prepared> {
  const entries = taken
    .toSorted(([, a], [, b]) => a.seq - b.seq)
    .map(([digest, file]): Void => ({
      schema: voidSchemaId,
      model,
      seq: file.seq,
      sha256: digest,
      by,
      reason,
      time: now.toISOString(),
    }));
  const changed = new Map<string, Uint8Array | null>(
    entries.map((entry) => [`${folder}/${voidPath(model, entry.sha256)}`, canonicalBytes(entry)]),
  );
  if (!alone) {
    const left = links.filter(({ decision }) => decision.seq < seq);
    const used = new Set(left.flatMap(({ decision }) => decision.evidence.map((each) => each.sha256)));
    for (const path of files.keys()) {
      const place = parseRegistryPath(path);
      const goes =
        place?.kind === 'decision' ? place.seq >= seq : place?.kind === 'evidence' && !used.has(place.sha256);
      if (goes) changed.set(`${folder}/${path}`, null);
    }
    const manifest = manifestOf(left);
    changed.set(`${folder}/${manifestPath(model)}`, manifest === null ? null : canonicalBytes(manifest));
    const champion = championOf(manifest);
    const listed = artifactsYaml ? await entryAt(repository, head, artifactsPath) : null;
    if (champion !== null && manifest !== null && listed !== null) {
      const text = (await readBlobs(repository, [listed])).get(listed.oid)?.toString('utf8') ?? null;
      changed.set(
        artifactsPath,
        Buffer.from(withChampion(text, model, champion, manifest.aliases['champion']?.seq ?? 0)),
      );
    }
  }
  const numbers = [...new Set(entries.map((each) => each.seq))].join(', ');
  const subject = `contender: void decision ${numbers} of ${model}`;
  const message = `${subject}\n\n${reason}\n\nContender-Void: ${folder}/${decisionPath(model, seq)}\n`;
  const commit = await writeCommit(repository, await treeWith(repository, head, changed), head, message);
  return { entries, commit };
}

function notRecorded(model: string, seq: number): RegistryError {
  return new RegistryError({
    found: `no decision ${seq} of ${model} that is not void`,
    expected: 'a decision that was recorded',
    remedy: `See contender registry log ${model}, and contender registry verify`,
  });
}
