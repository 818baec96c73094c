import { isDeepStrictEqual } from 'node:util';
import { signatureChanges, signatureChangesText, signed } from '../evidence/index.ts';
import type { DatasetSubject, SignatureChange } from '../evidence/index.ts';
import { gainCells, intervalColumn, type MetricRow } from './metrics.ts';
import { bytes, metricValue, quantity } from './numbers.ts';
import { evaluationOf, metricRows, modelArtifact, policyOf, type Published } from './published.ts';
import { reuseOf, reuseText } from './reuse.ts';
import { numberCell, table, textCell, type Cell, type Section } from './section.ts';
import { count, counted, significant } from '../wording.ts';
import { isObject } from '../json.ts';

/** What is different between two versions of a model: the form of `contender registry diff --json`. */
export interface VersionChanges {
  model: string;
  /** The two versions, and the decisions that made them champion. */
  from: ComparedVersion;
  to: ComparedVersion;
  /** Bytes of the model; null where there is none. */
  size: { from: number | null; to: number | null };
  /** What whoever calls the model must know of its inputs and outputs; null where those of one version are not known. */
  signature: SignatureChange[] | null;
  metrics: {
    /** Whether `to` was judged against `from` on the same rows: only then there are gains and bounds. */
    paired: boolean;
    rows: MetricChange[];
  };
  datasets: DatasetChange[];
  /** Figures of the checks of the other stages, such as latency under load. */
  figures: FigureChange[];
  policy: { changed: boolean; changes: PolicyChange[] };
}

export interface ComparedVersion {
  version: string;
  decision: number;
  time: string;
  sha256: string | null;
  /** Rows of the evaluation set. */
  rows: number | null;
}

/** With the bounds of the gain, of a paired comparison. A share is shown in percentage points. */
export interface MetricChange extends Pick<MetricRow, 'metric' | 'title' | 'scale' | 'lower' | 'upper' | 'alpha'> {
  from: number | null;
  to: number | null;
  /** `to` less `from`, in the units of the metric. */
  difference: number | null;
  /** Of a paired comparison; positive is better. */
  gain: number | null;
}

export interface DatasetChange {
  name: string;
  from: DatasetSubject | null;
  to: DatasetSubject | null;
  changed: boolean;
  /** Decisions made before on the evaluation set of the version that is compared with the other; null of other data. */
  reuse: number | null;
}

export interface FigureChange {
  /** Kind of the evidence: load, behaviour, data. */
  kind: string;
  check: string;
  title: string;
  unit: string | null;
  from: number | null;
  to: number | null;
}

/** One setting of the policy. Absent: it was not set. */
export interface PolicyChange {
  path: string;
  from?: unknown;
  to?: unknown;
}

/** Compare two versions by what the registry keeps of them. Pure. */
export function versionChanges(before: Published, now: Published): VersionChanges {
  return {
    model: now.decision.model,
    from: compared(before),
    to: compared(now),
    size: { from: modelArtifact(before)?.size ?? null, to: modelArtifact(now)?.size ?? null },
    signature: signatureChange(before, now),
    metrics: metricChanges(before, now),
    datasets: union(Object.keys(before.decision.datasets), Object.keys(now.decision.datasets)).map((name) => {
      const [from, to] = [before.decision.datasets[name] ?? null, now.decision.datasets[name] ?? null];
      const reuse = name === 'evaluation' && to !== null ? reuseOf(now.evidence) : null;
      return { name, from, to, changed: from?.sha256 !== to?.sha256, reuse };
    }),
    figures: figureChanges(before, now),
    policy: {
      changed: before.decision.policy.sha256 !== now.decision.policy.sha256,
      changes: settingChanges(policyOf(before), policyOf(now), ''),
    },
  };
}

/** The metrics side by side, and in a sentence how they compare; null where there are none. */
export function metricsSection({
  from,
  to,
  metrics: { paired, rows },
}: VersionChanges): { section: Section; how: string } | null {
  if (rows.length === 0) return null;
  const columns = ['Metric', from.version, to.version, ...(paired ? ['Gain', intervalColumn(rows)] : ['Difference'])];
  const section = table(
    'Metrics',
    columns,
    rows.map((row) => [
      textCell(row.title),
      numberCell(shown(row.from, metricValue)),
      numberCell(shown(row.to, metricValue)),
      ...gainCells({ ...row, delta: paired ? row.gain : row.difference }).slice(0, paired ? 2 : 1),
    ]),
  );
  if (paired) {
    return {
      section,
      how: `Both versions on the same ${count(to.rows ?? 0)} rows; positive is better, also for losses; each end of an interval is a one-sided bound.`,
    };
  }
  const both = rows.some((row) => row.from !== null) && rows.some((row) => row.to !== null);
  return {
    section,
    how: both
      ? 'Each version was evaluated on the evaluation set of its own decision: the numbers are not directly comparable.'
      : '',
  };
}

/** `Size: 1.2 MiB to 1.4 MiB (+16.7%)` */
export function sizeChange({ size }: VersionChanges): string {
  const [old, new_] = [size.from ?? 0, size.to ?? 0];
  if (new_ === old) return `Size: ${bytes(new_)}, unchanged`;
  const ratio = new_ / old;
  const share = old === 0 ? '' : ratio >= 2 ? ` (${significant(ratio, 3)}x)` : ` (${signed(100 * (ratio - 1), 1)}%)`;
  return `Size: ${bytes(old)} to ${bytes(new_)}${share}`;
}

/** `Inputs and outputs: output probabilities is gone` */
export function signatureLine({ signature }: VersionChanges): string {
  if (signature === null) return 'Inputs and outputs: not known for both versions';
  return `Inputs and outputs: ${signature.length === 0 ? 'compatible' : signatureChangesText(signature)}`;
}

/** `Data (evaluation): data/eval.parquet, 2,350 rows, unchanged, used for 3 decisions before` */
export function datasetChange({ name, from, to, changed, reuse }: DatasetChange): string {
  const title = `Data (${name})`;
  const used = reuse === null ? '' : `, ${reuseText(reuse)}`;
  if (to === null) return `${title}: no longer used`;
  if (from === null) return `${title}: ${to.uri}, ${counted(to.rows, 'rows')}, not part of the other decision${used}`;
  if (!changed) return `${title}: ${to.uri}, ${counted(to.rows, 'rows')}, unchanged${used}`;
  return `${title}: changed, ${from.uri} with ${counted(from.rows, 'rows')} to ${to.uri} with ${counted(to.rows, 'rows')}${used}`;
}

/** Figures of the other stages, and settings of the policy that are different. */
export function otherSections({ from, to, figures, policy }: VersionChanges): Section[] {
  const columns = [from.version, to.version];
  const setting = (value: unknown): Cell => textCell(value === undefined ? 'not set' : JSON.stringify(value));
  return [
    table(
      'Figures of other checks',
      ['Check', ...columns],
      figures.map((each) => [
        textCell(each.title),
        numberCell(shown(each.from, (value) => quantity(value, each.unit))),
        numberCell(shown(each.to, (value) => quantity(value, each.unit))),
      ]),
    ),
    table(
      'Policy',
      ['Setting', ...columns],
      policy.changes.map((each) => [textCell(each.path), setting(each.from), setting(each.to)]),
    ),
  ].filter((section) => section.rows.length > 0);
}

function compared(published: Published): ComparedVersion {
  const { decision } = published;
  return {
    version: decision.to?.version ?? '',
    decision: decision.seq,
    time: decision.time,
    sha256: modelArtifact(published)?.sha256 ?? null,
    rows: decision.datasets['evaluation']?.rows ?? null,
  };
}

/** What a person registered has no evaluation: the next one, against it, saw its signature. */
function signatureChange(before: Published, now: Published): SignatureChange[] | null {
  const { candidate: after, champion } = evaluationOf(now)?.signatures ?? {};
  const old = evaluationOf(before)?.signatures?.candidate ?? (isJudgedAgainst(now, before) ? champion : undefined);
  return old === undefined || after === undefined ? null : signatureChanges(old, after);
}

function isJudgedAgainst(now: Published, before: Published): boolean {
  return now.decision.from?.version === before.decision.to?.version;
}

/** On the same rows where the new version was compared with the old one; else each as its own decision has it. */
function metricChanges(before: Published, now: Published): VersionChanges['metrics'] {
  const rows = metricRows(now);
  const paired = isJudgedAgainst(now, before) && rows.some(({ champion }) => champion !== null);
  const old = new Map(metricRows(before).map((row) => [row.metric, row]));
  const current = new Map(rows.map((row) => [row.metric, row]));
  // What only the old version reports is compared with nothing, so a paired table has no place for it.
  const names = paired ? [...current.keys()] : union([...current.keys()], [...old.keys()]);
  return {
    paired,
    rows: names.map((metric) => {
      const row = current.get(metric);
      const from = (paired ? row?.champion : old.get(metric)?.candidate) ?? null;
      const to = row?.candidate ?? null;
      const gained = paired ? row : undefined;
      return {
        metric,
        title: row?.title ?? old.get(metric)?.title ?? metric,
        scale: (row ?? old.get(metric))?.scale,
        from,
        to,
        difference: from === null || to === null ? null : to - from,
        gain: gained?.delta ?? null,
        lower: gained?.lower ?? null,
        upper: gained?.upper ?? null,
        alpha: row?.alpha,
      };
    }),
  };
}

function figureChanges(before: Published, now: Published): FigureChange[] {
  const figures = ({ evidence }: Published): Map<string, Omit<FigureChange, 'from' | 'to'> & { value: number }> =>
    new Map(
      evidence
        .filter(({ kind }) => kind !== 'evaluation')
        .flatMap(({ kind, checks }) =>
          checks.flatMap(({ id, title, unit = null, observed }) =>
            typeof observed === 'number' ? [[id, { kind, check: id, title, unit, value: observed }] as const] : [],
          ),
        ),
    );
  const [old, current] = [figures(before), figures(now)];
  return union([...current.keys()], [...old.keys()]).flatMap((id) => {
    const [from, to] = [old.get(id), current.get(id)];
    const either = to ?? from;
    if (either === undefined) return [];
    const { value: _value, ...figure } = either;
    return [{ ...figure, from: from?.value ?? null, to: to?.value ?? null }];
  });
}

/**
 * The settings in which two configurations differ. Of lists, what both have is left out wherever it stands; what is left
 * is compared item by item where there are as many on both sides, and is otherwise gone or new as a whole.
 */
function settingChanges(from: unknown, to: unknown, path: string): PolicyChange[] {
  if (isDeepStrictEqual(from, to)) return [];
  if (Array.isArray(from) && Array.isArray(to)) {
    const [gone, fresh] = [without(from, to), without(to, from)];
    if (gone.length === fresh.length) {
      return gone.flatMap(({ item, index }, at) => settingChanges(item, fresh[at]?.item, `${path}[${index}]`));
    }
    return [
      ...gone.map(({ item, index }) => ({ path: `${path}[${index}]`, from: item })),
      ...fresh.map(({ item, index }) => ({ path: `${path}[${index}]`, to: item })),
    ];
  }
  if (isObject(from) && isObject(to)) {
    const below = (key: string): string => (path === '' ? key : `${path}.${key}`);
    return union(Object.keys(from), Object.keys(to)).flatMap((key) =>
      settingChanges(own(from, key), own(to, key), below(key)),
    );
  }
  return [{ path, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }];
}

/** Items of one list that another does not have, however often each occurs. */
function without(items: readonly unknown[], others: readonly unknown[]): { item: unknown; index: number }[] {
  const left = [...others];
  return items.flatMap((item, index) => {
    const at = left.findIndex((other) => isDeepStrictEqual(item, other));
    if (at < 0) return [{ item, index }];
    left.splice(at, 1);
    return [];
  });
}

function own(settings: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(settings, key) ? settings[key] : undefined;
}

function union(first: readonly string[], second: readonly string[]): string[] {
  return [...new Set([...first, ...second])];
}

function shown(value: number | null, text: (value: number) => string): string {
  return value === null ? '' : text(value);
}
