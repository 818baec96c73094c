import { RegistryError } from '../errors.ts';
import { openGitHub } from '../github/client.ts';
import { runPlace } from '../github/run-place.ts';
import { releaseVersion, type ReleasedVersion } from '../pipeline/publishing/release.ts';
import type { Workspace } from '../pipeline/workspace.ts';
import { writeSummary } from './action.ts';

/**
 * Make the release of a version (default: the champion), or complete it, and say so in log and summary.
 *
 * @throws RegistryError, GitHubError
 */
export async function release(
  workspace: Workspace,
  { token, version }: { token: string; version?: string | undefined },
): Promise<ReleasedVersion & { headline: string }> {
  const place = await runPlace(process.env);
  if (place === null) throw new RegistryError({ found: 'this is not a workflow run', remedy: 'Run it on GitHub' });
  const { repository, apiUrl } = place;
  const { log, signal } = workspace;
  const github = openGitHub({ repository, token, apiUrl, log, signal });
  const released = await releaseVersion(workspace, { github, version, server: process.env['GITHUB_SERVER_URL'] });
  const headline = `Release ${released.tag}: ${released.action}`;
  log.info(`${headline}. ${released.url}`);
  await writeSummary(`## 📦 ${headline}\n\n${encodeURI(released.url)}\n`);
  return { ...released, headline };
}
