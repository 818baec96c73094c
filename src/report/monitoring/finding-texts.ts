import type { Finding } from '../../monitor/findings.ts';
import { markdownText, oneLine } from '../escape.ts';
import { minuteOf } from '../../wording.ts';

/* What a person is told of a finding: in an issue, and in a chat. */

/** What the finding is called: at most 256 characters, which is what an issue takes. */
export function findingTitle(model: string, finding: Finding): string {
  const kind = finding.level === 'alarm' ? headings[finding.rank] : finding.level === 'advice' ? 'advice' : 'note';
  return oneLine(`[${model}] ${finding.title}: ${kind}`, 250);
}

const headings: Record<Finding['rank'], string> = {
  harm: 'harm shown by labels',
  estimated: 'harm estimated without labels',
  kpi: 'KPI',
  latency: 'latency',
  data: 'data',
  drift: 'drift',
};

const advice: Record<Finding['rank'], string> = {
  harm: 'Labels show that the model performs worse than on the evaluation set. Roll back if an earlier version was better (`contender rollback`), or retrain.',
  estimated:
    'There are no labels yet; the calibrated scores indicate that the model performs worse. This estimate detects a change of the data, not of their relation to the label: check the columns that drifted.',
  kpi: 'Check what changed in this window: releases, prices, the columns that drifted. The model may not be the cause.',
  latency: 'Check the load and the last release of the service.',
  data: 'Without data the model cannot be monitored: check the job that writes the logs.',
  drift: 'The data changed. This alone is no harm: check it before the next training.',
};

/**
 * The body of an issue on one finding, or on several of one kind.
 * @param drifted what the model looks at and what drifted meanwhile, the most first: where to look for the cause
 */
export function findingMarkdown(
  model: string,
  findings: readonly Finding[],
  until: string | null,
  drifted: readonly Finding[] = [],
): string {
  const [worst] = findings as readonly [Finding, ...Finding[]];
  const isOpen = findings.some(({ closed }) => closed === null);
  const rows = findings.map(
    (finding) =>
      `| ${markdownText(finding.title, 120)} | ${markdownText(finding.message, 400)} | ${minuteOf(finding.opened)} | ${finding.windows} | ${finding.closed === null ? (finding.healthy > 0 ? `healthy for ${finding.healthy}` : 'open') : `recovered ${minuteOf(finding.closed)}`} |`,
  );
  const causes =
    isOpen && drifted.length > 0
      ? [
          '',
          `Meanwhile ${drifted.map(({ title, message, opened }) => `**${markdownText(title, 120)}** (${markdownText(message, 200)}, since ${minuteOf(opened)})`).join(', ')}.`,
        ]
      : [];
  return [
    isOpen
      ? `**${markdownText(worst.title, 200)}** of \`${model}\`: ${markdownText(worst.message, 600)}.`
      : `**Recovered.** The last windows were healthy, so this issue is closed.`,
    '',
    advice[worst.rank],
    '',
    '| what | last seen | since | windows | now |',
    '|---|---|---|---|---|',
    ...rows,
    ...causes,
    '',
    `Data until ${until === null ? 'now' : minuteOf(until)}. Closing this issue mutes the finding until it has recovered. Contender edits this issue and does not open it again.`,
    '',
  ].join('\n');
}

/** One message for a Slack-compatible webhook. */
export function findingWebhook(model: string, finding: Finding, link: string | undefined): { text: string } {
  const state = finding.closed === null ? '' : ' (recovered)';
  const title = slackText(`${findingTitle(model, finding)}${state}`);
  const linked = link === undefined ? `*${title}*` : `<${link}|${title.replaceAll('|', '/')}>`;
  return { text: `${linked}\n${slackText(oneLine(finding.message, 1500))}` };
}

/** Slack takes these three for markup ("Formatting text for app surfaces"). */
function slackText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
