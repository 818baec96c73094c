import type { DatasetSubject } from '../evidence/index.ts';
import type { Cell, Section } from './contents.ts';
import { markdownText } from './escape.ts';
import { headline } from './headline.ts';
import { renderSection } from './markdown.ts';
import { bytes, count, metricValue, signed } from './numbers.ts';
import { metricRows, modelArtifact, publishedName, type MetricRow, type Published } from './published.ts';

/** The notes of a release: how the version was let in, and what changed in metrics, data, size and policy since the one before. */
export function renderReleaseNotes(now: Published, before: Published | null): string {
  const artifact = modelArtifact(now);
  return [
    `**${markdownText(headline(now))}**`,
    ...approvals(now),
    ...(before === null ? ['This is the first version in the registry.'] : [changes(now, before)]),
    ...metricsSection(now, before),
    ...(artifact === undefined ? [] : [`SHA-256 of the model: <code>${markdownText(artifact.sha256)}</code>`]),
  ]
    .join('\n\n')
    .concat('\n');
}

function approvals({ decision }: Published): string[] {
  const lines = decision.approvals.map(
    ({ by, at, reason }) =>
      `- Approved by ${markdownText(by)} at ${markdownText(at)}${reason === undefined ? '' : `: ${markdownText(reason)}`}`,
  );
  return lines.length === 0 ? [] : [lines.join('\n')];
}

function changes(now: Published, before: Published): string {
  const names = [...new Set([...Object.keys(before.decision.datasets), ...Object.keys(now.decision.datasets)])];
  const lines = [
    sizeChange(now, before),
    ...(Object.keys(before.decision.datasets).length === 0 ? ['That version was let in without an evaluation'] : []),
    ...names.map((name) => dataChange(name, before.decision.datasets[name], now.decision.datasets[name])),
    now.decision.policy.sha256 === before.decision.policy.sha256 ? 'Policy: unchanged' : 'Policy: changed',
  ];
  return `### Since ${markdownText(publishedName(before))}\n\n${lines.map((line) => `- ${markdownText(line)}`).join('\n')}`;
}

function sizeChange(now: Published, before: Published): string {
  const [new_, old] = [modelArtifact(now)?.size ?? 0, modelArtifact(before)?.size ?? 0];
  if (new_ === old) return `Size: ${bytes(new_)}, unchanged`;
  const share = old === 0 ? '' : ` (${signed((100 * (new_ - old)) / old, 1)}%)`;
  return `Size: ${bytes(old)} to ${bytes(new_)}${share}`;
}

function dataChange(name: string, old: DatasetSubject | undefined, new_: DatasetSubject | undefined): string {
  const title = `Data (${name})`;
  if (new_ === undefined) return `${title}: no longer used`;
  if (old === undefined) return `${title}: ${new_.uri}, ${count(new_.rows)} rows, not used before`;
  if (old.sha256 === new_.sha256) return `${title}: ${new_.uri}, ${count(new_.rows)} rows, unchanged`;
  return `${title}: changed, ${old.uri} with ${count(old.rows)} rows to ${new_.uri} with ${count(new_.rows)} rows`;
}

/** On the same rows where the new version was compared with the old one; else side by side, and told so. */
function metricsSection(now: Published, before: Published | null): string[] {
  const rows = metricRows(now);
  if (rows.length === 0) return [];
  const versions = [before?.decision.to?.version ?? '', now.decision.to?.version ?? ''];
  const paired =
    before !== null && now.decision.from?.version === versions[0] && rows.some(({ champion }) => champion !== null);
  const earlier = new Map(before === null ? [] : metricRows(before).map((row) => [row.metric, row.candidate]));
  const valueBefore = (row: MetricRow): number | null => (paired ? row.champion : (earlier.get(row.metric) ?? null));
  const section: Section = {
    title: 'Metrics',
    columns:
      before === null
        ? ['Metric', versions[1] ?? '']
        : ['Metric', ...versions.map((version) => markdownText(version)), 'Gain', 'Bounds'],
    rows: rows.map((row) => {
      const old = valueBefore(row);
      const gain = paired ? row.delta : null;
      const bounds =
        paired && row.lower !== null && row.upper !== null ? `${signed(row.lower)} to ${signed(row.upper)}` : '';
      const cells = [cell(row.title, 'text')];
      if (before !== null) cells.push(cell(old === null ? '' : metricValue(old), 'number'));
      cells.push(cell(metricValue(row.candidate), 'number'));
      if (before !== null) cells.push(cell(gain === null ? '' : signed(gain), 'number'), cell(bounds, 'number'));
      return cells;
    }),
    collapsed: false,
    importance: 0,
  };
  const how = paired
    ? `Both versions on the same ${count(now.decision.datasets['evaluation']?.rows ?? 0)} rows; a positive gain is better.`
    : before === null || earlier.size === 0
      ? ''
      : 'Each version on the evaluation set of its own decision: the numbers are not from the same comparison.';
  return [how === '' ? renderSection(section) : `${renderSection(section)}\n\n${how}`];
}

function cell(text: string, kind: Cell['kind']): Cell {
  return { text, kind };
}
