import { workflowArtifact, type Artifact, type Evidence, type RecordedDecision } from '../evidence/index.ts';

/** A version of a model that became champion: the decision that made it so, and the evidence it was made on. */
export interface Published {
  decision: RecordedDecision;
  evidence: readonly Evidence[];
  /** Why it must not be used any more; absent: it may be. */
  withdrawn?: Withdrawn | undefined;
}

/** A person deprecated a version, or went back from it to another. */
export interface Withdrawn {
  how: 'deprecated' | 'rolled back';
  /** The decision that did it. */
  decision: number;
  reason: string;
}

/** `deprecated by decision 5: it loses mail` */
export function withdrawnText({ how, decision, reason }: Withdrawn): string {
  return `${how} by decision ${decision}: ${reason}`;
}

/** A metric as the evaluation reports it, whether it was gated or not. */
export interface MetricRow {
  metric: string;
  title: string;
  candidate: number;
  champion: number | null;
  /** Gain of the candidate over the champion with its one-sided bounds; positive is better. */
  delta: number | null;
  lower: number | null;
  upper: number | null;
}

/** `spam-filter 1.0.1` */
export function publishedName({ decision }: Published): string {
  return `${decision.model} ${decision.to?.version ?? ''}`;
}

/** The model itself, as opposed to an image that serves it. */
export function modelArtifact({ decision }: Published): Artifact | undefined {
  return decision.to?.artifacts.find(({ role }) => role !== 'image');
}

export function evaluationOf({ evidence }: Published): Evidence | undefined {
  return evidence.find(({ kind }) => kind === 'evaluation');
}

/** The metrics in the evaluation's details, which are plain JSON of any form. */
export function metricRows(published: Published): MetricRow[] {
  const table = evaluationOf(published)?.details['metrics'];
  return (Array.isArray(table) ? (table as unknown[]) : []).flatMap((row) => {
    if (typeof row !== 'object' || row === null) return [];
    const { metric, title, candidate, champion, delta, lower, upper } = row as Record<string, unknown>;
    if (typeof metric !== 'string' || typeof title !== 'string' || typeof candidate !== 'number') return [];
    return [
      {
        metric,
        title,
        candidate,
        champion: numberOrNull(champion),
        delta: numberOrNull(delta),
        lower: numberOrNull(lower),
        upper: numberOrNull(upper),
      },
    ];
  });
}

/** The configuration the decision was made under, as the registry keeps it; empty where the text is none. */
export function policyOf({ decision }: Published): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(decision.policy.text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** The last part of an address: `candidate.onnx` of `git:<commit>:models/candidate.onnx`. */
export function fileNameOf(uri: string): string {
  const path = /^git:[0-9a-f]+:(.*)$/su.exec(uri)?.[1] ?? workflowArtifact(uri)?.file ?? uri.replace(/[?#].*$/su, '');
  return path.split(/[/\\]/u).findLast((part) => part !== '') ?? 'model';
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
