import { ModelError } from '../../errors.ts';
import type { ReadingOptions } from '../predictions.ts';
import type { LoadedModel } from '../run.ts';
import { isFloating } from '../tensor.ts';

/** Name of the output that holds the scores. @throws ModelError where that is not clear */
export function scoreOutput(model: LoadedModel, reading: ReadingOptions, numeric: boolean): string | undefined {
  const candidates = model.outputs.filter(({ type }) =>
    numeric ? type !== 'string' && type !== 'bool' : isFloating(type),
  );
  if (reading.output !== undefined) {
    if (candidates.some(({ name }) => name === reading.output)) return reading.output;
    throw new ModelError({
      found: `The model has no output of numbers named ${JSON.stringify(reading.output)}`,
      expected: `one of: ${listOutputs(model)}`,
    });
  }
  if (candidates.length <= 1) return candidates[0]?.name;
  const named = candidates.filter(({ name }) => (numeric ? /pred|variable|value|score/iu : /prob/iu).test(name));
  if (named.length === 1) return named[0]?.name;
  throw new ModelError({
    found: `The model has ${candidates.length} outputs of numbers: ${candidates.map(({ name }) => name).join(', ')}`,
    expected: 'to know which one holds the scores',
    remedy: 'Name it: candidate: {uri, output}',
  });
}

/** Name of the output that holds the labels. */
export function labelOutput(model: LoadedModel): string | undefined {
  const candidates = model.outputs.filter(({ type }) => !isFloating(type));
  return (candidates.find(({ name }) => /label|class|pred/iu.test(name)) ?? candidates[0])?.name;
}

export function listOutputs(model: LoadedModel): string {
  return model.outputs.map(({ name, type }) => `${name} (${type})`).join(', ');
}
