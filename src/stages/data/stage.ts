import type { Stage } from '../stage.ts';
import { dataKeys, dataSettings } from './schema.ts';
import { sections } from './sections.ts';

/** Validates the datasets against a contract of the rows and rules of the tables. */
export const data: Stage = {
  kind: 'data',
  title: 'Data',
  reportOrder: 40,
  command: {
    name: 'validate',
    summary: 'Validate the datasets against the contract and the table rules.',
    examples: ['contender validate', 'contender validate --model spam-filter --json'],
  },
  action: 'validate-data',
  page: 'docs/data.md',
  keys: { data: dataKeys },
  needs: 'datasets',
  enabled: asks,
  required: asks,
  inputs(model) {
    const { contract } = dataSettings(model);
    return contract === undefined ? [] : [{ file: contract, key: 'data.contract' }];
  },
  whereOf: (name) => ['data', name.endsWith('/contract') ? 'contract' : 'rules'],
  sections,
  load: async () => ({ run: (await import('./validate.ts')).validateData }),
};

function asks(model: Parameters<Stage['enabled']>[0]): boolean {
  const { contract, rules } = dataSettings(model);
  return contract !== undefined || rules !== undefined;
}
