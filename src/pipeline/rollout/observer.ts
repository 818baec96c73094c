import type { Artifact } from '../../evidence/index.ts';
import type { StepObservation } from '../../stages/guardrails.ts';
import type { Traffic } from '../../stages/traffic.ts';

/** A step of the rollout that ran or runs. */
export interface Step {
  /** Percent. */
  weight: number;
  /** Milliseconds since 1970; `to` null: it runs. */
  from: number;
  to: number | null;
}

export interface Seen {
  steps: StepObservation[];
  /** What is wrong with the source. */
  fault: string | null;
  /** What makes the rollout void: another version answered. */
  void: string | null;
}

/** How both versions do. What a source cannot tell is a fault of what was seen, never an error that ends the rollout. */
export interface Observer {
  look(steps: readonly Step[], now: number): Promise<Seen>;
  close(): Promise<void>;
}

export interface ObserverInput {
  settings: Traffic;
  /** Absolute path of a file that the configuration names. */
  pathOf(file: string, key: string): Promise<string>;
  env: NodeJS.ProcessEnv;
  /** A user counts once for each version, as where one version follows the other: else once in all. */
  oncePerArm?: boolean;
  artifacts: Record<'champion' | 'candidate', Artifact>;
}
