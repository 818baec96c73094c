import { markdownCode, markdownText } from './escape.ts';
import { headline } from './headline.ts';
import { renderSection } from './markdown.ts';
import { metricValue } from './numbers.ts';
import { approvalText, modelArtifact, notableMetrics, publishedName, withdrawnBanner } from './published.ts';
import type { Published } from './published.ts';
import { numberCell, table, textCell } from './section.ts';
import { datasetChange, metricsSection, signatureLine, sizeChange, versionChanges } from './version-changes.ts';
import type { VersionChanges } from './version-changes.ts';

/** The notes of a release: how the version was let in, and what changed in metrics, data, size and policy since the one before. */
export function renderReleaseNotes(now: Published, before: Published | null): string {
  const artifact = modelArtifact(now);
  const changed = before === null ? null : versionChanges(before, now);
  return [
    ...withdrawnBanner(now),
    `**${markdownText(headline(now))}**`,
    ...approvals(now),
    ...(changed === null || before === null
      ? ['This is the first version in the registry.', ...firstMetrics(now)]
      : [changesSince(now, before, changed), ...comparedMetrics(now, changed)]),
    ...(artifact === undefined ? [] : [`SHA-256 of the model: ${markdownCode(artifact.sha256)}`]),
  ]
    .join('\n\n')
    .concat('\n');
}

function approvals({ decision }: Published): string[] {
  const lines = decision.approvals.map((approval) => `- Approved ${markdownText(approvalText(approval))}`);
  return lines.length === 0 ? [] : [lines.join('\n')];
}

function changesSince({ decision }: Published, before: Published, changed: VersionChanges): string {
  const lines = [
    ...decision.reasons.filter(({ code }) => code === 'version').map(({ message }) => message),
    sizeChange(changed),
    signatureLine(changed),
    ...(Object.keys(before.decision.datasets).length === 0 ? ['That version was promoted without an evaluation'] : []),
    ...changed.datasets.map(datasetChange),
    changed.policy.changed ? 'Policy: changed' : 'Policy: unchanged',
  ];
  return `### Since ${markdownText(publishedName(before))}\n\n${lines.map((line) => `- ${markdownText(line)}`).join('\n')}`;
}

function comparedMetrics(now: Published, changed: VersionChanges): string[] {
  const notable = new Set(notableMetrics(now).map(({ metric }) => metric));
  const rows = changed.metrics.rows.filter(({ metric }) => notable.has(metric));
  const compared = metricsSection({ ...changed, metrics: { ...changed.metrics, rows } });
  if (compared === null) return [];
  const { section, how } = compared;
  const text = renderSection({ ...section, columns: section.columns.map((column) => markdownText(column)) });
  return [how === '' ? text : `${text}\n\n${how}`];
}

function firstMetrics(now: Published): string[] {
  const rows = notableMetrics(now).map(({ title, candidate }) => [textCell(title), numberCell(metricValue(candidate))]);
  if (rows.length === 0) return [];
  const columns = ['Metric', markdownText(now.decision.to?.version ?? '')];
  return [renderSection(table('Metrics', columns, rows))];
}
