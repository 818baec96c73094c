import { stringify } from 'yaml';
import type { Evidence } from '../evidence/index.ts';
import { withWaivers } from './waived.ts';
import { stageSections } from './stage-sections.ts';
import { comparisons, slices } from './comparisons.ts';
import { markdownText, oneLine } from './escape.ts';
import { headline } from './headline.ts';
import { renderSection } from './markdown.ts';
import { bytes } from './numbers.ts';
import { metricsTable } from './metrics.ts';
import { fileNameOf, modelArtifact, notableMetrics, policyOf, publishedName } from './published.ts';
import { withdrawnBanner, withdrawnText, type Published } from './published.ts';
import { codeCell, facts, isEmpty, textCell, type Section, type StageReport } from './section.ts';
import { isOpen, worstFirst } from './standing.ts';
import { trainingSection } from './training.ts';
import { counted } from '../wording.ts';

/** Tasks of the Hugging Face Hub; ours that it does not have keep their own names. */
const tasks = new Map([
  ['binary-classification', 'tabular-classification'],
  ['multiclass-classification', 'tabular-classification'],
  ['multilabel-classification', 'tabular-classification'],
  ['regression', 'tabular-regression'],
]);

/** Metrics that the Hub calls otherwise. */
const hubMetrics = new Map([
  ['mcc', 'matthews_correlation'],
  ['brier', 'brier_score'],
  ['r2', 'r_squared'],
]);

/**
 * The model card of a version: Markdown with the metadata the Hugging Face Hub reads as YAML front matter, the results in
 * `model-index` ("Model Cards", Hub documentation; modelcard.md of huggingface/hub-docs). It says what the registry knows
 * and nothing else: intended use is for the team to tell.
 */
export function renderModelCard(published: Published, stages: readonly StageReport[]): string {
  const { decision, evidence } = withWaivers(published);
  const parts = [
    `# ${markdownText(publishedName(published))}`,
    ...withdrawnBanner(published),
    `**${markdownText(headline({ decision, evidence }))}**`,
    renderSection(details(published)),
    ...[
      comparisons(published),
      slices(published),
      metricsTable('Metrics', notableMetrics(published)),
      trainingSection(evidence),
      // The evaluation has the sections above.
      ...stageSections(
        evidence.filter(({ kind }) => kind !== 'evaluation'),
        stages,
      ).filter(({ brief }) => brief === true),
    ]
      .filter((section) => !isEmpty(section))
      .map((section) => renderSection({ ...section, collapsed: false })),
    ...limitations(evidence),
    ...verification(published),
  ];
  return `---\n${frontMatter(published)}---\n\n${parts.join('\n\n')}\n`;
}

function frontMatter(published: Published): string {
  const { decision } = published;
  const { task: named } = policyOf(published);
  const task = typeof named === 'string' ? named : 'other';
  const onHub = tasks.get(task);
  const rows = notableMetrics(published);
  const dataset = decision.datasets['evaluation'];
  const artifact = modelArtifact(published);
  const card = {
    ...(onHub === undefined ? {} : { pipeline_tag: onHub }),
    ...(artifact !== undefined && /\.onnx$/iu.test(fileNameOf(artifact.uri)) ? { library_name: 'onnx' } : {}),
    tags: ['contender', task],
    ...(rows.length === 0 ? {} : { metrics: rows.map(({ metric }) => hubMetric(metric)) }),
    'model-index': [
      {
        name: decision.model,
        results:
          rows.length === 0 || dataset === undefined
            ? []
            : [
                {
                  task: { type: onHub ?? task, name: task.replaceAll('-', ' ') },
                  dataset: {
                    type: `${decision.model}-evaluation`,
                    name: oneLine(dataset.uri, 200),
                    split: 'evaluation',
                    revision: `sha256:${dataset.sha256}`,
                  },
                  metrics: rows.map(({ metric, title, candidate }) => ({
                    type: hubMetric(metric),
                    value: candidate,
                    name: oneLine(title, 200),
                  })),
                },
              ],
      },
    ],
  };
  return stringify(card, { lineWidth: 0 });
}

function hubMetric(metric: string): string {
  return hubMetrics.get(metric) ?? oneLine(metric, 100);
}

function details(published: Published): Section {
  const { decision, withdrawn } = published;
  const { task } = policyOf(published);
  const artifact = modelArtifact(published);
  const { repository, sha } = decision.source;
  return facts('Model details', [
    ['Model', textCell(decision.model)],
    ['Version', textCell(decision.to?.version ?? '')],
    ['Status', withdrawn && textCell(withdrawnText(withdrawn))],
    ['Version before', decision.from === null ? undefined : textCell(decision.from.version)],
    ['Task', typeof task === 'string' ? textCell(task.replaceAll('-', ' ')) : undefined],
    ['File', artifact && textCell(`${fileNameOf(artifact.uri)}, ${bytes(artifact.size)}`)],
    ['SHA-256', artifact && codeCell(artifact.sha256)],
    ...Object.entries(decision.datasets).map(
      ([name, { uri, rows }]) => [`Data (${name})`, textCell(`${uri}, ${counted(rows, 'rows')}`)] as const,
    ),
    [
      'Decided',
      textCell(`${decision.time} by ${decision.actor}${repository === undefined ? '' : ` in ${repository}`}`),
    ],
    ['Source', sha === undefined ? undefined : codeCell(sha)],
    ['Recorded', textCell(`decision ${decision.seq} of ${decision.model}`)],
  ]);
}

/** What the evaluation itself says the numbers do not show. */
function limitations(evidence: readonly Evidence[]): string[] {
  const checks = worstFirst(evidence);
  const said = [
    ...checks
      .filter((check) => isOpen(check) || check.verdict === 'skipped')
      .map(({ title, message }) => `${title}: ${message}`),
    ...checks.flatMap(({ title, comparison }) => (comparison?.lowEvidence ?? []).map((why) => `${title}: ${why}`)),
  ];
  const list = [...new Set(said)].map((line) => `- ${markdownText(line)}`);
  return list.length === 0 ? [] : [`### What the evidence does not show\n\n${list.join('\n')}`];
}

function verification(published: Published): string[] {
  const artifact = modelArtifact(published);
  if (artifact === undefined) return [];
  const file = markdownText(fileNameOf(artifact.uri));
  return [
    `### Verify\n\nIn a clone of the repository that holds the registry, \`contender verify FILE\` (here ${file}) says whether a file is this version.`,
  ];
}
