import { execFile, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { deflateSync } from 'node:zlib';

const run = promisify(execFile);

export type ObjectType = 'blob' | 'tree' | 'commit' | 'tag';

export interface GitObject {
  oid: string;
  type: ObjectType;
  bytes: Buffer;
}

export interface TreeItem {
  mode: string;
  name: string;
  oid: string;
}

export interface RefChange {
  ref: string;
  /** The value it must have; null: it must not exist; undefined: whatever. */
  before?: string | null | undefined;
  /** Null deletes it. */
  after: string | null;
}

export const zeros = '0'.repeat(40);

/**
 * A real bare git repository, read through one `git cat-file --batch` that stays, written as loose objects and through
 * `git update-ref`. Nothing is kept beside it, so that git itself can be asked about everything.
 */
export interface BareRepository {
  folder: string;
  git(...args: string[]): Promise<string>;
  /** An object by name or revision, such as `refs/heads/main^{commit}` or `<oid>:path`; null when there is none. */
  read(name: string): Promise<GitObject | null>;
  write(type: ObjectType, bytes: Uint8Array): Promise<string>;
  tree(oid: string): Promise<TreeItem[]>;
  /** A tree with entries replaced, added or (null) removed, by path. Returns its name. */
  treeWith(base: string | null, changes: ReadonlyMap<string, { mode: string; oid: string } | null>): Promise<string>;
  commit(input: CommitInput): Promise<string>;
  /** All changes or none. False when a ref is not where it must be. */
  updateRefs(changes: readonly RefChange[]): Promise<boolean>;
  isAncestor(ancestor: string, commit: string): Promise<boolean>;
  close(): void;
}

interface Person {
  name: string;
  email: string;
  /** Default: now. */
  date?: string | undefined;
}

export interface CommitInput {
  tree: string;
  parents: readonly string[];
  message: string;
  author?: Person | undefined;
  /** Default: the author. */
  committer?: Person | undefined;
  /** Signed by the server, as GitHub signs what it commits on somebody's behalf. */
  signed: boolean;
}

export async function createBareRepository(folder: string, branch = 'main'): Promise<BareRepository> {
  await run('git', ['init', '--quiet', '--bare', `--initial-branch=${branch}`, folder]);
  return openBareRepository(folder);
}

export function openBareRepository(folder: string): BareRepository {
  const reader = batchReader(folder);
  const git = async (...args: string[]): Promise<string> =>
    (await run('git', ['-C', folder, ...args], { encoding: 'utf8', maxBuffer: 1e9 })).stdout.trimEnd();

  async function write(type: ObjectType, bytes: Uint8Array): Promise<string> {
    const header = Buffer.from(`${type} ${bytes.length}\0`);
    const oid = createHash('sha1').update(header).update(bytes).digest('hex');
    const path = join(folder, 'objects', oid.slice(0, 2), oid.slice(2));
    if (existsSync(path)) return oid;
    const whole = join(folder, 'objects', `tmp_${randomUUID()}`);
    if (!existsSync(dirname(path))) await mkdir(dirname(path), { recursive: true });
    await writeFile(whole, deflateSync(Buffer.concat([header, bytes]), { level: 1 }), { mode: 0o444 });
    await rename(whole, path);
    return oid;
  }

  async function tree(oid: string): Promise<TreeItem[]> {
    const found = await reader.read(oid);
    if (found?.type !== 'tree') throw new Error(`${oid} is no tree`);
    return parseTree(found.bytes);
  }

  async function treeWith(
    base: string | null,
    changes: ReadonlyMap<string, { mode: string; oid: string } | null>,
  ): Promise<string> {
    const items = new Map((base === null ? [] : await tree(base)).map((item) => [item.name, item]));
    const deeper = new Map<string, Map<string, { mode: string; oid: string } | null>>();
    for (const [path, change] of changes) {
      const slash = path.indexOf('/');
      const name = slash < 0 ? path : path.slice(0, slash);
      if (slash >= 0) {
        const inside = deeper.get(name) ?? new Map<string, { mode: string; oid: string } | null>();
        deeper.set(name, inside.set(path.slice(slash + 1), change));
      } else if (change === null) items.delete(name);
      else items.set(name, { name, ...change });
    }
    for (const [name, inside] of deeper) {
      const known = items.get(name);
      const oid = await treeWith(known?.mode === '40000' ? known.oid : null, inside);
      if (oid === emptyTree) items.delete(name);
      else items.set(name, { name, mode: '40000', oid });
    }
    return write('tree', formatTree([...items.values()]));
  }

  return {
    folder,
    git,
    read: (name) => reader.read(name),
    write,
    tree,
    treeWith,
    async commit({ tree: oid, parents, message, author, committer, signed }) {
      const person = author ?? {
        name: 'github-actions[bot]',
        email: '41898282+github-actions[bot]@users.noreply.github.com',
      };
      const line = ({ name, email, date }: Person): string =>
        `${name} <${email}> ${Math.floor((date === undefined ? Date.now() : Date.parse(date)) / 1000)} +0000`;
      const text = [
        `tree ${oid}`,
        ...parents.map((parent) => `parent ${parent}`),
        `author ${line(person)}`,
        `committer ${line(signed ? { name: 'GitHub', email: 'noreply@github.com' } : (committer ?? person))}`,
        ...(signed ? ['gpgsig -----BEGIN PGP SIGNATURE-----', ' ', ' standin', ' -----END PGP SIGNATURE-----'] : []),
        '',
        message,
      ].join('\n');
      return write('commit', Buffer.from(text));
    },
    async updateRefs(changes) {
      const lines = changes.map(({ ref, before, after }) =>
        after === null
          ? `delete ${ref}${before === null || before === undefined ? '' : ` ${before}`}`
          : `update ${ref} ${after}${before === undefined ? '' : ` ${before ?? zeros}`}`,
      );
      const child = run('git', ['-C', folder, 'update-ref', '--stdin']);
      child.child.stdin?.on('error', () => undefined).end(`${lines.join('\n')}\n`);
      return child.then(
        () => true,
        () => false,
      );
    },
    async isAncestor(ancestor, commit) {
      if (ancestor === commit) return true;
      // The common case, without a process: the commit was made on top of the ancestor.
      if (parentsOf((await reader.read(commit))?.bytes).includes(ancestor)) return true;
      return run('git', ['-C', folder, 'merge-base', '--is-ancestor', ancestor, commit]).then(
        () => true,
        () => false,
      );
    },
    close: () => reader.close(),
  };
}

export const emptyTree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

export function parentsOf(commit: Buffer | undefined): string[] {
  return [...(commit?.toString('utf8').split('\n\n')[0] ?? '').matchAll(/^parent ([0-9a-f]{40})$/gmu)].map(
    ([, oid = '']) => oid,
  );
}

function parseTree(bytes: Buffer): TreeItem[] {
  const items: TreeItem[] = [];
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const nul = bytes.indexOf(0, space);
    items.push({
      mode: bytes.toString('utf8', at, space),
      name: bytes.toString('utf8', space + 1, nul),
      oid: bytes.toString('hex', nul + 1, nul + 21),
    });
    at = nul + 21;
  }
  return items;
}

/** Entries are ordered by name, folders as if their name ended with a slash (git's base_name_compare). */
function formatTree(items: readonly TreeItem[]): Buffer {
  const key = ({ name, mode }: TreeItem): Buffer => Buffer.from(mode === '40000' ? `${name}/` : name);
  return Buffer.concat(
    [...items]
      .sort((a, b) => Buffer.compare(key(a), key(b)))
      .flatMap(({ mode, name, oid }) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(oid, 'hex')]),
  );
}

/** One `git cat-file --batch`, asked one thing at a time in order. */
function batchReader(folder: string): { read(name: string): Promise<GitObject | null>; close(): void } {
  let child: ChildProcessWithoutNullStreams | undefined;
  let chunks: Buffer[] = [];
  let buffered = 0;
  const waiting: ((object: GitObject | null) => void)[] = [];
  // Objects never change under their name; small ones are kept.
  const known = new Map<string, GitObject>();
  const keep = (object: GitObject): GitObject => {
    if (object.bytes.length < 100_000) known.set(object.oid, object);
    return object;
  };

  const take = (length: number): Buffer => {
    const whole = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    chunks = length < whole.length ? [whole.subarray(length)] : [];
    buffered -= length;
    return whole.subarray(0, length);
  };
  let header: { oid: string; type: ObjectType; size: number } | undefined;
  const drain = (): void => {
    for (;;) {
      if (waiting.length === 0 || buffered === 0) return;
      if (header === undefined) {
        const whole = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
        chunks = [whole];
        const end = whole.indexOf(0x0a);
        if (end < 0) return;
        const [oid = '', type = '', size = ''] = take(end + 1)
          .toString('utf8')
          .trimEnd()
          .split(' ');
        if (!/^[0-9]+$/u.test(size) || !/^[0-9a-f]{40}$/u.test(oid)) {
          waiting.shift()?.(null);
          continue;
        }
        header = { oid, type: type as ObjectType, size: Number(size) };
      }
      if (buffered < header.size + 1) return;
      const bytes = Buffer.from(take(header.size + 1).subarray(0, header.size));
      const { oid, type } = header;
      header = undefined;
      waiting.shift()?.(keep({ oid, type, bytes }));
    }
  };
  return {
    read(name) {
      if (/[\n\0]/u.test(name) || name === '') return Promise.resolve(null);
      const kept = known.get(name);
      if (kept !== undefined) return Promise.resolve(kept);
      if (child === undefined) {
        child = spawn('git', ['-C', folder, 'cat-file', '--batch']);
        child.stdout.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          buffered += chunk.length;
          drain();
        });
        child.on('close', () => waiting.splice(0).forEach((done) => done(null)));
        child.stdin.on('error', () => undefined);
      }
      const { stdin } = child;
      return new Promise((done) => {
        waiting.push(done);
        stdin.write(`${name}\n`);
      });
    },
    close: () => child?.stdin.end(),
  };
}
