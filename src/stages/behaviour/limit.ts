import type { Check, Severity, Verdict } from '../../evidence/index.ts';

export interface LimitCheck {
  name: string;
  title: string;
  verdict: Verdict;
  severity: Severity | undefined;
  message: string;
  observed: number | null;
  /** Null: reported only, without a limit. */
  required: number | null;
  /** Default: at most. */
  limit?: Check['limit'];
  unit?: string;
}

/** A check of this stage that holds a number against a limit. */
export function limitCheck({ name, severity, observed, message, limit = 'at most', ...rest }: LimitCheck): Check {
  return {
    id: `behaviour/${name}`,
    severity: severity ?? 'block',
    message: `${message.replace(/[.\s]+$/u, '')}.`,
    observed: observed === null ? null : Number(observed.toPrecision(6)),
    limit,
    ...rest,
  };
}

/** Why a part was not looked at: there is nothing to look at (skipped), or it did not let itself be looked at (inconclusive). */
export interface Absence {
  verdict: 'skipped' | 'inconclusive';
  reason: string;
}

export function absentCheck(name: string, title: string, { verdict, reason }: Absence, severity?: Severity): Check {
  return {
    id: `behaviour/${name}`,
    title,
    verdict,
    severity: severity ?? 'block',
    message: `${title}: ${reason.replace(/[.\s]+$/u, '')}.`,
    observed: null,
    required: null,
  };
}
