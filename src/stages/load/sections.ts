import type { Evidence } from '../../evidence/index.ts';
import { checksSection } from '../../report/checks.ts';
import { codeCell, numberCell, textCell, type Chart, type Section, type Series } from '../../report/section.ts';
import { percent, separated } from '../../wording.ts';
import type { TriedRate } from './breaking.ts';
import type { Throughput } from './capacity.ts';
import type { ComparedPercentile, Comparison } from './compare.ts';
import type { Level } from './levels.ts';
import { latencyLimits } from './objectives.ts';
import type { Load } from './schema.ts';
import type { Sizing } from './sizing.ts';
import type { Slice } from './slices.ts';

/** What the details hold that is shown; they are plain JSON of any form, so that nothing is taken for granted. */
interface Shown {
  slo?: Load['slo'];
  timings?: {
    profiles?: ShownProfile[];
    levels?: Level[];
    comparison?: Comparison;
  };
}

interface ShownProfile {
  name?: string;
  windows?: { histogram?: { from: number; to: number; count: number }[] }[];
  slices?: Slice[];
  tried?: TriedRate[];
  curve?: Throughput[];
  sizing?: Sizing;
}

export function sections(evidence: Evidence): Section[] {
  const { slo = {}, timings = {} } = evidence.details as Shown;
  const profiles = timings.profiles ?? [];
  const several = profiles.length > 1;
  const comparison = timings.comparison;
  return [
    {
      ...checksSection('Under load', evidence),
      charts: comparison === undefined ? [] : [ratios(comparison.percentiles)],
    },
    ...profiles.map((profile): Section => {
      const charts = [...overTime(profile, slo), ...byRate(profile, slo), ...histogram(profile, slo)];
      const title = several ? `Load: ${profile.name ?? ''}` : 'Load over time';
      return { title, charts, columns: [], rows: [], importance: 1 };
    }),
    ...profiles.flatMap(({ sizing }) => (sizing === undefined ? [] : [advice(sizing)])),
    ...(timings.levels === undefined || timings.levels.length === 0 ? [] : [byLevel(timings.levels)]),
  ];
}

function overTime({ slices = [] }: ShownProfile, slo: Load['slo']): Chart[] {
  if (slices.length < 2) return [];
  const x = { title: 'since the start', unit: 's' };
  const series = (name: string, of: (slice: Slice) => number | null): Series => ({
    name,
    points: slices.flatMap((slice) => {
      const y = of(slice);
      return y === null ? [] : [{ x: slice.seconds, y }];
    }),
  });
  const chart = (title: string, y: Chart['y'], lines: readonly Series[], limits: Chart['limits'] = []): Chart[] => {
    const drawn = lines.filter(({ points }) => points.some((point) => point.y !== 0));
    // From nothing on, so that a change looks as large as it is.
    const most = Math.max(
      ...drawn.flatMap(({ points }) => points.map((point) => point.y)),
      ...limits.map(({ at }) => at),
    );
    return drawn.length === 0
      ? []
      : [{ kind: 'line', title, x, y: { ...y, domain: [0, most * 1.05] }, series: drawn, limits }];
  };
  return [
    ...chart(
      'Latency over time',
      { title: 'latency', unit: 'ms' },
      [series('p50', ({ p50Ms }) => p50Ms), series('p95', ({ p95Ms }) => p95Ms), series('p99', ({ p99Ms }) => p99Ms)],
      limitsOn('y', slo),
    ),
    ...chart('Requests over time', { title: 'rate', unit: '/s' }, [series('sent', ({ offered }) => offered)]),
    ...chart('Errors over time', { title: 'requests without a usable answer' }, [
      series('errors', ({ errors }) => errors),
    ]),
    ...chart('CPU over time', { title: 'CPU', unit: 'cores' }, [series('target', ({ cpu }) => cpu)]),
    ...chart('Memory over time', { title: 'memory', unit: 'MiB' }, [
      series('target', ({ memoryBytes }) => (memoryBytes === null ? null : memoryBytes / 2 ** 20)),
    ]),
  ];
}

/** Latency against the rate, and throughput against users, where several were tried. */
function byRate({ tried = [], curve = [] }: ShownProfile, slo: Load['slo']): Chart[] {
  const sorted = tried.toSorted((left, right) => left.rate - right.rate);
  const line = (name: string, of: (row: TriedRate) => number): Series => ({
    name,
    points: sorted.map((row) => ({ x: row.rate, y: of(row) })),
  });
  return [
    ...(sorted.length < 2
      ? []
      : [
          {
            kind: 'line' as const,
            title: 'Latency against rate',
            x: { title: 'rate', unit: '/s', scale: 'log' as const },
            y: { title: 'latency', unit: 'ms', scale: 'log' as const },
            series: [line('p50', ({ p50Ms }) => p50Ms), line('p95', ({ p95Ms }) => p95Ms)],
            limits: limitsOn('y', slo),
          },
        ]),
    ...(curve.length < 2
      ? []
      : [
          {
            kind: 'line' as const,
            title: 'Throughput against users',
            x: { title: 'users who send requests without a pause', scale: 'log' as const },
            y: { title: 'throughput', unit: '/s' },
            series: [{ name: 'answered', points: curve.map(({ users, rate }) => ({ x: users, y: rate })) }],
          },
        ]),
  ];
}

/** How long answers took, as the last window measured it. */
function histogram({ windows = [] }: ShownProfile, slo: Load['slo']): Chart[] {
  const bins = windows.at(-1)?.histogram ?? [];
  const last = bins.at(-1);
  if (last === undefined) return [];
  return [
    {
      kind: 'steps',
      title: 'Latency',
      x: { title: 'measured from the planned send time', unit: 'ms', scale: 'log' },
      y: { title: 'requests' },
      limits: limitsOn('x', slo),
      series: [
        {
          name: 'candidate',
          points: [...bins.map(({ from, count }) => ({ x: from, y: count })), { x: last.to, y: 0 }],
        },
      ],
    },
  ];
}

function limitsOn(axis: 'x' | 'y', slo: Load['slo']): NonNullable<Chart['limits']> {
  return latencyLimits(slo).map(({ name, ms }) => ({ axis, at: ms, title: `${name} at most ${ms} ms` }));
}

function ratios(percentiles: readonly ComparedPercentile[]): Chart {
  const known = percentiles.flatMap(({ name, ratio, lower, upper }) =>
    ratio === null ? [] : [{ x: name, y: ratio, lower, upper }],
  );
  return {
    kind: 'bar',
    title: 'Latency against the champion',
    x: { title: 'percentile' },
    y: { title: 'candidate over champion', unit: 'times' },
    series: [{ name: 'ratio', points: known }],
    limits: [{ axis: 'y', at: 1, title: 'as fast as the champion' }],
  };
}

function advice({ perReplica, concurrency, replicas, costPerMillion, law, rules }: Sizing): Section {
  const number = (value: number): string => separated(Number(value.toPrecision(3)));
  const peak = law?.peakUsers ?? null;
  return {
    title: 'Sizing',
    text: [
      `Give one replica ${number(perReplica)} requests a second; it then has about ${number(concurrency)} in flight (Little's law).` +
        (replicas === null ? '' : ` The target rate needs ${replicas} replicas.`) +
        (costPerMillion === null ? '' : ` A million requests cost ${number(costPerMillion)}.`) +
        (peak === null
          ? ''
          : ` Its throughput falls beyond ${number(peak)} users at once (Universal Scalability Law).`),
    ],
    columns: ['For', 'Rule'],
    rows: rules.map(({ title, text }) => [textCell(title), codeCell(text)]),
    collapsed: true,
    importance: 0,
  };
}

function byLevel(levels: readonly Level[]): Section {
  return {
    title: 'Answers by load',
    columns: ['While', 'Answers', 'Right', 'Different from offline'],
    rows: levels.map(({ name, answers, judged, right, differing }) => [
      textCell(name),
      numberCell(String(answers)),
      numberCell(judged === 0 ? '' : percent(right / judged)),
      numberCell(String(differing)),
    ]),
    collapsed: true,
    importance: 0,
  };
}
