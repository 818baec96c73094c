import type { Artifact } from '../evidence/index.ts';
import type { ModelMetadata } from '../protocol/index.ts';

/** What a staging target uses, and whether it still lives. A figure that cannot be had is null, never a guess. */
export interface Observation {
  /** Resident memory in bytes. */
  memoryBytes: number | null;
  /** CPU time over wall time since the observation before, in percent of one core; null the first time. */
  cpuPercent: number | null;
  alive: boolean;
  /** Why it ended: `exit code 3`, `out of memory (limit 64 MiB)`, `signal SIGKILL`. */
  exit?: string;
}

/** A model server that answers and is watched. Whoever starts one stops it. */
export interface StagingTarget {
  kind: 'builtin' | 'image' | 'url';
  /** Base URL: scheme, host and port. */
  url: string;
  /** Path of the inference endpoint on `url`. */
  inferPath: string;
  /** What the server itself says of its inputs and outputs. */
  metadata: ModelMetadata;
  /** The image that runs, by its digest. */
  artifact?: Artifact;
  observe(): Promise<Observation>;
  /** The last lines the server wrote. */
  logs(): Promise<string>;
  /** Stop and remove what was started. May be called more than once. */
  stop(): Promise<void>;
}
