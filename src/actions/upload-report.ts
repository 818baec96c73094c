import * as core from '@actions/core';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { entryPath } from '../entries.ts';
import type { Workspace } from '../pipeline/workspace.ts';

/** What the thread uploads, from which folder of its own. */
export interface UploadTask {
  report: string;
  folder: string;
  model: string;
}

/** The number of the artifact, or why there is none. */
export type UploadAnswer = { id: number } | { why: string };

/** A link is not worth a job that waits for minutes. */
const patienceMs = 60_000;

/**
 * Upload report.html as an artifact that is not packed, so that GitHub opens it in the browser (upload-artifact, `archive: false`).
 *
 * @param mostMs after which it is given up
 * @returns its address; undefined outside a runner, and where it could not be uploaded, which is said and is no reason to fail
 */
export async function uploadReport(
  { out, model, signal }: Pick<Workspace, 'out' | 'model' | 'signal'>,
  mostMs = patienceMs,
): Promise<string | undefined> {
  const { env } = process;
  if (!env['ACTIONS_RUNTIME_TOKEN'] || !env['ACTIONS_RESULTS_URL']) return undefined;
  const folder = await mkdtemp(join(env['RUNNER_TEMP'] ?? tmpdir(), 'contender-report-'));
  const report = join(out, 'report.html');
  core.startGroup('Upload of the HTML report');
  const answer = await upload({ report, folder, model }, mostMs, signal);
  core.endGroup();
  await rm(folder, { recursive: true, force: true });
  if ('id' in answer)
    return `${env['GITHUB_SERVER_URL']}/${env['GITHUB_REPOSITORY']}/actions/runs/${env['GITHUB_RUN_ID']}/artifacts/${answer.id}`;
  core.notice(
    `The HTML report was not uploaded (${answer.why}), so the comment has no link to it. The file is ${report}.`,
  );
  return undefined;
}

/** The client of artifacts asks again for minutes and cannot be told to stop: a thread can. */
async function upload(workerData: UploadTask, mostMs: number, signal: AbortSignal | undefined): Promise<UploadAnswer> {
  const worker = new Worker(entryPath('upload-worker'), { workerData });
  const timer = new AbortController();
  try {
    return await Promise.race([
      new Promise<UploadAnswer>((done) => {
        // A cancelled job has seconds to give its outputs.
        const cancelled = (): void => done({ why: 'the run was cancelled' });
        if (signal?.aborted === true) cancelled();
        signal?.addEventListener('abort', cancelled, { once: true });
        worker.once('message', done);
        worker.once('error', (error) => done({ why: error instanceof Error ? error.message : String(error) }));
        worker.once('exit', () => done({ why: 'the upload ended without an answer' }));
      }),
      setTimeout(mostMs, { why: `no answer within ${mostMs / 1000} s` }, { signal: timer.signal }),
    ]);
  } finally {
    timer.abort();
    await worker.terminate();
  }
}
