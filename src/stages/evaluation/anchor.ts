import type { Check } from '../../evidence/check.ts';
import { capitalised } from '../../wording.ts';
import { wholeCheck, type Compared, type Gate } from './gate.ts';
import type { Outputs } from './sample.ts';

/** The anchor as it stands to the models that are compared. */
export interface HeldAgainst {
  version: string;
  /** What it answers; null where it is the candidate itself, or cannot be judged. */
  outputs: Outputs | null;
  /** The model that it is, byte for byte, if it is one of those that are compared. */
  same: 'candidate' | 'champion' | null;
  /** Why it cannot be judged, if so. */
  fault: string | null;
}

/**
 * The check that holds the candidate against the anchor, under the margin for all promotions together: none where the policy asks for no
 * anchor, never a pass where the anchor cannot be judged.
 * @param anchor null: no version was promoted yet
 * @param compared the comparisons with the champion: where that is the anchor, nothing is compared twice
 */
export function anchorChecks(gate: Gate, anchor: HeldAgainst | null, compared: readonly Compared[]): Check[] {
  const { anchor: planned, primary } = gate.plan;
  if (planned === null) return [];
  const { metric } = primary;
  const common = {
    id: `evaluation/${metric.name}@anchor`,
    title: `${capitalised(metric.title)} against the anchor`,
    observed: null,
  } as const;
  if (anchor === null) {
    const message = 'No version was promoted yet, so there is no anchor to compare the candidate with.';
    return [{ ...common, verdict: 'skipped', severity: 'info', message, required: null }];
  }
  const { version, outputs, same, fault } = anchor;
  const required = 'a comparison with the anchor';
  if (same === 'candidate') {
    const message = `The candidate is the anchor (version ${version}), byte for byte: there is no loss.`;
    return [{ ...common, verdict: 'pass', severity: 'block', message, required }];
  }
  if (outputs === null) {
    const message = `The anchor, version ${version}, cannot be evaluated, so the candidate cannot be compared with it: ${fault}. Restore its file, or name another version in policy.anchor.version.`;
    return [{ ...common, verdict: 'inconclusive', severity: 'block', message, required }];
  }
  const known =
    same === 'champion'
      ? (compared.find((each) => each.slice === null && each.check.id === `evaluation/${metric.name}`)?.comparison ??
        null)
      : null;
  const { check } = wholeCheck({ ...gate, champion: outputs }, { ...primary, severity: 'block' }, planned, {
    name: 'anchor',
    version,
    known,
  });
  const is = same === 'champion' ? `, the champion: compared once` : '';
  return [{ ...check, message: check.message.replace(/\.$/u, `; the anchor is version ${version}${is}.`) }];
}
