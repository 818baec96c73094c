import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { normalPair, randomFrom, type Random } from '../../src/statistics/random.ts';

/** What is so on a day, counted from the first. */
export interface Day {
  rows: number;
  /** Mean of the feature x, 0 as in the reference. */
  shift: number;
  /** What the score means now: true probability of the scored one. */
  meaning: (p: number) => number;
  /** Rate of conversions. */
  conversion: number;
  latency: number;
  /** Region of a row. */
  region: (random: Random) => string;
}

const usual: Day = {
  rows: 400,
  shift: 0,
  meaning: (p) => p,
  conversion: 0.1,
  latency: 40,
  region: (random) => (random.uniform() < 0.7 ? 'north' : 'south'),
};

export interface SimulatedProduction {
  folder: string;
  /** Day number as a time. */
  at(day: number, hour?: number): Date;
  /** Write the logs as they are after so many days, labels of rows older than `labelDelay` days among them. */
  until(day: number): Promise<void>;
}

const first = Date.UTC(2026, 0, 5);
const dayMs = 86_400_000;

/**
 * A model that scores rows of two features, its evaluation and reference data, and what it serves day by day, with a known truth. The
 * champion is a file of predictions: no model is run.
 * @param monitor YAML of the keys of monitor beside production, indented by 6
 */
export async function simulateProduction(
  folder: string,
  options: {
    days: number;
    seed?: number;
    labelDelay?: number;
    change?: (day: number) => Partial<Day>;
    monitor?: string;
    more?: string;
  },
): Promise<SimulatedProduction> {
  const { days, seed = 1, labelDelay = 3, change = () => ({}), monitor = '', more = '' } = options;
  const random = randomFrom(seed);
  const row = (day: Day): { x: number; region: string; score: number; label: number } => {
    const pair = new Float64Array(2);
    normalPair(random, pair);
    const x = (pair[0] as number) + day.shift;
    const score = 1 / (1 + Math.exp(-2.5 * x));
    return { x, region: day.region(random), score, label: Number(random.uniform() < day.meaning(score)) };
  };
  const reference = Array.from({ length: 2000 }, () => row(usual));
  const table = (header: string, lines: readonly string[]): string => `${[header, ...lines].join('\n')}\n`;
  await mkdir(join(folder, 'logs'), { recursive: true });
  await writeFile(
    join(folder, 'eval.csv'),
    table(
      'id,x,region,label',
      reference.map(({ x, region, label }, id) => `e${id},${x},${region},${label}`),
    ),
  );
  await writeFile(
    join(folder, 'champion.csv'),
    table(
      'id,score',
      reference.map(({ score }, id) => `e${id},${score}`),
    ),
  );
  await writeFile(
    join(folder, 'contender.yml'),
    `version: 1
models:
  credit:
    task: binary-classification
    candidate: { predictions: champion.csv }
    champion: { predictions: champion.csv }
    columns: { id: id, label: label, features: [x, region] }
    data: { evaluation: eval.csv, reference: eval.csv }
    policy: { primary: { metric: accuracy, margin: 0.01, require: non-inferior } }
${more}    monitor:
      production: { files: logs/production.csv, time: at, score: score }
      min_rows: 50
${monitor}`,
  );
  const served: string[][] = [];
  const labels: string[][] = [];
  for (let index = 0; index < days; index++) {
    const day = { ...usual, ...change(index) };
    const lines: string[] = [];
    const known: string[] = [];
    for (let each = 0; each < day.rows; each++) {
      const { x, region, score, label } = row(day);
      const at = new Date(first + index * dayMs + Math.floor((each * dayMs) / day.rows)).toISOString();
      const converted = Number(random.uniform() < day.conversion);
      lines.push(
        `${at},d${index}-${each},${x.toFixed(4)},${region},${score},${converted},${(day.latency * (0.5 + random.uniform())).toFixed(1)}`,
      );
      known.push(`d${index}-${each},${label}`);
    }
    served.push(lines);
    labels.push(known);
  }
  return {
    folder,
    at: (day, hour = 1) => new Date(first + day * dayMs + hour * 3_600_000),
    async until(day) {
      await writeFile(
        join(folder, 'logs/production.csv'),
        table('at,id,x,region,score,converted,latency', served.slice(0, day).flat()),
      );
      await writeFile(
        join(folder, 'logs/labels.csv'),
        table('id,label', labels.slice(0, Math.max(0, day - labelDelay)).flat()),
      );
    },
  };
}
