import { signatureChanges, signatureChangesText } from '../evidence/index.ts';
import { openChecks } from './checks.ts';
import { comparisons } from './comparisons.ts';
import { headline } from './headline.ts';
import { lineage } from './lineage.ts';
import { nextStep } from './next-step.ts';
import { isEmpty, type Section } from './section.ts';
import { stageSections } from './stage-sections.ts';
import { withWaivers } from './waived.ts';
import { isOpen, standing, worstFirst, type ReportInput, type Result, type Standing } from './standing.ts';
import { counted } from '../wording.ts';

/** What a report says, in the order of its importance. All text is raw: each output escapes it. */
export interface Contents {
  title: string;
  standing: Standing;
  headline: string;
  /** What to do now; empty where there is nothing. */
  nextStep: string;
  /** Where the decision waits to be merged. */
  pullRequest: ReportInput['pullRequest'];
  /** Where the report in HTML can be opened. */
  reportUrl?: string | undefined;
  /** What was compared with what, on which data; empty where the evidence does not say. */
  subject: string;
  /** Reasons shown neither by the headline nor by a check that is shown. */
  reasons: string[];
  /** As a reader wants them: what decided, the comparisons, the slices, then the detail. */
  sections: Section[];
}

/** Arrange decision and evidence for reading. */
export function contents(given: ReportInput): Contents {
  const input = withWaivers(given);
  const { decision, evidence } = input;
  const shown = new Set(evidence.flatMap((each) => each.checks.filter(isOpen)).map((check) => check.id));
  const [, ...reasons] = decision?.reasons ?? [];
  return {
    title: decision?.model ?? evidence[0]?.model ?? 'No evidence',
    standing: standing(input),
    headline: headline(input),
    nextStep: nextStep(input),
    pullRequest: input.pullRequest,
    reportUrl: input.reportUrl,
    subject: subject(input),
    reasons: [
      ...changedSignature(input),
      ...reasons
        .filter(({ code, check }) => check === undefined || code === 'waived' || !shown.has(check))
        .map(({ message }) => message),
    ],
    sections: [...decisive(input), ...stageSections(evidence, input.stages), lineage(input)].filter(
      (section) => !isEmpty(section),
    ),
  };
}

/** What did not pass, and the comparisons with the champion: the table that has the worst comes first. */
export function decisive(input: Result): Section[] {
  const sections = [openChecks(input), comparisons(input)];
  const [worst] = worstFirst(input.evidence, input.decision);
  return worst?.comparison === undefined ? sections : sections.reverse();
}

/** Better numbers are no comfort to whoever calls the model and no longer can. A version raised by it says so itself. */
function changedSignature({ decision, evidence }: Result): string[] {
  const { candidate, champion } = evidence.find(({ signatures }) => signatures !== undefined)?.signatures ?? {};
  const isTold = decision?.reasons.some(({ code }) => code === 'version') ?? false;
  if (candidate === undefined || champion === undefined || isTold) return [];
  const changes = signatureChanges(champion, candidate);
  return changes.length === 0 ? [] : [`The signature changes: ${signatureChangesText(changes)}.`];
}

/** "models/candidate.onnx against version 1.0.0, on 2,350 rows of data/eval.parquet" */
function subject({ decision, evidence }: Result): string {
  const subjects = evidence.find((each) => each.subjects.candidate !== undefined)?.subjects;
  if (subjects?.candidate === undefined) return '';
  const version = decision?.from?.version;
  const champion = version === undefined ? subjects.champion?.uri : `version ${version}`;
  const data = subjects.datasets['evaluation'];
  return [
    shortUri(subjects.candidate.uri),
    ...(champion === undefined ? [] : [` against ${shortUri(champion)}`]),
    ...(data === undefined ? [] : [`, on ${counted(data.rows, 'rows')} of ${data.uri}`]),
  ].join('');
}

/** An address as a person would say it: no scheme of ours, commits cut short. */
function shortUri(uri: string): string {
  return uri.replace(/^file:/u, '').replace(/^git:([0-9a-f]{12})[0-9a-f]*:(.*)$/su, '$2 of commit $1');
}
