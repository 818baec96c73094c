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
  harm: 'Real labels show that the model does worse than the evaluation set promised. Roll back if an earlier version did better (`contender rollback`), or retrain.',
  estimated:
    'Nobody has labels yet; the calibrated scores say that the model does worse. It sees a change of the data, not of what they mean: look at the columns that drifted.',
  kpi: 'Look at what changed in this window: releases, prices, the columns that drifted. The model need not be the cause.',
  latency: 'Look at the load and at the last release of the service.',
  data: 'Without data nothing can be said of the model: look at the job that writes the logs.',
  drift: 'The data changed. That alone is no harm: look at it when there is time, and before the next training.',
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
      : `**Recovered.** The last windows were healthy, so that this is closed.`,
    '',
    advice[worst.rank],
    '',
    '| what | last seen | since | windows | now |',
    '|---|---|---|---|---|',
    ...rows,
    ...causes,
    '',
    `Seen until ${until === null ? 'now' : minuteOf(until)}. Closing this issue mutes the finding until it has recovered; it is edited, never repeated.`,
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
