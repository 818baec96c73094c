import { rollback } from '../../src/decide/rollback.ts';
import { digest } from '../../src/evidence/index.ts';
import type { RecordInput } from '../../src/registry/registry.ts';
import { act, config, evidence, judged } from './sample-decision.ts';

export const model = 'spam-filter';

/** A promotion, one whose evidence is too large for one request, or a rollback to the champion before. */
export type ActKind = 'promotion' | 'large promotion' | 'rollback';

/** What a writer asks of the registry: equal for equal arguments, so that a run of it can be repeated. `name`: candidate, or reason. */
export function requested(kind: ActKind, name: string): RecordInput {
  if (kind === 'rollback') {
    const decide: RecordInput['decide'] = (view) =>
      rollback({ model, config }, 'previous', view, { ...act, reason: name });
    return { model, decide, evidence: [] };
  }
  const proof = evidence(name);
  // Hexadecimal digits pack to half their size at best.
  if (kind === 'large promotion') {
    proof.details = { noise: Array.from({ length: 40_000 }, (_, index) => digest(`${index}`)) };
  }
  return { model, decide: judged(model, name, 'promote', [proof]), evidence: [proof] };
}
