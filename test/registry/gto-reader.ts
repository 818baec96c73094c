import { valid, rcompare } from 'semver';

/** An annotated tag: where it points, and the tagger's time. */
export interface ReadTag {
  name: string;
  commit: string;
  time: number;
}

export interface GtoState {
  /** Registered and not taken back, highest first. */
  versions: string[];
  /** The one version that `gto show` gives for each stage. */
  stages: Record<string, string>;
}

/*
 * How GTO (github.com/iterative/gto: tag.py, base.py and constants.py) reads tags, told anew: its grammar; events in the order of the tagger's
 * time; an assignment concerns the one version that was registered on its commit, and more than one is an error; a version
 * is in a stage while the last event of the two says so; of several versions in a stage the highest is shown.
 */
const name = '[a-zA-Z0-9](?:[a-zA-Z0-9/_-]*[a-zA-Z0-9])?';
const grammar = new RegExp(
  `^(?<artifact>${name})(?:(?:#(?<stage>${name})|@(?<version>v[0-9]+\\.[0-9]+\\.[0-9]+(?:[-+][0-9A-Za-z.+-]+)?))(?<cancel>!?)|@(?<deprecated>deprecated|created))(?:#(?<counter>[0-9]+))?$`,
  'u',
);

interface Known {
  version: string;
  commit: string;
  active: boolean;
  stages: Map<string, boolean>;
}

/** What GTO says of one artifact. @throws Error where GTO would */
export function readAsGto(artifact: string, tags: readonly ReadTag[]): GtoState {
  type Event = ReadTag & Partial<Record<'artifact' | 'version' | 'stage' | 'cancel', string>>;
  const events = tags
    .map((tag): Event => ({ ...tag, ...grammar.exec(tag.name)?.groups }))
    .filter((event) => event.artifact === artifact)
    .sort((a, b) => a.time - b.time);
  const known: Known[] = [];
  for (const event of events) {
    const { version, stage, cancel, commit } = event;
    if (version !== undefined) {
      if (valid(version) === null) throw new Error(`${version} is not a semantic version`);
      const there = known.find((each) => each.version === version);
      if (there !== undefined && there.commit !== commit) throw new Error(`${version} on two commits`);
      if (there === undefined) known.push({ version, commit, active: cancel !== '!', stages: new Map() });
      else there.active = cancel !== '!';
    } else if (stage !== undefined) {
      const on = known.filter((each) => each.commit === commit && each.active);
      if (on.length !== 1) throw new Error(`${on.length} versions on the commit of ${event.name}`);
      on[0]?.stages.set(stage, cancel !== '!');
    }
  }
  const active = known.filter((each) => each.active).sort((a, b) => rcompare(a.version, b.version));
  const stages: Record<string, string> = {};
  for (const each of active) {
    for (const [stage, assigned] of each.stages) if (assigned) stages[stage] ??= each.version.slice(1);
  }
  return { versions: active.map((each) => each.version.slice(1)), stages };
}

/** What GTO says of one artifact in a repository. */
export async function gtoShow(artifact: string, git: (...args: string[]) => Promise<string>): Promise<GtoState> {
  const format = '--format=%(objecttype) %(refname:strip=2) %(*objectname) %(taggerdate:unix)';
  const lines = (await git('for-each-ref', format, 'refs/tags')).split('\n');
  const tags = lines.flatMap((line): ReadTag[] => {
    const [type, name = '', commit = '', time] = line.split(' ');
    return type === 'tag' ? [{ name, commit, time: Number(time) }] : [];
  });
  return readAsGto(artifact, tags);
}

/** The highest number on any tag of an artifact: GTO gives the next one to its next assignment. */
export function counterOf(artifact: string, names: readonly string[]): number {
  return names.reduce((highest, each) => {
    const groups = grammar.exec(each)?.groups;
    return groups?.['artifact'] === artifact ? Math.max(highest, Number(groups['counter'] ?? 0)) : highest;
  }, 0);
}
