import { configSchema, modelSchema, parseConfig as parse, readConfig } from '../config/index.ts';
import type { Config, Model as ModelConfig, Path } from '../config/index.ts';
import { monitorKeys } from '../monitor/schema.ts';
import type { StageFacts } from '../decide/subject.ts';
import { stages } from '../stages/index.ts';

/* contender.yml with what its stages say of it. */

/** The schema of a model, with the keys of every stage and of what follows the promotion. */
export const Model = modelSchema([...stages.map(({ keys }) => keys), monitorKeys]);

/** The schema of contender.yml. */
export const Configuration = configSchema(Model);

const rules = {
  schema: Configuration,
  kinds: stages.map(({ kind }) => kind),
  problems: (model: ModelConfig) => stages.flatMap((stage) => stage.problems?.(model) ?? []),
};

/** Read and check contender.yml. @param shown the path as messages show it @throws ConfigError */
export async function loadConfig(path: string, shown: string): Promise<Config> {
  return parseConfig(await readConfig(path, shown), shown);
}

/** Check the text of contender.yml. @throws ConfigError */
export function parseConfig(text: string, shown: string): Config {
  return parse(text, shown, rules);
}

/** What a decision must know of the stages of a model. */
export function stageFacts(model: ModelConfig): StageFacts[] {
  return stages.map(({ kind, needs, required, lead, anchor }) => ({
    kind,
    dataOnly: needs === 'datasets',
    compares: needs !== 'datasets' && needs !== 'target',
    required: required(model),
    lead: lead?.(model),
    anchor: anchor?.(model),
  }));
}

/** Does evidence of this kind judge data alone? */
export function isOfData(kind: string): boolean {
  return stages.some((stage) => stage.kind === kind && stage.needs === 'datasets');
}

/** Files that a model names for its stages beside data and models, and the keys that name them. */
export function stageInputs(model: ModelConfig): { file: string; key: string }[] {
  return stages.flatMap((stage) => stage.inputs?.(model) ?? []);
}

/** Where a model asks for a check, below the model. */
export function whereOf(checkId: string, model: ModelConfig): Path {
  const [kind, ...name] = checkId.split('/');
  return stages.find((stage) => stage.kind === kind)?.whereOf(name.join('/'), model) ?? [];
}
