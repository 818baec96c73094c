import type { Comparison, RecordedDecision } from '../evidence/index.ts';
import { shownDifference } from '../evidence/index.ts';
import type { Contents } from './contents.ts';
import { intervalLevel } from './headline.ts';
import { metricName, metricValue } from './numbers.ts';
import { responsible } from './registry-reads.ts';
import type { Published } from './published.ts';
import { reuseOf } from './reuse.ts';
import { differenceCells, numberCell, textCell, type Chart, type Section, type Series } from './section.ts';
import { standing } from './standing.ts';

/** More metrics than a page has charts for. */
const mostMetrics = 8;

const tablesAlone = { nextStep: '', pullRequest: undefined, subject: '', reasons: [] };

/** What became of a model over time, from its decisions with their evidence, the oldest first. All text is raw. */
export function historyContents(model: string, decisions: readonly Published[], left: number): Contents {
  const champion = decisions.findLast(({ decision }) => decision.outcome === 'promote')?.decision.to?.version;
  return {
    title: model,
    standing:
      champion === undefined ? { word: 'No champion', mood: 'open' } : { word: `Champion ${champion}`, mood: 'good' },
    headline: `${tally(decisions)}${left === 0 ? '' : `; the first ${left} decisions are not shown`}`,
    ...tablesAlone,
    sections: [charts(decisions), table(decisions)].filter(
      ({ rows, charts: drawn = [] }) => rows.length + drawn.length > 0,
    ),
  };
}

/** What the gate made of candidates, and what people did: "2 promoted, 1 held, 0 rejected, 1 rolled back". */
function tally(decisions: readonly Published[]): string {
  const counts = new Map(['promoted', 'held', 'rejected'].map((word) => [word, 0]));
  for (const { decision } of decisions) {
    const word = standing({ decision, evidence: [] }).word.toLowerCase();
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].map(([word, times]) => `${times} ${word}`).join(', ');
}

interface Measured {
  decision: RecordedDecision;
  comparison: Comparison;
}

/** The comparisons of whole evaluation sets, by metric; those with the anchor apart. The primary metric comes first. */
function measured(decisions: readonly Published[], withAnchor: boolean): Map<string, Measured[]> {
  const found = new Map<string, Measured[]>();
  for (const { decision, evidence } of decisions) {
    // An override repeats the evidence of a hold.
    if (decision.action !== 'gate') continue;
    for (const { checks } of evidence.filter(({ kind }) => kind === 'evaluation')) {
      for (const { comparison } of checks) {
        if (comparison === undefined || comparison.slice !== undefined) continue;
        if ((comparison.anchor !== undefined) !== withAnchor) continue;
        found.set(comparison.metric, [...(found.get(comparison.metric) ?? []), { decision, comparison }]);
      }
    }
  }
  return new Map([...found].slice(0, mostMetrics));
}

function charts(decisions: readonly Published[]): Section {
  const time = { title: 'Decided', scale: 'time' } as const;
  const ofMetrics = [...measured(decisions, false)].flatMap(([metric, points]): Chart[] => [
    {
      kind: 'line',
      title: `${metricName(metric)} of the candidates and of the champion at that time`,
      x: time,
      y: { title: metricName(metric) },
      series: [
        series('Promoted', points.filter(isPromoted), ({ comparison }) => comparison.candidate),
        series(
          'Held or rejected',
          points.filter((each) => !isPromoted(each)),
          ({ comparison }) => comparison.candidate,
        ),
        series('Champion', points, ({ comparison }) => comparison.champion),
      ].filter(({ points: drawn }) => drawn.length > 0),
    },
    gains(`Gain in ${metricName(metric)} over the champion, with its interval`, points),
  ]);
  const toAnchor = [...measured(decisions, true)].map(([metric, points]) =>
    gains(`Distance to the anchor in ${metricName(metric)}, with its interval`, points),
  );
  const uses = decisions.flatMap(({ decision, evidence }) => {
    const reuse = reuseOf(evidence);
    return reuse === null || decision.action !== 'gate' ? [] : [{ x: decision.time, y: reuse }];
  });
  const reuse: Chart = {
    kind: 'steps',
    title: 'Decisions made before on the same evaluation set',
    x: time,
    y: { title: 'Decisions' },
    series: [{ name: 'Decisions', points: uses }],
  };
  return {
    title: 'Over time',
    charts: [...ofMetrics, ...toAnchor, ...(uses.length === 0 ? [] : [reuse])],
    columns: [],
    rows: [],
    legend:
      'Values on different evaluation sets cannot be compared: when the count of decisions starts again, the evaluation set changed.',
    importance: 2,
  };
}

function gains(title: string, points: readonly Measured[]): Chart {
  const share = points.some(({ comparison }) => comparison.scale === 'share');
  const scale = share ? 100 : 1;
  const bounds = ({ comparison: { delta, lower, upper } }: Measured) => ({
    y: scale * delta,
    lower: scale * lower,
    upper: scale * upper,
  });
  return {
    kind: 'line',
    title,
    x: { title: 'Decided', scale: 'time' },
    y: { title: 'Gain', ...(share ? { unit: 'points' } : {}) },
    series: [{ name: 'Gain', points: points.map((each) => ({ x: each.decision.time, ...bounds(each) })) }],
    limits: [{ axis: 'y', at: 0, title: 'No difference' }],
  };
}

function series(name: string, points: readonly Measured[], value: (of: Measured) => number): Series {
  return { name, points: points.map((each) => ({ x: each.decision.time, y: value(each) })) };
}

function isPromoted({ decision }: Measured): boolean {
  return decision.outcome === 'promote';
}

/** Every decision, the newest first, with the primary metric as the evaluation measured it. */
function table(decisions: readonly Published[]): Section {
  const [[metric, points] = ['metric', []]] = measured(decisions, false);
  const anchored = measured(decisions, true).get(metric) ?? [];
  const at = (of: readonly Measured[], { seq }: RecordedDecision): Comparison | undefined =>
    of.find(({ decision }) => decision.seq === seq)?.comparison;
  const [first] = points;
  return {
    title: 'Decisions, newest first',
    columns: [
      'Decision',
      'Date',
      'Outcome',
      'Version',
      metricName(metric),
      'Gain',
      first === undefined ? 'Interval' : `${intervalLevel(first.comparison.alpha)} interval`,
      'In margins',
      ...(anchored.length === 0 ? [] : ['To the anchor']),
      'Set used before',
      'By',
      'Why',
    ],
    rows: decisions.toReversed().map((each) => {
      const { decision, evidence } = each;
      const own = at(points, decision);
      const anchor = at(anchored, decision);
      return [
        numberCell(String(decision.seq)),
        textCell(decision.time.slice(0, 10)),
        textCell(standing(each).word),
        textCell((decision.outcome === 'promote' ? decision.to : decision.candidate)?.version ?? ''),
        numberCell(own === undefined ? '' : metricValue(own.candidate)),
        ...differenceCells(own),
        ...(anchored.length === 0 ? [] : [numberCell(anchor === undefined ? '' : gainText(anchor))]),
        numberCell(String(reuseOf(evidence) ?? '')),
        textCell(responsible(decision)),
        textCell((decision.reasons[0]?.message ?? '').slice(0, 200)),
      ];
    }),
    importance: 3,
  };
}

function gainText(comparison: Comparison): string {
  const { delta, unit } = shownDifference(comparison);
  return `${delta}${unit}`;
}

/** The models of a registry as a page with a link to the history of each. */
export function historyIndex(models: readonly { model: string; contents: Contents }[]): Contents {
  return {
    title: 'Models',
    standing: { word: String(models.length), mood: 'none' },
    headline: 'All decisions about each model, with the people and the numbers.',
    ...tablesAlone,
    sections: [
      {
        title: 'Histories',
        columns: ['Model', 'Stands at', 'Decisions'],
        rows: models.map(({ model, contents }) => [
          { text: model, kind: 'text', href: `${model}.html` },
          textCell(contents.standing.word),
          textCell(contents.headline),
        ]),
        importance: 1,
      },
    ],
  };
}
