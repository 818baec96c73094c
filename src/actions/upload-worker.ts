/* A thread that uploads a report and says its number, or why there is none. Started by upload-report.ts, which ends it where it takes too long. */
import { DefaultArtifactClient } from '@actions/artifact';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { UploadAnswer, UploadTask } from './upload-report.ts';

/** Jobs of one run may judge one model: each needs a name of its own. */
const names = 5;

const answer = await upload(workerData as UploadTask).then(
  (id): UploadAnswer => ({ id }),
  (error: unknown): UploadAnswer => ({ why: error instanceof Error ? error.message : String(error) }),
);
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
parentPort?.postMessage(answer);

async function upload({ report, folder, model }: UploadTask): Promise<number> {
  const client = new DefaultArtifactClient();
  for (let count = 1; ; count++) {
    // An artifact that is not packed is named after its file.
    const file = join(folder, `${model}-report${count === 1 ? '' : `-${count}`}.html`);
    await copyFile(report, file);
    try {
      const { id } = await client.uploadArtifact('', [file], folder, { skipArchive: true });
      if (id === undefined) throw new Error('the server returned no id');
      return id;
    } catch (error) {
      const isTaken = error instanceof Error && /\b409\b|already exists/u.test(error.message);
      if (!isTaken || count === names) throw error;
    }
  }
}
