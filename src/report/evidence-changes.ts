import { signed, type Check, type Evidence } from '../evidence/index.ts';
import { counted } from '../wording.ts';
import type { Contents } from './contents.ts';
import { metricRowsOf, type MetricRow } from './metrics.ts';
import { metricValue, observedText } from './numbers.ts';
import { codeCell, numberCell, textCell, verdictCell, type Section } from './section.ts';
import { badness, standing, worstFirst } from './standing.ts';

/** One evaluation as its evidence files tell it. */
export interface Told {
  /** What a person calls it: its folder. */
  name: string;
  evidence: readonly Evidence[];
}

/** A check as both say it; null: one of them does not have it. */
export interface ChangedCheck {
  id: string;
  title: string;
  before: Check | null;
  now: Check | null;
}

/** What two evaluations share and where they differ, as plain data. */
export interface EvidenceChanges {
  before: string;
  now: string;
  /** Digests and versions that are not the same: what was judged, on what, under what, by what. */
  inputs: { what: string; before: string | null; now: string | null }[];
  /** Checks whose verdict, severity or presence differs, the worst first. */
  verdicts: ChangedCheck[];
  /** Checks with the same verdict and another number. */
  numbers: ChangedCheck[];
  same: number;
  /** Those that differ: first what got worse, then what got better. */
  metrics: ChangedMetric[];
  sameMetrics: number;
}

/** A metric of the candidate; null: one of the two does not have it. */
export interface ChangedMetric {
  metric: string;
  title: string;
  scale: 'share' | 'value';
  before: number | null;
  now: number | null;
  /** Whether the change is for the better; null where the evidence does not say which way is better. */
  better: boolean | null;
}

/** Compare two evaluations. Whether a difference is noise, only a comparison on the same rows can say: nothing here claims it. */
export function evidenceChanges(before: Told, now: Told): EvidenceChanges {
  const checksOf = ({ evidence }: Told) => new Map(worstFirst(evidence).map((check) => [check.id, check] as const));
  const pairs = paired(checksOf(before), checksOf(now)).map(({ name, before: was, now: is }) => ({
    id: name,
    title: (is ?? was)?.title ?? name,
    before: was,
    now: is,
  }));
  const isSame = (a: Check | null, b: Check | null): boolean =>
    a !== null && b !== null && a.verdict === b.verdict && a.severity === b.severity;
  const verdicts = pairs.filter((pair) => !isSame(pair.before, pair.now));
  const equal = pairs.filter((pair) => isSame(pair.before, pair.now));
  const numbers = equal.filter(({ before: a, now: b }) => numbersOf(a) !== numbersOf(b));
  return {
    before: before.name,
    now: now.name,
    inputs: inputs(before.evidence, now.evidence),
    verdicts: verdicts.sort((a, b) => worst(a) - worst(b)),
    numbers,
    same: equal.length - numbers.length,
    ...metricChanges(before.evidence, now.evidence),
  };
}

function numbersOf(check: Check | null): string {
  return JSON.stringify([check?.observed, check?.required, check?.comparison]);
}

function worst({ before, now }: ChangedCheck): number {
  return Math.min(...[before, now].map((check) => (check === null ? Infinity : badness(check))));
}

function inputs(before: readonly Evidence[], now: readonly Evidence[]): EvidenceChanges['inputs'] {
  return paired(inputsOf(before), inputsOf(now))
    .map(({ name: what, ...each }) => ({ what, ...each }))
    .filter((each) => each.before !== each.now);
}

/** What two have under each name, those of the second first; null: it has none. */
function paired<T>(old: Map<string, T>, current: Map<string, T>): { name: string; before: T | null; now: T | null }[] {
  const names = new Set([...current.keys(), ...old.keys()]);
  return [...names].map((name) => ({ name, before: old.get(name) ?? null, now: current.get(name) ?? null }));
}

function inputsOf(evidence: readonly Evidence[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const { kind, subjects, policy, tool, model } of evidence) {
    found.set('model', model);
    for (const role of ['candidate', 'champion', 'anchor'] as const) {
      const artifact = subjects[role];
      if (artifact === undefined) continue;
      const reading = artifact.reading === undefined ? '' : ` read with ${JSON.stringify(artifact.reading)}`;
      found.set(role, `${artifact.sha256}${reading}`);
    }
    for (const [name, { sha256, rows }] of Object.entries(subjects.datasets)) {
      found.set(`${name} data`, `${sha256}, ${counted(rows, 'rows')}`);
    }
    found.set(`policy of ${kind}`, policy.sha256);
    found.set(`made by (${kind})`, `${tool.name} ${tool.version}`);
  }
  return found;
}

function metricChanges(
  before: readonly Evidence[],
  now: readonly Evidence[],
): Pick<EvidenceChanges, 'metrics' | 'sameMetrics'> {
  const rowsOf = (evidence: readonly Evidence[]) => new Map(metricRowsOf(evidence).map((row) => [row.metric, row]));
  const all = paired(rowsOf(before), rowsOf(now)).map(({ name: metric, ...each }): ChangedMetric => {
    const rows = [each.now, each.before].filter((row) => row !== null);
    const [was, is] = [each.before?.candidate ?? null, each.now?.candidate ?? null];
    const up = rows.map(higherIsBetter).find((each) => each !== null) ?? null;
    const better = was === null || is === null || was === is || up === null ? null : is > was === up;
    const [row] = rows;
    return { metric, title: row?.title ?? metric, scale: row?.scale ?? 'value', before: was, now: is, better };
  });
  const rank = ({ better }: ChangedMetric): number => (better === false ? 0 : better === null ? 1 : 2);
  const metrics = all.filter((each) => each.before !== each.now).sort((a, b) => rank(a) - rank(b));
  return { metrics, sameMetrics: all.length - metrics.length };
}

/** A gain is positive where it is better: held against the plain difference it says which way that is. */
function higherIsBetter({ candidate, champion, delta }: MetricRow): boolean | null {
  if (champion === null || delta === null || delta === 0 || candidate === champion) return null;
  return candidate > champion === delta > 0;
}

/** The comparison as a report. */
export function changesContents(changes: EvidenceChanges, now: Told): Contents {
  const { verdicts, numbers, same, before } = changes;
  const all = verdicts.length + numbers.length + same;
  const rows = changes.inputs.some(({ what }) => what === 'evaluation data')
    ? 'The evaluation data differ: a difference in a metric may come from the rows.'
    : 'Both were evaluated on the same rows.';
  return {
    title: `${now.evidence[0]?.model ?? 'No evidence'}: ${changes.now} after ${before}`,
    standing: standing({ decision: null, evidence: now.evidence }),
    headline:
      verdicts.length === 0
        ? `No verdict changed; numbers changed in ${numbers.length} of ${counted(all, 'checks')}`
        : `${verdicts.length} of ${counted(all, 'checks')} changed their verdict, ${numbers.length} only their numbers`,
    nextStep: '',
    pullRequest: undefined,
    subject: changes.inputs.some(({ what }) => what === 'model') ? `The two are of different models. ${rows}` : rows,
    reasons: [],
    sections: [verdictSection(changes), metricSection(changes), numberSection(changes), inputSection(changes)].filter(
      (section) => section.rows.length > 0,
    ),
  };
}

function checkCells(check: Check | null): [ReturnType<typeof textCell>, ReturnType<typeof textCell>] {
  return check === null ? [textCell('not there'), textCell('')] : [verdictCell(check), textCell(observedText(check))];
}

function verdictSection({ verdicts }: EvidenceChanges): Section {
  return {
    title: 'Checks whose verdict changed',
    columns: ['Check', 'Before', 'Observed before', 'Now', 'Observed now'],
    rows: verdicts.map(({ id, title, before, now }) => [
      textCell(titleOf(id, title)),
      ...checkCells(before),
      ...checkCells(now),
    ]),
    importance: 6,
  };
}

function numberSection({ numbers }: EvidenceChanges): Section {
  return {
    title: 'Checks with the same verdict but other numbers',
    columns: ['Check', 'Verdict', 'Observed before', 'Observed now'],
    rows: numbers.map(({ id, title, before, now }) => [
      textCell(titleOf(id, title)),
      now === null ? textCell('') : verdictCell(now),
      textCell(before === null ? '' : observedText(before)),
      textCell(now === null ? '' : observedText(now)),
    ]),
    collapsed: true,
    importance: 3,
  };
}

/** Slices share the title of their metric. */
function titleOf(id: string, title: string): string {
  const [, slice] = /@(.*)$/su.exec(id) ?? [];
  return slice === undefined || title.includes(slice) ? title : `${title} (${slice})`;
}

function metricSection({ metrics, sameMetrics }: EvidenceChanges): Section {
  return {
    title: 'Metrics of the candidate that changed',
    columns: ['Metric', 'Before', 'Now', 'Difference', 'Change'],
    rows: metrics.map(({ title, scale, before, now, better }) => [
      textCell(title),
      numberCell(before === null ? 'not there' : metricValue(before)),
      numberCell(now === null ? 'not there' : metricValue(now)),
      numberCell(
        before === null || now === null
          ? ''
          : scale === 'share'
            ? `${signed(100 * (now - before), 2)} points`
            : signed(now - before),
      ),
      better === null
        ? textCell('')
        : { text: better ? 'better' : 'worse', kind: 'verdict', mood: better ? 'good' : 'bad' },
    ]),
    legend: `${sameMetrics === 0 ? '' : `${sameMetrics} more are the same. `}Plain differences, without bounds. To see whether one is more than noise, compare both on the same rows with a gate (contender gate --champion FILE).`,
    importance: 5,
  };
}

function inputSection({ inputs: different }: EvidenceChanges): Section {
  return {
    title: 'Inputs that differ',
    columns: ['What', 'Before', 'Now'],
    rows: different.map(({ what, before, now }) => [
      textCell(what),
      codeCell(before ?? 'not there'),
      codeCell(now ?? 'not there'),
    ]),
    importance: 4,
  };
}
