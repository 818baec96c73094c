import * as core from '@actions/core';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Workspace } from '../pipeline/workspace.ts';

/** A link is not worth a job that waits for minutes. */
const patienceMs = 60_000;
/** Jobs of one run may judge one model: each needs a name of its own. */
const names = 5;

/**
 * Upload report.html as an artifact that is not packed, so that GitHub opens it in the browser (upload-artifact, `archive: false`).
 *
 * @returns its address; undefined outside a runner, and where it could not be uploaded, which is said and is no reason to fail
 */
export async function uploadReport({ out, model }: Workspace): Promise<string | undefined> {
  const { env } = process;
  if (!env['ACTIONS_RUNTIME_TOKEN'] || !env['ACTIONS_RESULTS_URL']) return undefined;
  const folder = await mkdtemp(join(env['RUNNER_TEMP'] ?? tmpdir(), 'contender-report-'));
  const late = new AbortController();
  core.startGroup('Upload of the HTML report');
  try {
    const id = await Promise.race([
      upload(join(out, 'report.html'), folder, model),
      setTimeout(patienceMs, undefined, { signal: late.signal }).then(() => {
        throw new Error(`no answer within ${patienceMs / 1000} s`);
      }),
    ]);
    return `${env['GITHUB_SERVER_URL']}/${env['GITHUB_REPOSITORY']}/actions/runs/${env['GITHUB_RUN_ID']}/artifacts/${id}`;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    core.notice(
      `The HTML report was not uploaded, so there is no link to it. It is in ${join(out, 'report.html')}. (${why})`,
    );
    return undefined;
  } finally {
    core.endGroup();
    late.abort();
    await rm(folder, { recursive: true, force: true });
  }
}

async function upload(report: string, folder: string, model: string): Promise<number> {
  const { DefaultArtifactClient } = await import('@actions/artifact');
  const client = new DefaultArtifactClient();
  for (let count = 1; ; count++) {
    // An artifact that is not packed is named after its file.
    const file = join(folder, `${model}-report${count === 1 ? '' : `-${count}`}.html`);
    await copyFile(report, file);
    try {
      const { id } = await client.uploadArtifact('', [file], folder, { skipArchive: true });
      if (id === undefined) throw new Error('the server gave it no number');
      return id;
    } catch (error) {
      const isTaken = error instanceof Error && /\b409\b|already exists/u.test(error.message);
      if (!isTaken || count === names) throw error;
    }
  }
}
