import { tQuantile } from '../../statistics/distributions.ts';
import { median } from '../../statistics/log-ratio.ts';

/** Change per unit of x of values over time, with one-sided 95% bounds. */
export interface Trend {
  slope: number;
  lower: number;
  upper: number;
  start: number;
  blocks: number;
}

const mostBlocks = 10;
const leastBlocks = 5;
const leastOfBlock = 3;
const level = 0.05;

/**
 * The slope of a least-squares line through the medians of equal stretches of x. Medians of stretches, not the values: those of a
 * moment depend on each other (garbage collection makes a saw of memory, a stall slows many requests at once), and would make any
 * bound on the slope too narrow. Null where there are too few values.
 */
export function trendOf(x: ArrayLike<number>, y: ArrayLike<number>): Trend | null {
  const blocks = Math.min(mostBlocks, Math.floor(x.length / leastOfBlock));
  if (blocks < leastBlocks) return null;
  const [first, last] = [x[0] as number, x[x.length - 1] as number];
  const width = (last - first) / blocks;
  const groups = Array.from({ length: blocks }, () => ({ x: [] as number[], y: [] as number[] }));
  for (let index = 0; index < x.length; index += 1) {
    const place = Math.min(blocks - 1, Math.floor(((x[index] as number) - first) / width));
    groups[place]?.x.push(x[index] as number);
    groups[place]?.y.push(y[index] as number);
  }
  const points = groups
    .filter((group) => group.y.length > 0)
    .map((group) => ({ x: median(group.x), y: median(group.y) }));
  if (points.length < leastBlocks) return null;
  const n = points.length;
  const meanX = points.reduce((sum, point) => sum + point.x, 0) / n;
  const meanY = points.reduce((sum, point) => sum + point.y, 0) / n;
  const sxx = points.reduce((sum, point) => sum + (point.x - meanX) ** 2, 0);
  const sxy = points.reduce((sum, point) => sum + (point.x - meanX) * (point.y - meanY), 0);
  const slope = sxy / sxx;
  const residual = points.reduce((sum, point) => sum + (point.y - meanY - slope * (point.x - meanX)) ** 2, 0);
  const error = Math.sqrt(residual / (n - 2) / sxx);
  const reach = tQuantile(1 - level, n - 2) * error;
  return { slope, lower: slope - reach, upper: slope + reach, start: meanY + slope * (first - meanX), blocks: n };
}
