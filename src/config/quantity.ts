import { ConfigError } from '../errors.ts';

/** What a number of the policy is of a metric: a loss or a gain, or a value that bounds it. */
type Role = 'difference' | 'bound';

/**
 * A number of the policy in the units of a metric, which may be stated in percentage points where the metric is a share.
 *
 * @param stated as the configuration has it @param where its key
 * @throws ConfigError for points of what is no share, and for a share or a correlation that is stated in another unit
 */
export function quantityOf(
  stated: number | string,
  metric: { title: string; scale: 'share' | 'value'; correlation?: true },
  role: Role,
  where: string,
): number {
  if (metric.scale !== 'share') {
    if (typeof stated === 'number') {
      if (metric.correlation === true) refuseOtherUnit(stated, metric.title, role, where);
      return stated;
    }
    throw new ConfigError({
      found: `${JSON.stringify(stated)}, but ${metric.title} is not a share`,
      expected: 'a number in the units of the metric, without pp',
      where,
    });
  }
  return shareOf(stated, metric.title, role, where);
}

/** Of values from -1 to 1, a difference of 1 allows a good model to become one that guesses. */
function refuseOtherUnit(stated: number, title: string, role: Role, where: string): void {
  if (role === 'bound' ? Math.abs(stated) <= 1 : stated < 1) return;
  throw new ConfigError({
    found: `${stated} for ${title}, whose values lie between -1 and 1`,
    expected: role === 'bound' ? 'a number from -1 to 1' : 'a number less than 1',
    where,
    ...(Math.abs(stated) < 100 ? { remedy: `If a hundredth was meant, write ${hundredth(String(stated))}` } : {}),
  });
}

/** A share that the policy states as a number from 0 to 1 or in percentage points. @param what it is of, as a message names it */
export function shareOf(stated: number | string, what: string, role: Role, where: string): number {
  // Digits are moved, not divided: 0.7pp is the number that 0.007 is.
  const share = typeof stated === 'number' ? stated : hundredth(stated.slice(0, -'pp'.length));
  if (share >= 0 && (role === 'difference' ? share < 1 : share <= 1)) return share;
  const expected = role === 'difference' ? 'less than 1 (1 would be all of it)' : 'from 0 to 1';
  if (typeof stated === 'string' || stated < 0) {
    throw new ConfigError({ found: `${stated} for ${what}, a share`, expected: `a number ${expected}`, where });
  }
  const points = Number((100 * stated).toPrecision(12));
  const meant = stated < 100 ? `; write ${hundredth(String(stated))}, or \`${stated}pp\`` : '';
  throw new ConfigError({
    found: `${stated} for ${what}, a share: ${stated} would be ${points} points${meant}`,
    expected: `a number ${expected}`,
    where,
  });
}

function hundredth(digits: string): number {
  return Number(`${digits}e-2`);
}
