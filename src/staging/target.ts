import type { Artifact } from '../evidence/index.ts';
import type { ModelMetadata } from '../protocol/index.ts';
import type { Service } from './service.ts';

/** What a staging target uses, and whether it still lives. A figure that cannot be had is null, never a guess. */
export interface Observation {
  /** Resident memory in bytes, of all its processes. */
  memoryBytes: number | null;
  /** CPU time over wall time since the observation before, in percent of one core; null the first time. */
  cpuPercent: number | null;
  /** Share of the time since the observation before in which a limit on its CPU held it back. */
  throttled?: number | null;
  /** CPU time so far of what works for it beside its own processes, in seconds; null: not known. */
  engineSeconds?: number | null;
  /** It has not ended, and does not refuse connections. A server that is slow to tell its health lives. */
  alive: boolean;
  /** Why it ended: `exit code 3`, `out of memory (limit 64 MiB)`, `signal SIGKILL`. */
  exit?: string;
}

/** A model server that answers and is watched. Whoever starts one stops it. */
export interface StagingTarget {
  kind: 'builtin' | 'image' | 'url' | 'compose' | 'command';
  /** Base URL: scheme, host and port. */
  url: string;
  /** How it is asked; its paths are on `url`. */
  service: Service;
  /** What the server itself says of its inputs and outputs; null: it speaks another protocol than Open Inference. */
  metadata: ModelMetadata | null;
  /** From the start until it was healthy; null where somebody else started it. */
  startedInMs: number | null;
  /** What it may use at most; null: all there is, or not known. */
  limits: { cpus: number | null; memoryBytes: number | null };
  /** The image that runs, by its digest. */
  artifact?: Artifact;
  observe(): Promise<Observation>;
  /** The last lines the server wrote. */
  logs(): Promise<string>;
  /** Stop and remove what was started. May be called more than once. */
  stop(): Promise<void>;
}
