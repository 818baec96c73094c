/** What went wrong, told to a person: what was found, what was expected, where, and what to do about it. */
export interface Fault {
  /** What was found. One sentence, no trailing period needed. */
  found: string;
  /** What was expected instead. */
  expected?: string | undefined;
  /** Where: a file, `file:line:column`, a column, a check. */
  where?: string | undefined;
  /** What the reader can do about it. */
  remedy?: string | undefined;
  cause?: unknown;
}

/**
 * A fault the person who runs Contender can mend. The command line prints `message` and no stack trace;
 * anything that is not a `ContenderError` is a bug of ours and keeps its stack.
 * `code` is stable and may be matched on.
 */
export class ContenderError extends Error {
  readonly code: string;
  readonly fault: Fault;
  constructor(code: string, fault: Fault) {
    super(describe(fault), fault.cause === undefined ? undefined : { cause: fault.cause });
    this.name = new.target.name;
    this.code = code;
    this.fault = fault;
  }
}

function withCode(code: string) {
  return class extends ContenderError {
    constructor(fault: Fault) {
      super(code, fault);
    }
  };
}

/** A flag, an action input or an argument that cannot be used. */
export class UsageError extends withCode('usage') {}

/** contender.yml cannot be read or does not match its schema. */
export class ConfigError extends withCode('config') {}

/** A dataset or prediction file that cannot be read, joined or used. */
export class DataError extends withCode('data') {}

/** A model artifact that cannot be found, verified, loaded or run. */
export class ModelError extends withCode('model') {}

/**
 * A model that does not fit the configuration or the data it is judged on: its task, features, classes or outputs. Of a candidate it
 * is for a person to mend and no verdict; a champion that does not fit is one that cannot be evaluated.
 */
export class MismatchError extends withCode('mismatch') {}

/** A staging target or model server that does not start, become healthy or answer as agreed. */
export class StagingError extends ContenderError {
  /** Nothing was learned about the candidate: the Docker Engine, the registry of the image or the server cannot be reached. */
  readonly unavailable: boolean;
  constructor(fault: Fault, unavailable = false) {
    super('staging', fault);
    this.unavailable = unavailable;
  }
}

/** What sets or shows the traffic of two versions cannot be reached, or does not do what it is told. */
export class TrafficError extends ContenderError {
  /** It answers, and somebody else acts on it. */
  readonly conflict: boolean;
  constructor(fault: Fault, conflict = false) {
    super('traffic', fault);
    this.conflict = conflict;
  }
}

/** A registry that cannot be read, is damaged, or refuses a write. */
export class RegistryError extends withCode('registry') {}

/**
 * Why GitHub did not do what it was asked, told by what it says and not by its status, which means several things.
 * - `conflict`: something changed meanwhile; read again and repeat
 * - `exists`: what was to be created is there already
 * - `rules`: branch protection or a ruleset forbids it, for everybody
 * - `permission`: the token may not do it; `credentials`: there is no token, or it is not valid
 * - `absent`: not there, or not visible to this token
 * - `limited`: a rate limit that lasts longer than it is worth waiting
 * - `unavailable`: it cannot be reached or fails; `uncertain` says whether the request may have been carried out all the same
 * - `refused`: any other refusal
 */
export type GitHubErrorKind =
  | 'conflict'
  | 'exists'
  | 'rules'
  | 'permission'
  | 'credentials'
  | 'absent'
  | 'limited'
  | 'unavailable'
  | 'refused';

/** GitHub's API refuses a request or cannot be reached. */
export class GitHubError extends ContenderError {
  readonly kind: GitHubErrorKind;
  /** The request may have been carried out although no answer says so. */
  readonly uncertain: boolean;
  constructor(kind: GitHubErrorKind, fault: Fault, uncertain = false) {
    super('github', fault);
    this.kind = kind;
    this.uncertain = uncertain;
  }
}

/** Evidence that is missing, damaged or does not belong to the decision at hand. */
export class EvidenceError extends withCode('evidence') {}

/** For `catch`: what stands in for the outcome after an error of one kind. @throws any other error */
export function instead<T>(kind: new (...given: never[]) => ContenderError, value: T): (error: unknown) => T {
  return after(kind, () => value);
}

/** The same, of what follows from the error. @throws any other error */
export function after<E extends ContenderError, T>(
  kind: new (...given: never[]) => E,
  then: (error: E) => T,
): (error: unknown) => T {
  return (error) => {
    if (error instanceof kind) return then(error);
    throw error;
  };
}

/** Why a file could not be looked at, in a person's words. */
export function openingFault(cause: NodeJS.ErrnoException): string {
  return cause.code === 'ENOENT' ? 'there is no such file' : `cannot be read (${cause.code ?? cause.message})`;
}

/**
 * An error as one that a person can mend, null for a bug of ours: what the operating system refuses (a file that may not be read, a
 * folder in its place, a full disk) is no bug, wherever it is met.
 */
export function mendable(error: unknown): ContenderError | null {
  if (error instanceof ContenderError) return error;
  if (!(error instanceof Error)) return null;
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined || ownMistakes.has(code)) return null;
  return new SystemError({
    found: `${code}: ${refusals[code] ?? error.message.replace(/^[A-Z0-9]+: /u, '')} (${syscall})`,
    where: path,
    remedy: 'Fix that, or choose another path, and run again',
    cause: error,
  });
}

/** What the operating system refuses, or this machine does not have: never the fault of a model or of data. */
export class SystemError extends withCode('system') {}

/** Only a program can be the cause of these. */
const ownMistakes = new Set(['EBADF', 'EFAULT', 'EINVAL', 'ENOSYS']);

const refusals: Record<string, string> = {
  EACCES: 'this user may not do that',
  EPERM: 'this user may not do that',
  EROFS: 'nothing may be written there',
  EISDIR: 'this is a folder, not a file',
  ENOTDIR: 'this is a file, not a folder',
  ENOENT: 'there is no such file or folder',
  ELOOP: 'a link that leads to itself',
  ENAMETOOLONG: 'the name is too long',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of this user is used up',
  EMFILE: 'too many files are open (see ulimit -n)',
};

function describe(fault: Fault): string {
  const parts = [fault.where === undefined ? fault.found : `${fault.where}: ${fault.found}`];
  if (fault.expected !== undefined) parts.push(`Expected ${fault.expected}`);
  if (fault.remedy !== undefined) parts.push(fault.remedy);
  return parts
    .map((part) => (part.endsWith('\n') ? part : `${part.replace(/[.\s]+$/u, '').replace(/(?<![?!])$/u, '.')} `))
    .join('')
    .trimEnd();
}
