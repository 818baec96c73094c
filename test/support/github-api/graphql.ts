import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildSchema,
  execute,
  GraphQLError,
  parse,
  validate,
  type DocumentNode,
  type ExecutionResult,
  type GraphQLSchema,
} from 'graphql';
import { projectRoot } from '../project.ts';
import type { TreeItem } from './bare-repository.ts';
import { forbidding, exclusively, isRefName, moveRefs, moveRefsNow, refAt, ruleRefusal } from './refs.ts';
import { addressOf, fullName } from './route.ts';
import { ApiError, type RepositoryState, type Token } from './state.ts';

/*
 * GraphQL over GitHub's published schema (@octokit/graphql-schema), so that a query with a field GitHub does not have is
 * refused here as it is there. What has no resolver answers null.
 */

export interface GraphQlContext {
  token: Token;
  stale: boolean;
  find(owner: string, name: string): RepositoryState | null;
  may(repository: RepositoryState, access: 'read' | 'write', scope?: 'contents' | 'pull-requests'): boolean;
}

let schema: GraphQLSchema | undefined;

export async function answerGraphQl(
  body: Record<string, unknown>,
  context: GraphQlContext,
): Promise<{ data?: unknown; errors?: unknown[] }> {
  schema ??= buildSchema(
    readFileSync(join(projectRoot, 'node_modules/@octokit/graphql-schema/schema.graphql'), 'utf8'),
    {
      assumeValid: true,
      noLocation: true,
    },
  );
  const { data, errors } = await execution(
    typeof body['query'] === 'string' ? body['query'] : '',
    (body['variables'] ?? {}) as Record<string, unknown>,
    root(context),
  );
  return {
    ...(data === undefined ? {} : { data }),
    ...(errors === undefined
      ? {}
      : {
          errors: errors.map((error) => ({
            ...(error.originalError instanceof ApiError ? { type: error.originalError.type } : {}),
            ...(error instanceof GraphQLError && error.path !== undefined ? { path: error.path } : {}),
            message: error.message,
          })),
        }),
  };
}

/** Queries that were found valid, parsed. */
const valid = new Map<string, DocumentNode>();

async function execution(
  source: string,
  variableValues: Record<string, unknown>,
  rootValue: unknown,
): Promise<ExecutionResult> {
  const known = schema as GraphQLSchema;
  let document = valid.get(source);
  if (document === undefined) {
    try {
      document = parse(source);
    } catch (error) {
      return { errors: [error as GraphQLError] };
    }
    const errors = validate(known, document);
    if (errors.length > 0) return { errors };
    valid.set(source, document);
  }
  return execute({ schema: known, document, variableValues, rootValue });
}

function root(context: GraphQlContext) {
  return {
    viewer: { login: context.token.login },
    rateLimit: { limit: 1000, remaining: context.token.remaining ?? 1000, cost: 1 },
    repository({ owner, name }: { owner: string; name: string }) {
      const repository = context.find(owner, name);
      if (repository === null) {
        throw new ApiError(404, `Could not resolve to a Repository with the name '${owner}/${name}'.`, {}, 'NOT_FOUND');
      }
      return repositoryNode(repository, context);
    },
    createCommitOnBranch: ({ input }: { input: CommitOnBranch }) => createCommitOnBranch(input, context),
    updateRefs: ({ input }: { input: UpdateRefs }) => updateRefs(input, context),
    minimizeComment({ input }: { input: { subjectId: string } }) {
      const [, owner = '', name = '', id = ''] = /^IC_(.*?)\/(.*?)_([0-9]+)$/u.exec(input.subjectId) ?? [];
      const repository = context.find(owner, name);
      const comment = repository?.comments.get(Number(id));
      if (comment === undefined || repository === null)
        throw new ApiError(
          404,
          `Could not resolve to a node with the global id of '${input.subjectId}'`,
          {},
          'NOT_FOUND',
        );
      requireWrite(repository, context, 'pull-requests');
      comment.minimized = true;
      return { minimizedComment: { __typename: 'IssueComment', isMinimized: true } };
    },
  };
}

function repositoryNode(repository: RepositoryState, context: GraphQlContext) {
  const readable = context.may(repository, 'read');
  const refNode = async (ref: string) => {
    const oid = await refAt(repository, ref, context.stale);
    return oid === null
      ? null
      : {
          id: `REF_${ref}`,
          name: ref.replace(/^refs\/[^/]+\//u, ''),
          prefix: /^refs\/[^/]+\//u.exec(ref)?.[0] ?? '',
          target: () => objectNode(repository, oid),
        };
  };
  const contents = <T>(work: () => T): T => {
    if (!readable) throw new ApiError(403, 'Resource not accessible by integration', {}, 'FORBIDDEN');
    return work();
  };
  return {
    id: `R_${fullName(repository)}`,
    name: repository.name,
    nameWithOwner: fullName(repository),
    isPrivate: repository.private,
    isArchived: repository.archived,
    viewerPermission: context.may(repository, 'write') ? 'WRITE' : 'READ',
    defaultBranchRef: () => contents(() => refNode(`refs/heads/${repository.defaultBranch}`)),
    ref: ({ qualifiedName }: { qualifiedName: string }) =>
      contents(async () =>
        qualifiedName.startsWith('refs/')
          ? refNode(qualifiedName)
          : ((await refNode(`refs/heads/${qualifiedName}`)) ?? refNode(`refs/tags/${qualifiedName}`)),
      ),
    object: ({ oid, expression }: { oid?: string; expression?: string }) =>
      contents(() => objectNode(repository, oid ?? expression ?? '')),
    pullRequest({ number }: { number: number }) {
      const pull = repository.pulls.get(number);
      if (pull === undefined)
        throw new ApiError(404, `Could not resolve to a PullRequest with the number of ${number}.`, {}, 'NOT_FOUND');
      return {
        __typename: 'PullRequest',
        number,
        title: pull.title,
        comments: ({ first = 100, after }: { first?: number; after?: string }) => {
          const all = [...repository.comments.values()].filter((each) => each.issue === number);
          const start = after === undefined || after === null ? 0 : Number(after);
          const nodes = all.slice(start, start + first).map((each) => ({
            __typename: 'IssueComment',
            id: `IC_${fullName(repository)}_${each.id}`,
            databaseId: each.id,
            body: each.body,
            isMinimized: each.minimized,
            viewerDidAuthor: each.user.login === context.token.login,
            author: { __typename: each.user.type, login: each.user.login.replace(/\[bot\]$/u, '') },
          }));
          return {
            nodes,
            totalCount: all.length,
            pageInfo: { hasNextPage: start + first < all.length, endCursor: String(start + first) },
          };
        },
      };
    },
  };
}

async function objectNode(repository: RepositoryState, name: string): Promise<unknown> {
  const { git } = repository;
  const object = await git.read(name);
  if (object === null) return null;
  const { oid } = object;
  if (object.type === 'blob') {
    const binary = object.bytes.includes(0);
    // Longer text is cut, and says so.
    const cut = object.bytes.length > 512_000;
    return {
      __typename: 'Blob',
      oid,
      byteSize: object.bytes.length,
      isBinary: binary,
      isTruncated: cut,
      text: binary ? null : object.bytes.subarray(0, cut ? 512_000 : undefined).toString('utf8'),
    };
  }
  if (object.type === 'tree') {
    return {
      __typename: 'Tree',
      oid,
      entries: async () => (await git.tree(oid)).map((item) => entryNode(repository, item)),
    };
  }
  if (object.type === 'tag') {
    const [head, message] = splitOnce(object.bytes.toString('utf8'), '\n\n');
    const target = /^object ([0-9a-f]{40})$/mu.exec(head)?.[1] ?? '';
    return {
      __typename: 'Tag',
      oid,
      name: /^tag (.*)$/mu.exec(head)?.[1] ?? '',
      message: message === '' ? null : message,
      target: () => objectNode(repository, target),
    };
  }
  const [head, message] = splitOnce(object.bytes.toString('utf8'), '\n\n');
  const tree = /^tree ([0-9a-f]{40})$/mu.exec(head)?.[1] ?? '';
  return {
    __typename: 'Commit',
    oid,
    message,
    messageHeadline: message.split('\n')[0] ?? '',
    tree: () => objectNode(repository, tree),
    file: ({ path }: { path: string }) => fileEntry(repository, tree, path.split('/').filter(Boolean)),
  };
}

async function fileEntry(repository: RepositoryState, tree: string, parts: readonly string[]): Promise<unknown> {
  const [first, ...rest] = parts;
  const item = (await repository.git.tree(tree)).find(({ name }) => name === first);
  if (item === undefined) return null;
  if (rest.length === 0) return entryNode(repository, item);
  return item.mode === '40000' ? fileEntry(repository, item.oid, rest) : null;
}

function entryNode(repository: RepositoryState, { mode, name, oid }: TreeItem) {
  const type = mode === '40000' ? 'tree' : mode === '160000' ? 'commit' : 'blob';
  return {
    __typename: 'TreeEntry',
    name,
    oid,
    type,
    // A number: 33188 is 0100644.
    mode: Number.parseInt(mode, 8),
    size: async () => (type === 'blob' ? ((await repository.git.read(oid))?.bytes.length ?? 0) : 0),
    object: () => objectNode(repository, oid),
  };
}

interface CommitOnBranch {
  branch: { repositoryNameWithOwner?: string; branchName?: string; id?: string };
  expectedHeadOid: string;
  message: { headline: string; body?: string };
  fileChanges?: { additions?: { path: string; contents: string }[] | null; deletions?: { path: string }[] | null };
}

async function createCommitOnBranch(input: CommitOnBranch, context: GraphQlContext): Promise<unknown> {
  const [owner = '', name = ''] = (input.branch.repositoryNameWithOwner ?? '').split('/');
  const repository = context.find(owner, name);
  if (repository === null)
    throw new ApiError(404, `Could not resolve to a Repository with the name '${owner}/${name}'.`, {}, 'NOT_FOUND');
  requireWrite(repository, context);
  const { additions, deletions } = input.fileChanges ?? {};
  if (additions === null || deletions === null)
    throw new ApiError(500, 'Something went wrong while executing your query.', {}, 'INTERNAL');
  return exclusively(repository, () => commitNow(repository, input, context));
}

async function commitNow(
  repository: RepositoryState,
  input: CommitOnBranch,
  context: GraphQlContext,
): Promise<unknown> {
  const { additions, deletions } = input.fileChanges ?? {};
  const branch = input.branch.branchName ?? '';
  const ref = `refs/heads/${branch}`;
  const head = await refAt(repository, ref);
  if (head === null) throw new ApiError(404, `Branch ${branch} does not exist`, {}, 'NOT_FOUND');
  if (head !== input.expectedHeadOid) throw staleHead(input.expectedHeadOid);
  const rule = forbidding(repository, ref, context.token);
  if (rule !== undefined) throw ruleRefusal(rule, ref, 'graphql');
  const changes = new Map<string, { mode: string; oid: string } | null>();
  for (const { path, contents } of additions ?? []) {
    changes.set(path, { mode: '100644', oid: await repository.git.write('blob', Buffer.from(contents, 'base64')) });
  }
  for (const { path } of deletions ?? []) changes.set(path, null);
  const base = (await repository.git.read(`${head}^{tree}`))?.oid ?? null;
  const { headline, body } = input.message;
  const commit = await repository.git.commit({
    tree: await repository.git.treeWith(base, changes),
    parents: [head],
    message: body === undefined || body === '' ? headline : `${headline}\n\n${body}`,
    author: addressOf(context.token),
    signed: true,
  });
  if (!(await moveRefsNow(repository, [{ ref, before: head, after: commit }]))) throw staleHead(input.expectedHeadOid);
  return { clientMutationId: null, commit: () => objectNode(repository, commit), ref: { name: branch } };
}

function staleHead(expected: string): ApiError {
  return new ApiError(
    409,
    `Expected branch to point to "${expected}" but it did not. Pull and try again.`,
    {},
    'STALE_DATA',
  );
}

interface UpdateRefs {
  repositoryId: string;
  refUpdates: { name: string; afterOid: string; beforeOid?: string | null; force?: boolean | null }[];
}

async function updateRefs(input: UpdateRefs, context: GraphQlContext): Promise<unknown> {
  const [owner = '', name = ''] = input.repositoryId.replace(/^R_/u, '').split('/');
  const repository = context.find(owner, name);
  if (repository === null)
    throw new ApiError(
      404,
      `Could not resolve to a node with the global id of '${input.repositoryId}'`,
      {},
      'NOT_FOUND',
    );
  requireWrite(repository, context);
  const changes = [];
  for (const { name: ref, afterOid, beforeOid, force } of input.refUpdates) {
    if (!isRefName(ref)) throw new ApiError(422, `${ref} is not a valid ref name`);
    const rule = forbidding(repository, ref, context.token);
    if (rule !== undefined) throw ruleRefusal(rule, ref, 'graphql');
    const now = await refAt(repository, ref);
    const gone = /^0+$/u.test(afterOid);
    if (!gone && (await repository.git.read(afterOid)) === null)
      throw new ApiError(422, `Object ${afterOid} does not exist`);
    if (
      now !== null &&
      !gone &&
      force !== true &&
      ref.startsWith('refs/heads/') &&
      !(await repository.git.isAncestor(now, afterOid))
    ) {
      throw new ApiError(422, `Update is not a fast forward: ${ref}`);
    }
    if (now !== null && force !== true && ref.startsWith('refs/tags/') && !/^0+$/u.test(beforeOid ?? '') && !gone) {
      throw new ApiError(422, `Update is not a fast forward: ${ref}`);
    }
    const before =
      beforeOid === null || beforeOid === undefined ? undefined : /^0+$/u.test(beforeOid) ? null : beforeOid;
    changes.push({ ref, ...(before === undefined ? {} : { before }), after: gone ? null : afterOid });
  }
  if (!(await moveRefs(repository, changes))) throw new ApiError(409, 'Reference cannot be updated', {}, 'STALE_DATA');
  return { clientMutationId: null };
}

function requireWrite(
  repository: RepositoryState,
  context: GraphQlContext,
  scope: 'contents' | 'pull-requests' = 'contents',
): void {
  if (repository.archived) throw new ApiError(403, 'Repository was archived so is read-only.', {}, 'FORBIDDEN');
  if (!context.may(repository, 'write', scope))
    throw new ApiError(403, 'Resource not accessible by integration', {}, 'FORBIDDEN');
}

function splitOnce(whole: string, separator: string): [string, string] {
  const at = whole.indexOf(separator);
  return at < 0 ? [whole, ''] : [whole.slice(0, at), whole.slice(at + separator.length)];
}
