import type { Check } from '../../evidence/check.ts';
import { beyondChance, chanceOfArea, clearly } from './assumed-order.ts';
import { rankScores, rocArea } from './metrics/ranked.ts';
import type { Outputs, Sample } from './sample.ts';

/** Areas of every label by every column of scores cost their number times the rows: more rows than this over them are not looked at. */
const mostValues = 1_000_000;

/**
 * Scores of several labels a row that tell the labels apart in another order of their columns: a chain of classifiers, or a head with an order
 * of its own, is read in that of columns.label. A warning, since a model may have learnt the labels so.
 */
export function labelOrderChecks(
  { rows, labels = 0, names, truth }: Pick<Sample, 'rows' | 'labels' | 'names' | 'truth'>,
  sides: { readonly [role in 'candidate' | 'champion']: Pick<Outputs, 'scores'> | null },
): Check[] {
  const step = Math.max(1, Math.ceil((labels ** 2 * rows) / mostValues));
  const column = (values: Float64Array, label: number): Float64Array =>
    Float64Array.from({ length: Math.ceil(rows / step) }, (_, at) => values[at * step * labels + label] as number);
  const found = Object.entries(sides).flatMap(([role, outputs]) => {
    const scores = outputs?.scores ?? null;
    if (scores === null || labels < 2 || names === null) return [];
    const columns = names.map((_, label) => column(scores, label));
    const truths = names.map((_, label) => column(truth, label));
    const areas = truths.map((own) => columns.map((each) => rocArea(rankScores(each, own), null)));
    const places = bestPlaces(areas);
    const areaAt = (label: number, place: number): number => areas[label]?.[place] ?? Number.NaN;
    const moved = [...places.keys()].filter((label) => places[label] !== label);
    const gain = moved.reduce((sum, label) => sum + areaAt(label, places[label] as number) - areaAt(label, label), 0);
    const chance = Math.sqrt(
      moved.reduce((sum, label) => sum + 2 * chanceOfArea(truths[label] as Float64Array) ** 2, 0),
    );
    if (!(gain > Math.max(clearly * moved.length, beyondChance * chance))) return [];
    const mean = (read: readonly number[]): string =>
      (moved.reduce((sum, label) => sum + areaAt(label, read[label] as number), 0) / moved.length).toFixed(3);
    const listed = names.map((_, place) => JSON.stringify(names[places.indexOf(place)])).join(', ');
    const text = `of the ${role} (mean ROC AUC ${mean([...places.keys()])}, and ${mean(places)} as those of ${listed})`;
    return [text];
  });
  if (found.length === 0) return [];
  return [
    {
      id: 'evaluation/label-order',
      title: 'Scores in the order of the labels',
      verdict: 'fail',
      severity: 'warn',
      message: `The scores tell the labels apart in another order than that of columns.label: those ${found.join(', those ')}. Give columns.label in the order of the outputs; where the models have two orders, export one of them again.`,
      observed: 'another order',
      required: 'the order of columns.label',
    },
  ];
}

/** A column of scores for each label, the pairs of the largest areas first; its own where a label has no area. */
function bestPlaces(areas: readonly (readonly number[])[]): number[] {
  const known = areas.map((own, label) =>
    Number.isNaN(own[label]) ? own.map((_, at) => (at === label ? 2 : 0)) : own,
  );
  const pairs = known.flatMap((own, label) => own.map((area, place) => ({ label, place, area })));
  const places = areas.map(() => -1);
  const taken = new Set<number>();
  for (const { label, place } of pairs.toSorted((one, other) => other.area - one.area)) {
    if (places[label] !== -1 || taken.has(place)) continue;
    places[label] = place;
    taken.add(place);
  }
  return places;
}
