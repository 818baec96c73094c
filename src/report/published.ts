import { workflowArtifact } from '../evidence/index.ts';
import type { Approval, Artifact, Evidence, RecordedDecision, Source } from '../evidence/index.ts';
import { jsonIn, listOf, objectOf } from '../json.ts';
import { objectAddress } from '../object-address.ts';
import { markdownText } from './escape.ts';
import { metricRowsOf, type MetricRow } from './metrics.ts';

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

/** What nobody who reads of a version may miss: a paragraph of Markdown, or none. */
export function withdrawnBanner({ withdrawn }: Published): string[] {
  return withdrawn === undefined ? [] : [`> **Do not use this version: ${markdownText(withdrawnText(withdrawn))}**`];
}

/** Who approved, when, where and why: `by grace at 2026-01-02T03:04:05Z, review of pull request 12: Seen.` */
export function approvalText({ by, at, source, reason }: Approval): string {
  return `by ${by} at ${at}${source === undefined ? '' : `, ${source}`}${reason === undefined ? '' : `: ${reason}`}`;
}

/** Which files decided without being committed; undefined where all were. */
export function uncommittedText({ uncommitted }: Source): string | undefined {
  return uncommitted === undefined ? undefined : `not committed: ${uncommitted.join(', ')}`;
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

/** The metrics of the evaluation. */
export function metricRows(published: Published): MetricRow[] {
  const evaluation = evaluationOf(published);
  return evaluation === undefined ? [] : metricRowsOf([evaluation]);
}

/**
 * The metrics that whoever takes up a version wants to know: those its policy names, and a handful that are usual for the task.
 * All of them where the task is not known.
 */
export function notableMetrics(published: Published): MetricRow[] {
  const { task, policy } = policyOf(published);
  const usual = usualMetrics.get(String(task));
  const rows = metricRows(published);
  if (usual === undefined) return rows;
  const named = namedMetrics(policy);
  return rows.filter(({ metric }) => usual.includes(metric) || named.has(metric));
}

const usualMetrics = new Map<string, readonly string[]>([
  [
    'binary-classification',
    ['roc_auc', 'average_precision', 'accuracy', 'precision', 'recall', 'f1', 'mcc', 'log_loss'],
  ],
  ['multiclass-classification', ['accuracy', 'balanced_accuracy', 'f1_macro', 'roc_auc_ovr', 'log_loss']],
  ['multilabel-classification', ['subset_accuracy', 'hamming_loss', 'f1_micro', 'f1_macro']],
  ['regression', ['rmse', 'mae', 'r2']],
  ['ranking', ['ndcg', 'ndcg@10', 'map', 'mrr']],
]);

/** Metrics that a policy gates on, reports or defines. It is JSON of any form. */
function namedMetrics(policy: unknown): Set<unknown> {
  const { primary, guardrails, report, metrics } = objectOf(policy);
  return new Set([
    ...[primary, ...listOf(guardrails)].map((each) => objectOf(each)['metric']),
    ...listOf(report),
    ...listOf(metrics).map((each) => objectOf(each)['name']),
  ]);
}

/** The configuration the decision was made under, as the registry keeps it; empty where the text is none. */
export function policyOf({ decision }: Published): Record<string, unknown> {
  return objectOf(jsonIn(decision.policy.text));
}

/** The last part of an address: `candidate.onnx` of `git:<commit>:models/candidate.onnx`. */
export function fileNameOf(uri: string): string {
  const object = objectAddress(uri);
  const inStore = object?.store === 'oci' ? (object.key ?? object.repository) : object?.key;
  const committed = /^git:[0-9a-f]+:(.*)$/su.exec(uri)?.[1];
  const path = committed ?? workflowArtifact(uri)?.file ?? inStore ?? uri.replace(/[?#].*$/su, '');
  return path.split(/[/\\]/u).findLast((part) => part !== '') ?? 'model';
}
