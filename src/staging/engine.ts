import type Docker from 'dockerode';
import { StagingError } from '../errors.ts';
import type { Log } from '../log.ts';
import { isGone, thisProcess, type Owner } from '../processes.ts';

/** Label of every container of ours; its value names the process that answers for it. */
export const ownerLabel = 'dev.contender.staging';

/**
 * Connect to the Docker Engine of this machine (DOCKER_HOST or the default socket; Podman's socket serves as well).
 * @throws StagingError when none answers, or it runs on another machine, where we could not reach its containers.
 */
export async function connectEngine(): Promise<Docker> {
  const host = process.env['DOCKER_HOST'];
  if (host !== undefined && /^(?:tcp|ssh|https?):/u.test(host)) {
    throw new StagingError(
      {
        found: 'DOCKER_HOST is a Docker Engine on the network',
        expected: 'a Docker Engine on this machine (a unix socket)',
        remedy: 'Start the container there yourself and use staging: { url }',
      },
      true,
    );
  }
  const { default: Engine } = await import('dockerode');
  const engine = new Engine();
  try {
    await engine.ping();
  } catch (error) {
    throw new StagingError(
      {
        found: `No Docker Engine answers: ${error instanceof Error ? error.message : String(error)}`,
        remedy: 'Start Docker, give this user access to its socket, or use staging: { target: builtin }',
        cause: error,
      },
      true,
    );
  }
  return engine;
}

/** The label value of this process. */
export async function owner(): Promise<string> {
  return JSON.stringify(await thisProcess());
}

/** Remove containers of runs on this machine that were killed before they could remove them. */
export async function removeLeftovers(engine: Docker, log: Log): Promise<void> {
  const containers = await engine.listContainers({ all: true, filters: { label: [ownerLabel] } });
  for (const { Id: id, Labels: labels } of containers) {
    if (!(await isLeft(labels[ownerLabel] ?? ''))) continue;
    log.warning(`Removing container ${id.slice(0, 12)}, left by a killed run`);
    await removeContainer(engine.getContainer(id));
  }
}

/** Remove a container, running or not. One that is already gone is fine. */
export async function removeContainer(container: Docker.Container): Promise<void> {
  try {
    await container.remove({ force: true, v: true });
  } catch (error) {
    if (statusOf(error) === 404) return;
    // Already being removed: wait until it is gone.
    if (statusOf(error) === 409) {
      await container.wait({ condition: 'removed' }).catch(() => {});
      return;
    }
    throw error;
  }
}

/** HTTP status of an error of the engine, if it is one. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined;
}

async function isLeft(label: string): Promise<boolean> {
  try {
    return await isGone(JSON.parse(label) as Owner);
  } catch {
    return false;
  }
}
