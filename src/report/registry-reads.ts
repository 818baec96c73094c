import type {
  Artifact,
  Check,
  DecisionAction,
  Evidence,
  Outcome,
  RecordedDecision,
  Verdict,
} from '../evidence/index.ts';
import { wrap } from './console-table.ts';
import { renderConsole, renderSections, type ConsoleOptions } from './console.ts';
import { oneLine, withoutWorkflowCommands } from './escape.ts';
import { bytes } from './numbers.ts';
import { approvalText, fileNameOf, uncommittedText, type Withdrawn } from './published.ts';
import { codeCell, facts, numberCell, table, textCell, type Section, type StageReport } from './section.ts';
import { datasetChange, metricsSection, otherSections, signatureLine, sizeChange } from './version-changes.ts';
import type { VersionChanges } from './version-changes.ts';
import { minuteOf } from '../wording.ts';

/*
 * What the registry says when it is asked, in the form that --json prints, and as text for a terminal. Every text is somebody's:
 * it is made one visible line and kept to the width.
 */

export interface DecisionMention {
  decision: number;
  action: DecisionAction;
  outcome: Outcome;
  time: string;
  /** Who answers for it: of the gate who ran it, of an act of a person that person. */
  by: string;
}

/** A model at a glance: an item of `contender registry show --json`. */
export interface ModelSummary {
  model: string;
  /** The champion, and the decision that made it so. */
  champion: ({ version: string } & DecisionMention) | null;
  /** The team's own environments, and the version in each. */
  environments: Record<string, string>;
  decisions: number;
  last: DecisionMention | null;
}

/** A model in full: `contender registry show MODEL --json`. */
export interface ModelDetail extends ModelSummary {
  versions: VersionSummary[];
  /** Checks that a person accepts as they are, and until when. */
  waivers: { check: string; until: string; by: string; reason: string; decision: number }[];
  /** Decisions that are not in force until a pull request is merged; its address is null where none is open. */
  pending: { decisions: WaitingMention[]; pullRequest: string | null } | null;
}

/** A decision that waits: its number is the one it will have. */
export interface WaitingMention extends DecisionMention {
  /** The version it makes champion; `candidate` where it lets nobody in. */
  version: string;
}

export interface VersionSummary {
  version: string;
  status: 'active' | 'deprecated';
  /** Why it must not be used any more. */
  withdrawn: Withdrawn | null;
  /** champion, previous, and environments. */
  aliases: string[];
  /** The decision that first promoted it. */
  promoted: DecisionMention;
  /** The champion it replaced then. */
  replaced: string | null;
  artifacts: Artifact[];
  /** The git tag that names it, where the registry is tagged. */
  tag: string | null;
}

/** Why there is this champion, and why the last candidate did not replace it: `contender registry why --json`. */
export interface Reasons {
  model: string;
  champion: Explanation | null;
  /** The last decision of the gate, where it came after the champion and let nobody in. */
  last: Explanation | null;
}

export interface Explanation
  extends
    DecisionMention,
    Pick<RecordedDecision, 'candidate' | 'datasets' | 'reasons' | 'actor' | 'approvals' | 'source'> {
  /** The version that is or was champion; `candidate` where none was let in. */
  version: string;
  headline: string;
  /** The checks that the reasons name. */
  checks: Check[];
  /** Of a version that became champion again: the decision that first promoted it. */
  first: (DecisionMention & { headline: string }) | null;
  policy: string;
  evidence: { kind: string; sha256: string; verdict: Verdict }[];
  /** Commands to go on with. */
  next: { command: string; purpose: string }[];
}

export function renderSummaries(summaries: readonly ModelSummary[], options: ConsoleOptions): string {
  if (summaries.length === 0) return 'Nothing is recorded yet.\n';
  const staged = summaries.some(({ environments }) => Object.keys(environments).length > 0);
  const section = table(
    'Models',
    ['Model', 'Champion', 'Since', 'By', ...(staged ? ['Stages'] : []), 'Last decision', 'Decisions'],
    summaries.map(({ model, champion, environments, last, decisions }) => [
      textCell(model),
      textCell(champion?.version ?? 'none'),
      textCell(champion === null ? '' : minute(champion.time)),
      textCell(champion?.by ?? ''),
      ...(staged ? [textCell(environmentList(environments))] : []),
      textCell(last === null ? '' : `${deed(last)}, ${minute(last.time)}`),
      numberCell(String(decisions)),
    ]),
  );
  return renderSections([section], options);
}

/** Champion, versions, aliases and environments of one model. */
export function renderDetail(detail: ModelDetail, options: ConsoleOptions): string {
  const { model, champion, last, versions, waivers, decisions, pending } = detail;
  const waiting =
    pending === null
      ? []
      : [
          `Pending: ${pending.decisions.map((each) => `${each.version} ${deed(each)}`).join(', ')}`,
          pending.pullRequest === null
            ? '  Not active, and no pull request is open'
            : '  Not active until its pull request is merged',
          ...(pending.pullRequest === null ? [] : [`  ${pending.pullRequest}`]),
        ];
  if (last === null) return inert([`${oneLine(model)}: nothing is recorded yet`, ...waiting], options);
  const lines = [
    champion === null
      ? `${model}: no champion`
      : `${model}: champion ${champion.version} since ${minute(champion.time)}, by ${champion.by} (decision ${champion.decision}, ${deed(champion)})`,
    `${decisions} ${decisions === 1 ? 'decision' : 'decisions'}, the last: ${deed(last)}, ${minute(last.time)}, by ${last.by}`,
    ...waiting,
  ];
  const tagged = versions.some(({ tag }) => tag !== null);
  const known = table(
    'Versions',
    ['Version', 'Is', 'Promoted', 'By', 'Decision', 'Model', 'Size', 'SHA-256', ...(tagged ? ['Tag'] : [])],
    versions.toReversed().map((each) => {
      const artifact = each.artifacts.find(({ role }) => role !== 'image');
      return [
        textCell(each.version),
        textCell([...each.aliases, ...isNoMore(each)].join(', ')),
        textCell(minute(each.promoted.time)),
        textCell(each.promoted.by),
        numberCell(String(each.promoted.decision)),
        textCell(artifact === undefined ? '' : fileNameOf(artifact.uri)),
        numberCell(artifact === undefined ? '' : bytes(artifact.size)),
        codeCell(artifact?.sha256.slice(0, 12) ?? ''),
        ...(tagged ? [textCell(each.tag ?? '')] : []),
      ];
    }),
  );
  const accepted = table(
    'Active waivers',
    ['Check', 'Until', 'By', 'Reason', 'Decision'],
    waivers.map(({ check, until, by, reason, decision }) => [
      codeCell(check),
      textCell(minute(until)),
      textCell(by),
      textCell(reason),
      numberCell(String(decision)),
    ]),
  );
  return joined([inert(lines, options), renderSections([known, accepted], options)]);
}

/** `rolled back (#7)` */
function isNoMore({ withdrawn }: VersionSummary): string[] {
  return withdrawn === null ? [] : [`${withdrawn.how} (#${withdrawn.decision})`];
}

/** Every decision, newest first: what was done, and the whole reason. */
export function renderLog(model: string, decisions: readonly RecordedDecision[], options: ConsoleOptions): string {
  if (decisions.length === 0) return `${oneLine(model)}: nothing is recorded yet\n`;
  const width = Math.max(40, options.width);
  const indented = (text: string): string[] => wrap(text, width - 4).map((line) => `    ${line}`);
  const lines = decisions.toReversed().flatMap((decision) => {
    const { seq, time } = decision;
    const done = wrap(`#${seq} ${minute(time)} ${sentence(decision)}, by ${responsible(decision)}`, width);
    return [done[0] ?? '', ...indented(done.slice(1).join(' ')), ...indented(decision.reasons[0]?.message ?? '')];
  });
  return inert(lines, options);
}

/** What was done, with what: `rejected candidate.onnx (cd0bd9d5262f) against 1.0.1`. */
function sentence(decision: RecordedDecision): string {
  const { action, from, to, candidate, outcome, environment = '' } = decision;
  const [before, after] = [from?.version ?? 'none', to?.version ?? ''];
  if (action === 'rollback') return `rolled back from ${before} to ${after}`;
  if (action === 'assign') return `put ${candidate?.version ?? ''} into ${environment}`;
  if (action === 'unassign') return `took ${candidate?.version ?? ''} out of ${environment}`;
  if (action === 'waive') return `waived ${decision.waiver?.check ?? ''}`;
  if (action === 'deprecate') return `deprecated ${candidate?.version ?? ''}`;
  const artifact = candidate?.artifacts.find(({ role }) => role !== 'image');
  const file = artifact === undefined ? 'candidate' : fileNameOf(artifact.uri);
  const what = `${deed(decision)} ${file}${artifact === undefined ? '' : ` (${artifact.sha256.slice(0, 12)})`}`;
  const against = from === null ? '' : outcome === 'promote' ? ` instead of ${before}` : ` against ${before}`;
  return outcome === 'promote' ? `${what} as ${after}${against}` : `${what}${against}`;
}

/** Two versions side by side. */
export function renderChanges(changes: VersionChanges, options: ConsoleOptions): string {
  const { model, from, to, datasets, policy } = changes;
  const metrics = metricsSection(changes);
  const at = ({ version, decision, time }: VersionChanges['from']): string =>
    `${version} (decision ${decision}, ${minute(time)})`;
  return joined([
    inert([`${model}: ${at(from)} against ${at(to)}`], options),
    ...(metrics === null ? [] : [renderSections([metrics.section], options), inert([metrics.how], options)]),
    inert(
      [
        sizeChange(changes),
        signatureLine(changes),
        ...datasets.map(datasetChange),
        policy.changed ? 'Policy: changed' : 'Policy: unchanged',
        ...(metrics === null ? ['Metrics: neither version has an evaluation'] : []),
      ],
      options,
    ),
    renderSections(otherSections(changes), options),
  ]);
}

/** Why, with the numbers that decided, who and on what, and how to go on. */
export function renderReasons(
  { model, champion, last }: Reasons,
  found: { decision: RecordedDecision; evidence: readonly Evidence[] }[],
  options: ConsoleOptions,
  stages: readonly StageReport[],
): string {
  const explained = [champion, last].flatMap((each) => (each === null ? [] : [each]));
  if (explained.length === 0) return `${oneLine(model)}: nothing is recorded yet\n`;
  return joined(
    explained.map((each) => {
      const input = found.find(({ decision }) => decision.seq === each.decision);
      const title = each === champion ? `Why ${each.version} is the champion` : 'Why the last candidate is not';
      return joined([
        inert([title], options),
        ...(input === undefined ? [] : [renderConsole({ ...input, stages }, options)]),
        ...(each.first === null
          ? []
          : [inert([`First promoted by decision ${each.first.decision}: ${each.first.headline}`], options)]),
        renderSections([provenance(each)], options),
        commands(each),
      ]);
    }),
  );
}

function provenance(each: Explanation): Section {
  const { repository, ref, run, event, sha } = each.source;
  const uncommitted = uncommittedText(each.source);
  const where = [repository, ref, event, run === undefined ? undefined : `run ${run}`].filter(
    (part) => part !== undefined,
  );
  return facts('People and inputs', [
    ['Decided', textCell(`by ${each.actor} at ${each.time}, as decision ${each.decision}`)],
    ['In', where.length === 0 ? undefined : textCell(where.join(', '))],
    ['At commit', sha === undefined ? undefined : codeCell(sha)],
    ['But', uncommitted === undefined ? undefined : textCell(uncommitted)],
    ...each.approvals.map((approval) => ['Approved', textCell(approvalText(approval))] as const),
    ...(each.candidate?.artifacts ?? []).map(
      ({ role, uri, sha256 }) =>
        [role === 'image' ? 'Image' : 'Candidate', codeCell(`${fileNameOf(uri)} ${sha256}`)] as const,
    ),
    ...Object.entries(each.datasets).map(
      ([name, { uri, sha256 }]) => [`Data ${name}`, codeCell(`${uri} ${sha256}`)] as const,
    ),
    ['Policy', codeCell(each.policy)],
    ...each.evidence.map(
      ({ kind, sha256, verdict }) => [`Evidence ${kind}`, codeCell(`${sha256} (${verdict})`)] as const,
    ),
  ]);
}

/** Each whole on a line of its own, to be copied: made of nothing but words of ours, a number and the name of a model. */
function commands({ next }: Explanation): string {
  return ['Next steps', ...next.flatMap(({ command, purpose }) => [`  ${purpose}:`, `    ${command}`]), ''].join('\n');
}

/** Who answers for a decision: of the gate who ran it, of an act of a person that person. */
export function responsible({ action, actor, approvals }: RecordedDecision): string {
  return action === 'gate' || action === 'register' ? actor : (approvals[0]?.by ?? actor);
}

/** In a word or two. */
function deed({ action, outcome }: Pick<DecisionMention, 'action' | 'outcome'>): string {
  return action === 'gate' ? gateDeeds[outcome] : actDeeds[action];
}

const gateDeeds = { promote: 'promoted', hold: 'held', reject: 'rejected', 'no-change': 'unchanged' };
const actDeeds = {
  register: 'registered',
  override: 'promoted by override',
  rollback: 'rolled back',
  deprecate: 'deprecated',
  assign: 'assigned',
  unassign: 'unassigned',
  waive: 'waived',
};

function environmentList(environments: Record<string, string>): string {
  return Object.entries(environments)
    .map(([environment, version]) => `${environment} ${version}`)
    .join(', ');
}

function minute(time: string): string {
  return `${minuteOf(time)} UTC`;
}

/** Lines that are nothing but text, whoever wrote it, each kept to the width, with the indentation it has. */
function inert(lines: readonly string[], { width }: ConsoleOptions): string {
  const shown = lines
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const indentation = /^ */u.exec(line)?.[0] ?? '';
      return `${indentation}${oneLine(line, Math.max(40, width) - indentation.length)}\n`;
    });
  return withoutWorkflowCommands(shown.join(''));
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n');
}
