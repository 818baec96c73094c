import type { Model } from '../../config/index.ts';
import type { Stage } from '../stage.ts';
import { dataKeys, dataSettings, leakageSettings, problems } from './schema.ts';
import { sections } from './sections.ts';
import { violationFiles } from './violation-file-names.ts';

/** Validates the datasets: contract of the rows, rules of the tables, drift since the reference data, leakage. */
export const data: Stage = {
  kind: 'data',
  title: 'Data',
  reportOrder: 40,
  command: {
    name: 'validate',
    summary: 'Validate the datasets: contract, table rules, drift since the reference data, leakage.',
    examples: ['contender validate', 'contender validate --model spam-filter --json'],
  },
  action: 'validate-data',
  page: 'docs/data.md',
  keys: { data: dataKeys },
  needs: 'datasets',
  problems,
  enabled: (model) => blocks(model) || advises(model),
  required: blocks,
  inputs(model) {
    const { contract } = dataSettings(model);
    return contract === undefined ? [] : [{ file: contract, key: 'data.contract' }];
  },
  files: violationFiles,
  whereOf,
  sections,
  repeatable: true,
  rules: async (context) => {
    const { rulesOfContract } = await import('./sieve/row-rules.ts');
    const found = await rulesOfContract(context);
    // While others look at the rows.
    import('./validate.ts').catch(() => {});
    return found;
  },
  load: async () => ({ run: (await import('./validate.ts')).validateData }),
};

/** Is anything asked for that can keep a candidate out? */
function blocks(model: Model): boolean {
  const settings = dataSettings(model);
  const { contract, rules, drift } = settings;
  const gates = (part: { severity?: string } | null | undefined, fallback: string): boolean =>
    (part?.severity ?? (part ? fallback : 'warn')) === 'block';
  return (
    contract !== undefined || rules !== undefined || gates(drift, 'block') || gates(leakageSettings(settings), 'warn')
  );
}

function advises(model: Model): boolean {
  const settings = dataSettings(model);
  const { drift, profile, reference } = settings;
  const kept = profile ?? reference !== undefined;
  return drift !== undefined || kept || leakageSettings(settings) !== null;
}

function whereOf(name: string): (string | number)[] {
  const [part = ''] = name.split('/');
  if (part === 'drift' || part === 'drift-columns') return ['data', 'drift'];
  if (part === 'drift-together') return ['data', 'drift', 'max_auc'];
  if (part === 'leakage') return ['data', 'leakage', leakageKeys[name.split('/')[1] ?? ''] ?? 'max_overlap_rows'];
  if (name.endsWith('/duplicates')) return ['data', 'leakage', 'max_duplicate_rows'];
  if (name.endsWith('/conflicting-labels')) return ['data', 'leakage', 'max_conflicting_rows'];
  return ['data', /^[^/]+\/contract(?:\(|$)/u.test(name) ? 'contract' : 'rules'];
}

/** Settings of the checks on leakage, by the name of the check. */
const leakageKeys: Readonly<Record<string, string>> = {
  'near-duplicates': 'max_near_duplicate_rows',
  'label-in-one-column': 'max_skill',
  'label-in-id': 'max_skill',
  time: 'time',
};
