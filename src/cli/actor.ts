import { userInfo } from 'node:os';
import { committer } from '../pipeline/gate/source.ts';

/** Who acts: the runner's actor, else who commits in this folder by git's word, else the user of this machine. */
export async function actorFrom(runner: string | undefined, folder: string): Promise<string> {
  return runner ?? (await committer(folder)) ?? user();
}

function user(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a user id that has no name.
    return 'unknown';
  }
}
