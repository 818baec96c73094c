import type { Endpoints } from '@octokit/types';
import { annotationsOf, type Annotation } from './annotations.ts';
import { headline } from './headline.ts';
import { renderMarkdown } from './markdown.ts';
import { standing, type ReportInput } from './standing.ts';

/** What GitHub takes for a check run ("Checks", REST API): 65,535 characters of summary, 50 annotations a request. */
const summaryBytes = 65_535;
export const annotationsPerRequest = 50;
const titleCharacters = 255;
const messageCharacters = 16_000;

type Posted = NonNullable<Endpoints['POST /repos/{owner}/{repo}/check-runs']['parameters']['output']>;
type CheckAnnotation = NonNullable<Posted['annotations']>[number];

/**
 * The report as a check run as the API takes it, the annotations in batches, one for each request, worst first. Neutral for a hold, since nothing was shown to be wrong (GitHub lets a neutral check pass a
 * branch rule: the failing step is what keeps a held model out), action required where only an approval is missing.
 *
 * @param configFile path of contender.yml in the repository: where annotations go that have no place of their own
 */
export function checkRun(input: ReportInput, configFile: string) {
  const model = input.decision?.model ?? input.evidence[0]?.model ?? '';
  const all = annotationsOf(input).map((annotation) => checkAnnotation(annotation, configFile));
  const batches: CheckAnnotation[][] = [];
  for (let first = 0; first < all.length; first += annotationsPerRequest) {
    batches.push(all.slice(first, first + annotationsPerRequest));
  }
  return {
    name: checkRunName(model),
    conclusion: conclusion(input),
    output: {
      title: headline(input).slice(0, titleCharacters),
      summary: renderMarkdown(input, { limit: summaryBytes }),
    },
    annotations: batches,
  };
}

/** The name a branch rule asks for: one for each model. */
export function checkRunName(model: string): string {
  return `contender / ${model}`;
}

/** Reasons that no evaluation settles, but a person's word does. */
const forAPerson = new Set(['approval-missing', 'first-model']);

function conclusion(input: ReportInput): 'success' | 'failure' | 'neutral' | 'action_required' {
  const { decision } = input;
  if (decision === null) {
    return ({ good: 'success', bad: 'failure', open: 'neutral', none: 'neutral' } as const)[standing(input).mood];
  }
  switch (decision.outcome) {
    case 'promote':
      // It was shown to be better; whether it is merged is for a person to say.
      return input.pullRequest === undefined ? 'success' : 'action_required';
    case 'no-change':
      return 'success';
    case 'reject':
      return 'failure';
    case 'hold':
      return decision.reasons.length > 0 && decision.reasons.every(({ code }) => forAPerson.has(code))
        ? 'action_required'
        : 'neutral';
  }
}

function checkAnnotation(
  { level, title, message, file, line, column }: Annotation,
  configFile: string,
): CheckAnnotation {
  return {
    path: file ?? configFile,
    start_line: line ?? 1,
    end_line: line ?? 1,
    ...(column === undefined || line === undefined ? {} : { start_column: column, end_column: column }),
    annotation_level: level === 'error' ? 'failure' : level,
    title: title.slice(0, titleCharacters),
    message: message.slice(0, messageCharacters),
  };
}
