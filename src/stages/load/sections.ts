import type { Evidence } from '../../evidence/index.ts';
import { checksSection } from '../../report/checks.ts';
import type { Chart, Section } from '../../report/section.ts';

export function sections(evidence: Evidence): Section[] {
  return [{ ...checksSection('Under load', evidence), charts: latency(evidence) }];
}

/** How long answers took, as the last window measured it. Details are plain JSON of any form. */
function latency({ details }: Evidence): Chart[] {
  const { timings, slo } = details as { timings?: { windows?: unknown }; slo?: { p95_ms?: unknown } };
  const windows = Array.isArray(timings?.windows) ? (timings.windows as unknown[]) : [];
  const { histogram } = (windows.at(-1) ?? {}) as { histogram?: { from: number; to: number; count: number }[] };
  if (!Array.isArray(histogram) || histogram.length === 0) return [];
  const steps = histogram.map(({ from, count }) => ({ x: from, y: count }));
  const last = histogram.at(-1);
  return [
    {
      kind: 'steps',
      title: 'Latency',
      x: { title: 'from the intended time of sending', unit: 'ms', scale: 'log' },
      y: { title: 'requests' },
      ...(typeof slo?.p95_ms === 'number' && slo.p95_ms > 0
        ? { limits: [{ axis: 'x' as const, at: slo.p95_ms, title: 'most for p95' }] }
        : {}),
      series: [{ name: 'candidate', points: last === undefined ? steps : [...steps, { x: last.to, y: 0 }] }],
    },
  ];
}
