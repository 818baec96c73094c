import { posix, resolve } from 'node:path';
import { parseAllDocuments, type Document } from 'yaml';
import { TrafficError } from '../../errors.ts';
import { treeWith, writeCommit } from '../../registry/git/objects.ts';
import { openRepository, type Repository } from '../../registry/git/repository.ts';
import { git as runGit, gitBytes } from '../../registry/git/run.ts';
import type { Weights } from '../../stages/traffic.ts';
import type { WeightStore } from './weight-store.ts';

type Settings = Extract<Weights, { yaml: string }>;

/** A push that loses a race is tried again on what the other one left. */
const mostAttempts = 5;

/**
 * A weight in a YAML file that is delivered from git (Argo CD, Flux): a commit on the branch of the remote for each change, by plumbing
 * alone, so that index and work tree stay as they are. Comments, quotes and order are kept.
 */
export function yamlWeights(settings: Settings, root: string): WeightStore {
  const { push: remote = 'origin' } = settings;
  const file = posix.normalize(settings.yaml);
  const folder = resolve(root, settings.repository ?? '.');
  const git = (args: readonly string[]): Promise<string> => runGit(folder, args);
  let opened: Promise<Repository> | undefined;
  const repository = (): Promise<Repository> => (opened ??= openRepository(folder));
  const branchOf = async (): Promise<string> =>
    settings.branch ?? (await git(['symbolic-ref', '--short', 'HEAD'])).trim();
  const fetched = async (branch: string): Promise<{ base: string; text: string }> => {
    await git(['fetch', '--quiet', remote, `refs/heads/${branch}`]);
    const base = (await git(['rev-parse', 'FETCH_HEAD'])).trim();
    return { base, text: (await gitBytes(folder, ['show', `${base}:${file}`])).toString('utf8') };
  };
  return {
    name: `${file} (${settings.candidate})`,
    lapses: false,
    read: async () =>
      weightAt(documentsOf((await fetched(await branchOf())).text, file), settings.candidate, file).value,
    async write({ weight }) {
      const branch = await branchOf();
      for (let attempt = 1; ; attempt += 1) {
        const { base, text } = await fetched(branch);
        const changed = withWeight(text, settings, weight);
        if (changed === text) return;
        const tree = await treeWith(await repository(), base, new Map([[file, Buffer.from(changed)]]));
        const message = `Give the candidate ${weight}% of the traffic`;
        const commit = await writeCommit(await repository(), tree, base, message);
        try {
          await git(['push', '--quiet', remote, `${commit}:refs/heads/${branch}`]);
          return;
        } catch (cause) {
          if (attempt < mostAttempts) continue;
          throw new TrafficError({
            found: `the change of ${file} could not be pushed ${mostAttempts} times: ${cause instanceof Error ? cause.message : String(cause)}`,
            where: `${remote} ${branch}`,
            cause,
          });
        }
      }
    },
  };
}

/** The file with another weight, and with the rest of 100 for the champion. @throws TrafficError */
export function withWeight(text: string, { yaml: file, candidate, champion }: Settings, weight: number): string {
  const documents = documentsOf(text, file);
  const edits = [
    { path: candidate, value: weight },
    ...(champion === undefined ? [] : [{ path: champion, value: Number((100 - weight).toFixed(6)) }]),
  ].map(({ path, value }) => ({ ...weightAt(documents, path, file), wanted: value }));
  // The last one first, so that the places of the others stay: all that is not a weight is left byte for byte.
  return edits
    .toSorted((a, b) => b.start - a.start)
    .reduce((whole, { start, end, wanted }) => `${whole.slice(0, start)}${wanted}${whole.slice(end)}`, text);
}

function documentsOf(text: string, file: string): Document.Parsed[] {
  const documents = parseAllDocuments(text, { keepSourceTokens: true });
  const all = Array.isArray(documents) ? documents : [];
  const fault = all.flatMap(({ errors }) => errors)[0];
  if (fault !== undefined)
    throw new TrafficError({ found: `this is not YAML: ${fault.message.split('\n')[0]}`, where: file });
  return all;
}

/** A number and where it stands: in the one document of the file that has the path. */
function weightAt(
  documents: readonly Document.Parsed[],
  path: string,
  file: string,
): { value: number; start: number; end: number } {
  const keys = keysOf(path);
  const found = documents.flatMap((document) => {
    const node: unknown = document.getIn(keys, true);
    const { value, range } = (node ?? {}) as { value?: unknown; range?: [number, number, number] };
    if (range === undefined) return [];
    if (typeof value === 'number') return [{ value, start: range[0], end: range[1] }];
    // Annotations hold numbers as text: the quotes stay.
    const quoted =
      typeof value === 'string' && /^\d+(?:\.\d+)?$/u.test(value) && range[1] - range[0] === value.length + 2;
    return quoted ? [{ value: Number(value), start: range[0] + 1, end: range[1] - 1 }] : [];
  });
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  throw new TrafficError({
    found: only === undefined ? `there is no number at ${path}` : `${found.length} documents have ${path}`,
    expected: 'the weight in percent, in one document of the file',
    where: file,
    remedy: 'Correct the path in rollout.weights; the two weights must be numbers that add up to 100',
  });
}

/** `a.0."b.c/d"` is three keys: quotes keep the dots of one. */
function keysOf(path: string): (string | number)[] {
  return [...path.matchAll(/"(?<quoted>[^"]+)"|(?<plain>[^.]+)/gu)].map(({ groups = {} }) => {
    const { quoted, plain = '' } = groups;
    return quoted ?? (/^\d+$/u.test(plain) ? Number(plain) : plain);
  });
}
