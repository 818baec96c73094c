import {
  signatureChanges,
  signatureChangesText,
  type Artifact,
  type Check,
  type Evidence,
  type Version,
} from '../evidence/index.ts';
import { approvalText } from './approval.ts';
import { behaviourSections } from './behaviour.ts';
import { headline } from './headline.ts';
import { count, metricName, metricValue, observedText, requiredText, shownDifference, signed } from './numbers.ts';
import { codeCell, numberCell, textCell, type Cell, type Section } from './section.ts';
import { badness, isOpen, standing, worstFirst, type ReportInput, type Standing } from './standing.ts';
import { uncommittedText } from './uncommitted.ts';

export type { Cell, Section } from './section.ts';

/** What a report says, in the order of its importance. All text is raw: each output escapes it. */
export interface Contents {
  title: string;
  standing: Standing;
  headline: string;
  /** Where the decision waits to be merged. */
  pullRequest: ReportInput['pullRequest'];
  /** What was compared with what, on which data; empty where the evidence does not say. */
  subject: string;
  /** Reasons told neither by the headline nor by a check that is shown. */
  reasons: string[];
  /** As a reader wants them: what failed, the comparisons, the slices, then the detail. */
  sections: Section[];
}

/** Arrange decision and evidence for reading. */
export function contents(input: ReportInput): Contents {
  const told = new Set(input.evidence.flatMap((each) => each.checks.filter(isOpen)).map((check) => check.id));
  const [, ...reasons] = input.decision?.reasons ?? [];
  return {
    title: input.decision?.model ?? input.evidence[0]?.model ?? 'No evidence',
    standing: standing(input),
    headline: headline(input),
    pullRequest: input.pullRequest,
    subject: subject(input),
    reasons: [
      ...reasons.filter(({ check }) => check === undefined || !told.has(check)).map(({ message }) => message),
      ...changedSignature(input),
    ],
    sections: [
      openChecks(input),
      comparisons(input.evidence),
      slices(input.evidence),
      otherChecks(input.evidence),
      ...stages(input.evidence),
      ...behaviourSections(input.evidence),
      metrics(input.evidence),
      lineage(input),
    ].filter((section) => section.rows.length > 0),
  };
}

/** Checks that failed or could not say. */
export function openChecks({ evidence, decision }: ReportInput): Section {
  const rows = worstFirst(evidence, decision)
    .filter(isOpen)
    .map((check) => [verdictCell(check), codeCell(check.id), textCell(check.message)]);
  return { title: 'What did not pass', columns: ['Verdict', 'Check', 'Why'], rows, collapsed: false, importance: 7 };
}

/** The paired comparisons on the whole evaluation set. */
export function comparisons(evidence: readonly Evidence[]): Section {
  const rows = evidence
    .flatMap((each) => each.checks)
    .flatMap((check) => {
      const { comparison } = check;
      if (comparison === undefined || comparison.slice !== undefined) return [];
      return [[textCell(metricName(comparison.metric)), ...comparisonCells(comparison), verdictCell(check)]];
    });
  return {
    title: 'Candidate against champion',
    columns: ['Metric', ...comparisonColumns, 'Verdict'],
    rows,
    collapsed: false,
    importance: 6,
  };
}

/** The comparisons on slices, worst first. */
export function slices(evidence: readonly Evidence[]): Section {
  const rows = evidence
    .flatMap((each) => each.checks)
    .filter((check) => check.comparison?.slice !== undefined)
    .sort((a, b) => badness(a) - badness(b) || (a.comparison?.delta ?? 0) - (b.comparison?.delta ?? 0))
    .map((check) => {
      const comparison = check.comparison as NonNullable<Check['comparison']>;
      return [
        textCell(comparison.slice ?? ''),
        numberCell(count(comparison.n)),
        textCell(metricName(comparison.metric)),
        ...comparisonCells(comparison),
        verdictCell(check),
      ];
    });
  const columns = ['Slice', 'Rows', 'Metric', ...comparisonColumns, 'Verdict'];
  return { title: 'Slices, worst first', columns, rows, collapsed: true, importance: 3 };
}

/** Every metric that was computed, gated or not, as the evaluation's details have them. Details are plain JSON of any form. */
export function metrics(evidence: readonly Evidence[]): Section {
  const tables = evidence.map((each) => each.details['metrics']).filter((table) => Array.isArray(table));
  const rows = tables
    .flat()
    .slice(0, mostMetrics)
    .flatMap((row: unknown) => {
      if (typeof row !== 'object' || row === null) return [];
      const { title, champion, candidate, delta, lower, upper, method } = row as Record<string, unknown>;
      if (typeof title !== 'string') return [];
      const bounds =
        typeof lower === 'number' && typeof upper === 'number' ? `${signed(lower)} to ${signed(upper)}` : '';
      return [
        [
          textCell(title),
          numberCell(typeof champion === 'number' ? metricValue(champion) : ''),
          numberCell(typeof candidate === 'number' ? metricValue(candidate) : ''),
          numberCell(typeof delta === 'number' ? signed(delta) : ''),
          numberCell(bounds),
          textCell(typeof method === 'string' ? method : ''),
        ],
      ];
    });
  const columns = ['Metric', 'Champion', 'Candidate', 'Difference', 'Bounds', 'Method'];
  // A first model has no champion, no difference and no bounds.
  const only = rows.some((row) => row[1]?.text !== '') ? columns : ['Metric', 'Candidate'];
  const kept = (_: unknown, index: number): boolean => only.includes(columns[index] ?? '');
  return {
    title: 'All metrics',
    columns: only,
    rows: rows.map((row) => row.filter(kept)),
    collapsed: true,
    importance: 1,
  };
}

/** The checks of one stage, with what was observed and what was required. */
export function stage(evidence: Evidence): Section {
  return {
    title: stageTitles.get(evidence.kind) ?? evidence.kind,
    columns: ['Check', 'Observed', 'Required', 'Verdict'],
    rows: worstFirst([evidence]).map(checkRow),
    collapsed: true,
    importance: 4,
  };
}

/** Every stage but the evaluation, which has sections of its own. What is about the candidate comes first. */
export function stages(evidence: readonly Evidence[]): Section[] {
  const order = ['behaviour', 'load', 'data'];
  return evidence
    .filter((each) => each.kind !== 'evaluation')
    .sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
    .map(stage);
}

/** No evaluation of ours reports this many. */
const mostMetrics = 1000;

const stageTitles = new Map([
  ['data', 'Data'],
  ['load', 'Under load'],
  ['behaviour', 'Behaviour'],
]);
const comparisonColumns = ['Champion', 'Candidate', 'Difference', 'Bounds', 'Margin', 'State'];

/** Evaluation checks that compare nothing: floors, sanity, slices that were too small. */
function otherChecks(evidence: readonly Evidence[]): Section {
  const rows = worstFirst(evidence.filter((each) => each.kind === 'evaluation'))
    .filter((check) => check.comparison === undefined)
    .map(checkRow);
  return {
    title: 'Other checks',
    columns: ['Check', 'Observed', 'Required', 'Verdict'],
    rows,
    collapsed: true,
    importance: 2,
  };
}

/** Better numbers are no comfort to whoever calls the model and no longer can. A version raised by it says so itself. */
function changedSignature({ decision, evidence }: ReportInput): string[] {
  const { candidate, champion } = evidence.find(({ kind }) => kind === 'evaluation')?.signatures ?? {};
  const isTold = decision?.reasons.some(({ code }) => code === 'version') ?? false;
  if (candidate === undefined || champion === undefined || isTold) return [];
  const changes = signatureChanges(champion, candidate);
  return changes.length === 0 ? [] : [`The signature changes: ${signatureChangesText(changes)}.`];
}

/** "models/candidate.onnx against version 1.0.0, on 2,350 rows of data/eval.parquet" */
function subject({ decision, evidence }: ReportInput): string {
  const subjects = evidence.find((each) => each.kind === 'evaluation')?.subjects;
  if (subjects?.candidate === undefined) return '';
  const version = decision?.from?.version;
  const champion = version === undefined ? subjects.champion?.uri : `version ${version}`;
  const data = subjects.datasets['evaluation'];
  return [
    shortUri(subjects.candidate.uri),
    ...(champion === undefined ? [] : [` against ${shortUri(champion)}`]),
    ...(data === undefined ? [] : [`, on ${count(data.rows)} rows of ${data.uri}`]),
  ].join('');
}

/** An address as a person would say it: no scheme of ours, commits cut short. */
function shortUri(uri: string): string {
  return uri.replace(/^file:/u, '').replace(/^git:([0-9a-f]{12})[0-9a-f]*:(.*)$/su, '$2 of commit $1');
}

function lineage({ decision, evidence }: ReportInput): Section {
  const rows: Cell[][] = [];
  const add = (name: string, ...values: Cell[]): void => {
    rows.push([textCell(name), values[0] ?? textCell(''), values[1] ?? textCell('')]);
  };
  const addArtifact = (name: string, { role, uri, sha256 }: Artifact): void =>
    add(role === 'model' ? name : `${name} (${role})`, textCell(uri), codeCell(sha256));
  const addVersion = (name: string, version: Version | null): void => {
    if (version === null) add(name, textCell('none'));
    for (const artifact of version?.artifacts ?? []) {
      addArtifact(version?.version === 'candidate' ? name : `${name}, version ${version?.version}`, artifact);
    }
  };
  if (decision === null) {
    const subjects = evidence.find((each) => each.subjects.candidate !== undefined)?.subjects;
    if (subjects?.candidate !== undefined) addArtifact('Candidate', subjects.candidate);
    if (subjects?.champion !== undefined) addArtifact('Champion', subjects.champion);
  } else {
    addVersion('Candidate', decision.candidate);
    addVersion('Champion', decision.from);
  }
  const datasets = decision?.datasets ?? Object.assign({}, ...evidence.map((each) => each.subjects.datasets));
  for (const [name, dataset] of Object.entries(datasets as NonNullable<typeof decision>['datasets'])) {
    add(`Dataset ${name}`, textCell(`${dataset.uri}, ${count(dataset.rows)} rows`), codeCell(dataset.sha256));
  }
  const policy = decision?.policy.sha256 ?? evidence[0]?.policy.sha256;
  if (policy !== undefined) add('Policy', textCell(''), codeCell(policy));
  for (const each of decision?.evidence ?? [])
    add(`Evidence ${each.kind}`, textCell(each.verdict), codeCell(each.sha256));
  if (decision !== null) {
    const { repository, sha, ref, event, pullRequest } = decision.source;
    const request = pullRequest === undefined ? undefined : `pull request ${pullRequest}`;
    const where = [repository, ref, event, request, uncommittedText(decision.source)];
    const text = where.filter((part) => part !== undefined).join(', ');
    if (text !== '' || sha !== undefined) add('Source', textCell(text), codeCell(sha ?? ''));
    for (const approval of decision.approvals) add('Approved', textCell(approvalText(approval)));
    add('Decided', textCell(`by ${decision.actor} at ${decision.time}`));
    if ('seq' in decision) add('Recorded', textCell(`as decision ${decision.seq} of ${decision.model}`));
  }
  const tool = evidence[0]?.tool;
  if (tool !== undefined) add('Tool', textCell(`${tool.name} ${tool.version}`));
  return { title: 'Lineage', columns: ['What', 'Which', 'Digest'], rows, collapsed: true, importance: 5 };
}

function comparisonCells(comparison: NonNullable<Check['comparison']>): Cell[] {
  const { delta, lower, upper, margin } = shownDifference(comparison);
  return [
    numberCell(metricValue(comparison.champion)),
    numberCell(metricValue(comparison.candidate)),
    numberCell(delta),
    numberCell(`${lower} to ${upper}`),
    numberCell(margin),
    textCell(`${comparison.state}${comparison.worseWithinMargin === true ? ', worse within the margin' : ''}`),
  ];
}

function checkRow(check: Check): Cell[] {
  // A check that did not pass has told why in the first table; the rest have their message here where they show no number.
  const observed = check.verdict === 'skipped' || check.observed === null ? check.message : observedText(check);
  return [textCell(check.title), textCell(observed), textCell(requiredText(check)), verdictCell(check)];
}

function verdictCell({ verdict, severity }: Check): Cell {
  const blocking = severity === 'block';
  const mood = { pass: 'good', fail: blocking ? 'bad' : 'open', inconclusive: 'open', skipped: 'none' } as const;
  return {
    text: blocking || verdict === 'pass' || verdict === 'skipped' ? verdict : `${verdict} (${severity})`,
    kind: 'verdict',
    mood: mood[verdict],
  };
}
