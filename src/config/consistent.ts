import type { Problem } from './explain.ts';
import type { Config, Model } from './schema.ts';

/** What no key of a configuration shows alone: columns that do not go with the task. */
export function inconsistencies({ models }: Config): Problem[] {
  return Object.entries(models).flatMap(([name, model]) => {
    const message = columnsProblem(model);
    return message === null ? [] : [{ pointer: `/models/${name}/columns`, ...message }];
  });
}

function columnsProblem({ task, columns }: Model): Pick<Problem, 'key' | 'message'> | null {
  const many = Array.isArray(columns.label);
  if (task === 'multilabel-classification' && !many) {
    return { key: 'label', message: `label is one column. Expected for ${task}: a list of columns of 0 and 1` };
  }
  if (task !== 'multilabel-classification' && many) {
    return { key: 'label', message: `label is a list. Expected for ${task}: one column` };
  }
  if (task === 'ranking' && (columns.group ?? null) === null) {
    return { message: 'the key "group" is missing: the column of the query that a row belongs to, for ranking' };
  }
  return null;
}
