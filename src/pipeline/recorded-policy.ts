import type { policySubject } from '../config/index.ts';
import { validatorFor } from '../validator.ts';
import { Model as ModelSchema } from './configuration.ts';

/** The configuration of a model that a decision keeps: without its candidate, which the decision names. */
export type RecordedPolicy = ReturnType<typeof policySubject>;

/** Null for a text that is no configuration of this version. */
export function policyIn(text: string): RecordedPolicy | null {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object') return null;
  const model = { ...value, candidate: '-' };
  return validatorFor(ModelSchema, model)(model) ? (value as RecordedPolicy) : null;
}
