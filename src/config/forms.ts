import type { TNumberOptions } from 'typebox';
import { Matching, Optional, Type } from '../forms.ts';
import { pointsPattern } from './units.ts';

/* Forms of values that several parts of contender.yml share. */

export const strict = { additionalProperties: false } as const;
export const Column = Type.String({ minLength: 1, maxLength: 500 });
/** A number in the units of a metric, or, of a share, percentage points: `2pp` is 0.02. `quantityOf` reads it. */
export const Quantity = (description: string, limits: TNumberOptions = {}) =>
  Type.Union([Type.Number(limits), Type.String({ pattern: pointsPattern })], {
    description: `${description}; for a share also percentage points, such as 2pp`,
  });
export const OptionalQuantity = (description: string, limits?: TNumberOptions) =>
  Type.Optional(Quantity(description, limits));
export const Margin = Quantity('the largest tolerated loss, in the units of the metric', { minimum: 0 });
export const Severity = Type.Enum(['block', 'warn', 'info']);
export const Requirement = Type.Enum(['superior', 'non-inferior', 'not-inferior']);
export type Requirement = 'superior' | 'non-inferior' | 'not-inferior';
export const Duration = Matching('^[0-9]+(?:\\.[0-9]+)?(ms|s|m|h)$', 'such as 500ms, 20s, 5m');
export const bytesPattern = { pattern: '^[0-9]+(?:\\.[0-9]+)?(KiB|MiB|GiB|kB|MB|GB)$' };
export const Bytes = Type.String({ ...bytesPattern, description: 'such as 512MiB' });

/** Servers whose captured requests and responses are read as rows. */
const captureFormats = ['kserve', 'seldon', 'mlserver', 'contender'] as const;
export type CaptureFormat = (typeof captureFormats)[number];

/** The key of a log that is captured, and no table. */
export const CaptureKey = Optional.Choice(
  captureFormats,
  'captured requests and responses (JSONL) instead of a table: kserve and seldon (CloudEvents, or documents of the request logger), mlserver (inference requests and responses), contender (contender serve). The columns are then id, time, arm (the version that answered), status, ms, score, label and the features',
);
