import type Docker from 'dockerode';
import { dirname, relative } from 'node:path';
import { posix } from 'node:path';
import { bytes } from '../config/units.ts';
import type { Staging } from '../config/schema.ts';
import { ConfigError, StagingError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LocalArtifact } from '../model/artifact.ts';
import { connectEngine, owner, ownerLabel, removeContainer, removeLeftovers, statusOf } from './engine.ts';
import { healthy, shownLogs } from './health.ts';
import { cpuMeter } from './process-usage.ts';
import { engineSeconds } from './process-tree.ts';
import type { Service } from './service.ts';
import type { Observation, StagingTarget } from './target.ts';

export type ImageStaging = Extract<Staging, { image: string }>;

/** An image with this label (set by our Dockerfile) runs on a read-only root; others may write where they like. */
const readOnlyLabel = 'dev.contender.read-only-root';
const processLimit = 512;

/** What an image brings in /tmp stays, but where nothing could be written there; native libraries may be loaded from it. */
const readOnlyRoot = {
  ReadonlyRootfs: true,
  Tmpfs: { '/tmp': 'rw,exec,nosuid,nodev,mode=1777,size=64m' },
};

/**
 * What programs that start as root ask for, so that what starts with `docker run` starts here: they give files to a user, and
 * become that user. Docker's others (raw sockets, devices, chroot, capabilities of files, the audit log) are no model server's.
 */
const startCapabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'NET_BIND_SERVICE', 'SETGID', 'SETUID'];

/**
 * Run an image as a staging container: limited, with few capabilities, reachable from this machine only, watched, and
 * removed whatever happens.
 * @throws StagingError when the image is missing, ends, runs out of memory or does not become healthy in time; ConfigError for settings
 * that the engine refuses
 */
export async function startImage(input: {
  staging: ImageStaging;
  /** Null: there is no model file, and the image brings its own. */
  candidate: LocalArtifact | null;
  service: Service;
  log: Log;
  signal?: AbortSignal | undefined;
}): Promise<StagingTarget> {
  const { staging, service, log, signal } = input;
  const engine = await connectEngine();
  await removeLeftovers(engine, log);
  const image = await findImage(engine, staging.image, log, signal);
  signal?.throwIfAborted();
  const container = await createContainer(engine, image, input);
  let removed: Promise<void> | undefined;
  const stop = () => (removed ??= removeContainer(container));
  try {
    const begun = performance.now();
    const port = await start(container, staging);
    const url = `http://127.0.0.1:${port}`;
    const logs = () => tail(container);
    const metadata = await healthy({
      what: `The container of ${staging.image}`,
      url,
      service,
      staging,
      signal,
      external: false,
      ended: async () => exitOf(await container.inspect(), staging.memory),
      logs,
    });
    return {
      kind: 'image',
      url,
      service,
      metadata,
      startedInMs: performance.now() - begun,
      limits: {
        cpus: staging.cpus ?? null,
        memoryBytes: staging.memory === undefined ? null : bytes(staging.memory),
      },
      artifact: {
        role: 'image',
        uri: `docker:${staging.image}`,
        sha256: image.Id.replace(/^sha256:/u, ''),
        size: image.Size,
      },
      observe: observer(container, staging.memory),
      logs,
      stop,
    };
  } catch (error) {
    await stop();
    if (!(error instanceof StagingError)) throw error;
    const machine = await engine.version().then(
      ({ Arch }) => Arch,
      () => image.Architecture,
    );
    if (image.Architecture === machine) throw error;
    const remedy = `The image is for ${image.Architecture}, and this machine is ${machine}: test it on a machine of its own kind, or build it for this one too`;
    throw new StagingError({ ...error.fault, remedy }, true);
  }
}

async function findImage(
  engine: Docker,
  name: string,
  log: Log,
  signal: AbortSignal | undefined,
): Promise<Docker.ImageInspectInfo> {
  try {
    return await engine.getImage(name).inspect();
  } catch (error) {
    if (statusOf(error) !== 404) throw engineFault(`Image ${name} cannot be read`, error);
  }
  log.info(`Image ${name} is not on this machine: pulling it`);
  try {
    const pulling: NodeJS.ReadableStream = await engine.pull(name, { abortSignal: signal });
    await new Promise<void>((resolve, reject) => {
      engine.modem.followProgress(pulling, (error) => (error === null ? resolve() : reject(error)));
    });
    return await engine.getImage(name).inspect();
  } catch (error) {
    signal?.throwIfAborted();
    throw new StagingError(
      {
        found: `Image ${name} is not on this machine and cannot be pulled: ${messageOf(error)}`,
        remedy: 'Check staging.image, build the image in an earlier step, or log in to its registry',
        cause: error,
      },
      true,
    );
  }
}

async function createContainer(
  engine: Docker,
  image: Docker.ImageInspectInfo,
  input: { staging: ImageStaging; candidate: LocalArtifact | null; service: Service },
): Promise<Docker.Container> {
  const { staging, candidate, service } = input;
  const exposed = `${containerPort(staging)}/tcp`;
  const environment = { CONTENDER_MODEL_NAME: service.model, ...staging.env };
  const memory = staging.memory === undefined ? undefined : bytes(staging.memory);
  const labels = image.Config.Labels as Record<string, string> | null;
  const mounts =
    staging.mount_model === undefined || candidate === null ? [] : modelMounts(candidate, staging.mount_model);
  try {
    return await engine.createContainer({
      Image: image.Id,
      ...(staging.command !== undefined && { Cmd: staging.command }),
      Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      Labels: { [ownerLabel]: await owner() },
      ExposedPorts: { [exposed]: {} },
      HostConfig: {
        // Swap counts too: a limit that may be swapped past is none.
        ...(memory !== undefined && { Memory: memory, MemorySwap: memory }),
        ...(staging.cpus !== undefined && { NanoCpus: Math.round(staging.cpus * 1e9) }),
        PidsLimit: processLimit,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        ...(labels?.[readOnlyLabel] === 'true' ? readOnlyRoot : { CapAdd: startCapabilities }),
        PortBindings: { [exposed]: [{ HostIp: '127.0.0.1', HostPort: '' }] },
        Mounts: mounts,
        LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '1' } },
      },
    });
  } catch (error) {
    throw engineFault(`The container of ${staging.image} cannot be created`, error);
  }
}

/** The model and the external data beside it, each mounted read-only at its place beside `target`. */
function modelMounts(candidate: LocalArtifact, target: string): Docker.MountSettings[] {
  const folder = dirname(candidate.path);
  const sources = new Set([candidate.path, ...candidate.files.map(({ path }) => posix.resolve(folder, path))]);
  return [...sources].map((source) => ({
    Type: 'bind',
    Source: source,
    Target: source === candidate.path ? target : posix.join(posix.dirname(target), relative(folder, source)),
    ReadOnly: true,
  }));
}

/** Start the container and tell the port of this machine that leads to it. */
async function start(container: Docker.Container, staging: ImageStaging): Promise<string> {
  try {
    await container.start();
  } catch (error) {
    // In the words of runc and of crun.
    const [, byRunc, byCrun] = /exec: "([^"]*)"|executable file `([^`]*)`/u.exec(messageOf(error)) ?? [];
    const program = byRunc ?? byCrun;
    // What the image itself names as its program is a fault of the image.
    if (program === undefined || program === staging.command?.[0]) {
      throw engineFault(`The container of ${staging.image} does not start`, error);
    }
    throw new StagingError({
      found: `The container of ${staging.image} does not start: ${messageOf(error)}`,
      remedy: 'Correct the entry point of the image, or name a program of the image in staging.command',
      cause: error,
    });
  }
  const info = await container.inspect();
  const port = info.NetworkSettings.Ports[`${containerPort(staging)}/tcp`]?.[0]?.HostPort;
  if (port !== undefined) return port;
  throw new StagingError({
    found: `The container of ${staging.image} ended at once: ${exitOf(info, staging.memory) ?? 'no port was published'}${shownLogs(await tail(container))}`,
    remedy: 'Run the image manually to see why',
  });
}

/** Watches a container. @param memory its limit, for messages */
export function observer(container: Docker.Container, memory?: string): () => Promise<Observation> {
  const meter = cpuMeter();
  let before: Throttling | null = null;
  return async () => {
    const info = await container.inspect().catch((error: unknown) => {
      if (statusOf(error) === 404) return null;
      throw error;
    });
    const exit = info === null ? 'removed' : exitOf(info, memory);
    if (exit !== null) return { memoryBytes: null, cpuPercent: null, alive: false, exit };
    // one-shot: without it the engine waits a second or two for a second sample.
    const stats = await container.stats({ stream: false, 'one-shot': true });
    const used = stats.memory_stats.usage as number | undefined;
    return {
      memoryBytes: used === undefined ? null : used - fileCache(stats.memory_stats.stats),
      cpuPercent: meter(stats.cpu_stats.cpu_usage.total_usage / 1e9),
      throttled: throttledSince(before, (before = stats.cpu_stats.throttling_data as Throttling)),
      engineSeconds: await engineSeconds(),
      alive: true,
    };
  };
}

/** Periods of the CPU limit, and those in which it was used up (cgroups, cpu.stat). */
interface Throttling {
  periods: number;
  throttled_periods: number;
}

function throttledSince(before: Throttling | null, now: Throttling | undefined): number | null {
  if (before === null || now === undefined || now.periods === before.periods) return null;
  return (now.throttled_periods - before.throttled_periods) / (now.periods - before.periods);
}

/** Page cache that the kernel would give back, which `docker stats` leaves out too (cgroup v2, else v1). */
function fileCache(stats: object | undefined): number {
  const counts = (stats ?? {}) as { inactive_file?: number; total_inactive_file?: number };
  return counts.total_inactive_file ?? counts.inactive_file ?? 0;
}

/** Why a container ended, or null while it runs. */
export function exitOf(info: Docker.ContainerInspectInfo, memory?: string): string | null {
  const { State: state } = info;
  if (state.OOMKilled) return `out of memory (limit ${memory ?? 'of the machine'})`;
  if (state.Running) return null;
  return state.Error === '' ? `exit code ${state.ExitCode}` : `exit code ${state.ExitCode} (${state.Error})`;
}

/** The last lines of both outputs of the container. */
export async function tail(container: Docker.Container): Promise<string> {
  const frames = await container.logs({ stdout: true, stderr: true, tail: 50 }).catch(() => Buffer.alloc(0));
  let text = '';
  // Each frame: stream, three zero bytes, length, bytes (Docker Engine API, "Attach to a container").
  for (let offset = 0; offset + 8 <= frames.length;) {
    const length = frames.readUInt32BE(offset + 4);
    text += frames.toString('utf8', offset + 8, offset + 8 + length);
    offset += 8 + length;
  }
  return text;
}

function containerPort(staging: ImageStaging): number {
  return staging.port ?? 8080;
}

/** What the engine refuses with a status is for a person to mend, and no fault of the candidate; without one it cannot be reached. */
function engineFault(what: string, error: unknown): ConfigError | StagingError {
  const fault = { found: `${what}: ${messageOf(error)}`, cause: error };
  if (statusOf(error) === undefined) {
    return new StagingError({ ...fault, remedy: 'Check the Docker Engine' }, true);
  }
  return new ConfigError({
    ...fault,
    expected: 'settings that the Docker Engine accepts for this image',
    where: 'staging',
    remedy: 'Check staging.image, command, memory, cpus, env and mount_model',
  });
}

/** The engine's own sentence, without the status line dockerode puts before it. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const json = 'json' in error ? (error.json as { message?: unknown } | null) : null;
  return typeof json?.message === 'string' ? json.message : error.message;
}
