/** Which files of the tests run, and in which order, by what each was measured to take. */
export interface Plan {
  /** Parts of names; none: all. */
  wanted: readonly string[];
  /** Only what answers soon: no bundle, no workflow, no process that is killed. */
  quick: boolean;
  /** Part `index` of `of`, counted from 1, of about equal cost. */
  shard: { index: number; of: number } | null;
}

/** Seconds that a file is taken to need before it was measured. */
const unmeasured = 5;
/** Quick tests are those of src, but for what takes long. */
const quickLimit = 1;
/** What files that share a process may take together. */
const processLimit = 10;
/** What measures times: another file at work would be measured with them. */
const measuring = /^(?:stages\/load|serve|rollout\/switch|workflows\/(?:sharded-)?load|cli\/load)/u;
const slowFolders = /^(?:actions|cli|faults|harness|workflows|support)\//u;

/**
 * The files to run, the most costly first, so that none of them runs alone at the end.
 *
 * @param files names below test/, as compiled
 * @param costs seconds by name, without extension
 */
export function planned(files: readonly string[], costs: Readonly<Record<string, number>>, plan: Plan): string[] {
  const cost = costsOf(costs);
  const isMeasured = (file: string): boolean => Object.hasOwn(costs, file.replace(/\.test\.js$/u, ''));
  const { wanted, quick, shard } = plan;
  const ordered = files
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .filter((file) => !quick || (!slowFolders.test(file) && (!isMeasured(file) || cost(file) <= quickLimit)))
    .toSorted((a, b) => cost(b) - cost(a) || (a < b ? -1 : 1));
  return shard === null ? ordered : (partsOf(ordered, cost, shard.of)[shard.index - 1] ?? []);
}

/**
 * The files of each process, the most costly first. To start one and to load the sources takes longer than most tests: files that
 * answer soon share one, by folder.
 */
export function processesOf(files: readonly string[], costs: Readonly<Record<string, number>>): string[][] {
  const cost = costsOf(costs);
  const share = (file: string): boolean => !slowFolders.test(file) && !measuring.test(file) && cost(file) < unmeasured;
  const sum = (process: readonly string[]): number => process.reduce((seconds, file) => seconds + cost(file), 0);
  const shared: string[][] = [];
  for (const file of files.filter(share).toSorted()) {
    const last = shared.at(-1);
    if (last !== undefined && sum(last) + cost(file) <= processLimit) last.push(file);
    else shared.push([file]);
  }
  const alone = files.filter((file) => !share(file)).map((file) => [file]);
  return [...alone, ...shared].toSorted((a, b) => sum(b) - sum(a));
}

function costsOf(costs: Readonly<Record<string, number>>): (file: string) => number {
  return (file) => costs[file.replace(/\.test\.js$/u, '')] ?? unmeasured;
}

/** Those that may run beside any other, and those that measure times. */
export function divided(files: readonly string[]): { ordinary: string[]; timed: string[] } {
  return {
    ordinary: files.filter((file) => !measuring.test(file)),
    timed: files.filter((file) => measuring.test(file)),
  };
}

/** A test that failed, or what kept tests from running. */
export interface Failure {
  name: string;
  /** Its file, or those that shared a process with what failed. */
  files: readonly string[];
  /** The file did not end in the time that a file has. */
  reachedLimit?: true;
}

/** More files than these do not fail by chance. */
const againLimit = 3;

/** The files to run once more, alone: a fault fails twice, a machine that was busy does not. */
export function filesToRunAgain(failed: readonly Failure[]): string[] {
  const files = [...new Set(failed.flatMap((failure) => failure.files))];
  const tooLong = new Set(failed.flatMap((failure) => (failure.reachedLimit === true ? failure.files : [])));
  return files.length <= againLimit ? files.filter((file) => !tooLong.has(file)) : [];
}

/** Each file to the part that has least to do. */
function partsOf(files: readonly string[], cost: (file: string) => number, count: number): string[][] {
  const parts = Array.from({ length: count }, () => ({ files: [] as string[], cost: 0 }));
  for (const file of files) {
    const least = parts.reduce((a, b) => (b.cost < a.cost ? b : a));
    least.files.push(file);
    least.cost += cost(file);
  }
  return parts.map((part) => part.files);
}

/** `2/3` as a shard. @throws Error */
export function shardFrom(text: string | undefined): Plan['shard'] {
  if (text === undefined) return null;
  const [, index = 0, of = 0] = /^(\d+)\/(\d+)$/u.exec(text)?.map(Number) ?? [];
  if (index < 1 || index > of) throw new Error(`--shard ${text}: expected such as 1/3`);
  return { index, of };
}
