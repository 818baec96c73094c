import { ConfigError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { HostedModelFault, type HostedModel } from '../../model/hosted-model.ts';
import type { Perturbation, PerturbableColumns } from '../../model/perturbation.ts';
import type { Scored, Scorer } from '../../model/scorer.ts';
import type { Absence } from './limit.ts';

/** A model in its process, with the rows it was fed and what it says of them as they are. */
export interface Subject {
  host: HostedModel;
  columns: PerturbableColumns;
  plain: Scored;
}

/** What importance and robustness are judged from. */
export interface Examination<Settings> {
  settings: Settings;
  candidate: Subject;
  champion: Subject | null;
  /** Why there is no champion to compare with, where there is none. */
  absence: Absence;
  scorer: Scorer;
  alpha: number;
  seed: number;
  log: Log;
  signal?: AbortSignal | undefined;
}

/** The features of both models. @throws ConfigError for a named one that neither has: a slip of the pen would examine nothing */
export function featuresOf(
  { candidate, champion }: Pick<Examination<unknown>, 'candidate' | 'champion'>,
  named: readonly string[] | undefined,
  key: 'importance.features' | 'robustness.columns',
): string[] {
  const all = [...new Set([...candidate.columns.all, ...(champion?.columns.all ?? [])])];
  const unknown = named?.find((feature) => !all.includes(feature));
  if (unknown === undefined) return all;
  throw new ConfigError({
    found: `${JSON.stringify(unknown)} in ${key} is not a feature of any model`,
    expected: `features of the models: ${listed(all.map((name) => JSON.stringify(name)))}`,
    where: `behaviour.${key}`,
  });
}

/** What a model says of changed rows, or why it says nothing: a finding, and no end of the work. */
export async function scoredUnder(
  subject: Pick<Subject, 'host'>,
  change: Perturbation | null,
  scorer: Scorer,
): Promise<{ ok: true; scored: Scored } | { ok: false; message: string }> {
  const result = await subject.host.predict(change).catch((error: unknown) => {
    if (error instanceof HostedModelFault) return { ok: false as const, fault: error.fault };
    throw error;
  });
  return result.ok ? scorer.read(result.predictions) : { ok: false, message: result.fault.message };
}

/** How much of the metric is lost from one value to another: positive is worse. */
export function lossOf({ metric }: Scorer, before: number, after: number): number {
  return metric.better === 'higher' ? before - after : after - before;
}

/** A loss of the metric in the units a reader thinks in: "1.3 points" of a share. */
export function lossText({ metric }: Scorer, loss: number): string {
  return metric.scale === 'share' ? `${(100 * loss).toFixed(2)} points` : String(Number(loss.toPrecision(4)));
}

/** The first names, and how many more there are. */
export function listed(names: readonly string[]): string {
  return names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
}
