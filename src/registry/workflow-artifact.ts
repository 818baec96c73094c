import { GitHubError, RegistryError } from '../errors.ts';
import { workflowArtifact, type WorkflowArtifact } from '../evidence/index.ts';
import { openGitHub } from '../github/client.ts';
import type { Log } from '../log.ts';
import { RefusedDownload } from './download.ts';
import type { Address } from './hops.ts';
import { siteOf, type GitHubAccess } from '../github/access.ts';

export interface ArtifactAccess {
  github?: GitHubAccess | undefined;
  /** Take from where it is recorded to be, whatever earlier runs kept of it: for who must know that it is still there. */
  fresh?: boolean;
  log: Log;
  signal?: AbortSignal | undefined;
}

/** What GitHub has of an artifact of a workflow run. */
export interface StoredArtifact {
  /** Where the API serves its archive: it leads on to an address of a minute, without the token. */
  address: Address;
  /** Of the archive; null where the server states none, as those before actions/upload-artifact v4 do not. */
  sha256: string | null;
  /** ISO 8601; null where it is kept for good. */
  expires: string | null;
}

/** The artifact is not, or no longer, to be had with this token: what another place keeps of it may stand in. */
export class UnavailableArtifact extends RegistryError {}

/**
 * Ask GitHub about an artifact of a workflow run. The token goes to the API of the server whose pages the address is of, and nowhere else.
 * @throws RegistryError for an address of another server; UnavailableArtifact when it expired, was deleted or may not be read
 */
export async function storedArtifact(
  uri: string,
  { site, repository, run, id }: WorkflowArtifact,
  { github: access, log, signal }: ArtifactAccess,
): Promise<StoredArtifact> {
  const { token = '', apiUrl } = access ?? {};
  if (site !== siteOf(apiUrl)) {
    throw new RegistryError({
      found: `an artifact of a workflow run at ${site}, but the API is that of ${siteOf(apiUrl)}`,
      expected: 'both on the same server',
      where: uri,
      remedy:
        'Set GITHUB_API_URL to the API of that server, or download the file with actions/download-artifact and name its path',
    });
  }
  const github = openGitHub({ repository, token, apiUrl, log, signal });
  const found = await github
    .request('GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}', { artifact_id: id })
    .catch((error: unknown) => {
      throw explained(error, uri, token);
    });
  if (found.expired) throw unavailable(410, uri, token, found.expires_at);
  const owner = found.workflow_run?.id;
  if (owner !== undefined && owner !== run) {
    throw new RegistryError({ found: `artifact ${id} belongs to run ${owner}`, expected: `run ${run}`, where: uri });
  }
  return {
    address: {
      url: new URL(`${github.apiUrl}/repos/${repository}/actions/artifacts/${id}/zip`),
      headers: token === '' ? {} : { authorization: `Bearer ${token}` },
    },
    sha256: /^sha256:([0-9a-f]{64})$/u.exec(found.digest ?? '')?.[1] ?? null,
    expires: found.expires_at,
  };
}

/** When GitHub deletes the artifact at this address; null for any other address, and where that cannot be told. */
export async function expiryOf(uri: string, access: ArtifactAccess): Promise<string | null> {
  const artifact = workflowArtifact(uri);
  if (artifact === null) return null;
  try {
    return (await storedArtifact(uri, artifact, access)).expires;
  } catch (error) {
    if (error instanceof RegistryError || error instanceof GitHubError) return null;
    throw error;
  }
}

/** The error, or what it means for who wants the artifact. */
export function explained(error: unknown, uri: string, token: string | undefined): unknown {
  const status =
    error instanceof RefusedDownload ? error.status : error instanceof GitHubError ? statuses[error.kind] : undefined;
  return [401, 403, 404, 410].some((each) => each === status) ? unavailable(status ?? 0, uri, token) : error;
}

const statuses: Partial<Record<GitHubError['kind'], number>> = { credentials: 401, permission: 403, absent: 404 };

function unavailable(status: number, uri: string, token = '', expiredAt: string | null = null): UnavailableArtifact {
  const again = 'Run the job that uploads it again, and name the new artifact';
  if (status === 410) {
    const when = expiredAt === null ? '' : ` on ${expiredAt.slice(0, 10)}`;
    return new UnavailableArtifact({
      found: `this artifact of a workflow run expired${when}, and GitHub deleted it`,
      where: uri,
      remedy: `${again}; retention-days of actions/upload-artifact sets how long it is kept`,
    });
  }
  const found =
    token === ''
      ? 'artifacts of workflow runs cannot be downloaded from GitHub without a token'
      : status === 404
        ? 'GitHub has no such artifact of a workflow run: it was deleted, or the token may not see it'
        : `the token may not read this artifact of a workflow run (GitHub answered ${status})`;
  const pass =
    token === ''
      ? 'Pass a token: the input token in a workflow, GITHUB_TOKEN elsewhere'
      : 'If it is in another, private repository, use a token with access to that repository';
  return new UnavailableArtifact({
    found,
    where: uri,
    remedy: `${status === 404 && token !== '' ? `${again}. ` : ''}${pass}. The job needs\n\npermissions:\n  contents: read # to check out the repository\n  actions: read # to fetch the artifact\n`,
  });
}
