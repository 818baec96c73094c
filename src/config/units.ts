/** Percentage points, as the configuration may state a share. */
export const pointsPattern = '^[0-9]+(?:\\.[0-9]+)?pp$';

const durationUnits: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const byteUnits: Record<string, number> = { kB: 1e3, MB: 1e6, GB: 1e9, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** Milliseconds of a duration the configuration schema accepted, such as `500ms`, `20s`, `5m`, `2h`, `7d`. */
export function milliseconds(duration: string): number {
  return parse(duration, durationUnits);
}

/** Bytes of a size the configuration schema accepted, such as `512MiB` or `2GB`. */
export function bytes(size: string): number {
  return Math.round(parse(size, byteUnits));
}

/** Clocks of machines differ by less, in milliseconds. */
export const clockTolerance = 10 * 60_000;

/**
 * What keeps a measurement from being of the last `limit`, as the end of a sentence; null: nothing. A time in the future is no proof of
 * freshness: a clock was wrong, or was set back.
 *
 * @param measuredAt a time in ISO 8601
 * @param limit a duration, such as `7d`
 */
export function ageFault(measuredAt: string, now: Date, limit: string): string | null {
  const age = now.getTime() - Date.parse(measuredAt);
  if (!(age <= milliseconds(limit))) return `older than ${limit}`;
  if (age < -clockTolerance) return `dated in the future: the clock here says ${now.toISOString()}`;
  return null;
}

function parse(text: string, units: Record<string, number>): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)([A-Za-z]+)$/u.exec(text);
  const unit = units[match?.[2] ?? ''];
  if (match === null || unit === undefined) throw new TypeError(`not a quantity with a unit: ${text}`);
  return Number(match[1]) * unit;
}
