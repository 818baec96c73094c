import { userInfo } from 'node:os';

/** Who acts: the runner's actor, else the user of this machine. */
export async function actorFrom(runner: string | undefined): Promise<string> {
  if (runner !== undefined) return runner;
  try {
    return userInfo().username;
  } catch {
    // A container may run under a user id that has no name.
    return 'unknown';
  }
}
