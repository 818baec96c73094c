import { rowNumber } from '../../config/columns.ts';
import { stringify } from 'yaml';
import type { CsvDialect } from '../../data/dataset.ts';
import { oneLine } from '../../report/escape.ts';
import type { Guess } from './look.ts';
import type { InitTask } from './tasks.ts';
import type { PredictionsGuess } from './predictions.ts';

export interface Seen {
  task: Guess<InitTask>;
  id: Guess<string>;
  label: Guess<string>;
  /** Label of the positive class, where it is not 1. */
  positive: Guess<string | number | boolean> | undefined;
  cluster: string | undefined;
  classes: number;
  /** The features, where they must be listed. */
  features: readonly string[] | null;
}

export interface RenderInput {
  name: string;
  seen: Seen;
  candidate: string | PredictionsGuess;
  champion: PredictionsGuess | undefined;
  evaluation: string;
  /** How the CSV file is written, where it is not RFC 4180. */
  csv: CsvDialect | null;
  reference: string | undefined;
  slices: readonly string[];
  contract: { name: string; rules: string } | null;
  /** Whether decisions are pushed to `origin`, as the workflow needs. */
  pushes: boolean;
}

/** The text of a contender.yml to start from. */
export function render(input: RenderInput): string {
  const { name, seen, candidate, champion, evaluation, reference, contract } = input;
  const { task, id, label, positive, cluster, features } = seen;
  const lines = [
    '# yaml-language-server: $schema=https://raw.githubusercontent.com/contender/contender/main/schemas/config.schema.json',
    '# Written by contender init: a start, not a decision. Check every line marked "assumed".',
    'version: 1',
    'models:',
    `  ${name}: # how the registry and tags call it; cannot be changed later`,
    `    task: ${task.value} # assumed: ${oneLine(task.because)}`,
    `    candidate: ${flow(candidate)}`,
    ...(champion === undefined ? [] : [`    champion: ${flow(champion)}`]),
    '    columns:',
    ...(id.value === rowNumber
      ? [`      # id: none, since ${oneLine(id.because)}: rows are told apart by their number`]
      : [`      id: ${flow(id.value)} # assumed: ${oneLine(id.because)}`]),
    `      label: ${flow(label.value)} # assumed: ${oneLine(label.because)}`,
    ...(positive === undefined ? [] : [`      positive: ${flow(positive.value)} # assumed: ${positive.because}`]),
    ...(cluster === undefined
      ? []
      : [`      cluster: ${flow(cluster)} # assumed: its values repeat, so rows of one are not independent`]),
    ...(features === null
      ? []
      : [`      features: ${flow(features)} # assumed: all numbers; must be in the order of the model`]),
    '    data:',
    `      evaluation: ${flow(evaluation)}`,
    ...(input.csv === null ? [] : [`      csv: ${flow(input.csv)} # assumed: by the first lines`]),
    ...(reference === undefined
      ? []
      : [`      # reference: ${flow(reference)} # for drift and leakage: see docs/drift.md`]),
    ...(contract === null
      ? []
      : [`      contract: ${contract.name}`, '      rules:', contract.rules.replace(/\n$/u, '')]),
    '    policy:',
    ...policy(input),
    ...(input.pushes
      ? ['registry:', '  push: origin # the workflows push decisions to the branch model-registry']
      : ['# registry: { push: origin } # the workflow that records decisions needs this']),
  ];
  return `${lines.join('\n')}\n`;
}

/** One value on one line. */
function flow(value: unknown): string {
  if (typeof value === 'string') return stringify(value, { lineWidth: 0 }).trimEnd();
  return stringify(value, { collectionStyle: 'flow', flowCollectionPadding: true, lineWidth: 0 }).trimEnd();
}

/**
 * Margins are for the team to say: these are to start from. A metric of ranks says nothing of the decisions made at the threshold,
 * so that one of decisions stands beside it; the floor is what guessing gets.
 */
function policy({ seen, slices }: RenderInput): string[] {
  const said = [
    '      # The candidate must be shown to be better than the champion; require: non-inferior asks only that it loses at most the margin.',
    '      # min_gain is the smallest gain worth finding, min what guessing gets. All are assumed.',
  ];
  const grouped = (guard: string): string[] =>
    slices.length === 0 ? [] : [`        - { ${guard}, slices: ${flow(slices)} } # no group may be shown to lose more`];
  const anchor = (margin: number): string[] => [
    '      # Small losses add up over many promotions: the most that may be lost in all against the best version so far.',
    `      anchor: { version: best, margin: ${margin} }`,
  ];
  const guardrails = (lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : ['      guardrails:', ...lines];
  switch (seen.task.value) {
    case 'binary-classification':
      return [
        ...said,
        '      primary: { metric: roc_auc, require: superior, margin: 0.01, min_gain: 0.01, min: 0.5 }',
        ...guardrails([
          '        - { metric: balanced_accuracy, margin: 0.02 } # roc_auc does not see the decisions at the threshold',
          ...grouped('metric: accuracy, margin: 0.05'),
        ]),
        ...anchor(0.02),
      ];
    case 'multiclass-classification':
      return [
        ...said,
        `      primary: { metric: f1_macro, require: superior, margin: 0.02, min_gain: 0.02, min: ${(1 / Math.max(2, seen.classes)).toPrecision(1)} }`,
        ...guardrails(['        - { metric: accuracy, margin: 0.02 }', ...grouped('metric: accuracy, margin: 0.05')]),
        ...anchor(0.04),
      ];
    case 'regression':
      return [
        ...said,
        '      primary: { metric: r2, require: superior, margin: 0.02, min_gain: 0.02, min: 0 }',
        ...guardrails([
          '        - { metric: mae, relative_margin: 0.05 }',
          ...grouped('metric: mae, relative_margin: 0.1'),
        ]),
        ...anchor(0.04),
      ];
  }
}
