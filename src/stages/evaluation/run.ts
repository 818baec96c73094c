import { datasetSubject } from '../../data/dataset.ts';
import { idsOfRows } from '../../data/row-ids.ts';
import type { Signatures } from '../../evidence/index.ts';
import type { Contestant, ContestantsContext, StageResult } from '../stage.ts';
import type { ChangedRow } from './agreement.ts';
import { evaluate } from './evaluate.ts';
import { policyOf, trainingOf } from './schema.ts';
import { readTraining, trainingChecks, trainingInMetadata, type KnownTraining } from './training.ts';

/** Rows that the models decide differently, beside the evidence, which holds no rows of data. */
const changedRowsFile = 'changed-rows.csv';

/** Compare candidate and champion under the policy of the model. @throws ConfigError, DataError */
export async function run(context: ContestantsContext): Promise<StageResult> {
  let changed: readonly ChangedRow[] = [];
  const training = await trainingIn(context);
  const policy = policyOf(context.config);
  const result = await evaluate({
    ...context,
    policy,
    onChanged: (rows) => (changed = rows),
  });
  return {
    checks: [...result.checks, ...trainingChecks(training, policy.training ?? [], digestsOf(context.dataset))],
    details: { ...result.details, ...(training === null ? {} : { training }) },
    signatures: { ...signatureOf('candidate', context.candidate), ...signatureOf('champion', context.champion) },
    files: changed.length === 0 ? [] : [{ name: changedRowsFile, content: await changedRowsText(context, changed) }],
  };
}

/** What the file that the configuration names says, else the model itself. */
async function trainingIn({ config, candidate, pathOf }: ContestantsContext): Promise<KnownTraining | null> {
  const file = trainingOf(config);
  if (file !== undefined) return readTraining(await pathOf(file, 'training'), file, candidate.artifact.sha256);
  const { metadata = {} } = candidate.model?.artifact ?? {};
  return trainingInMetadata(metadata, candidate.artifact.uri.replace(/^file:/u, ''));
}

/** Of the evaluation set, and of each file of it. */
function digestsOf(dataset: ContestantsContext['dataset']): string[] {
  const { sha256, files = [] } = datasetSubject(dataset);
  return [sha256, ...files.map((file) => file.sha256)];
}

function signatureOf(role: keyof Signatures, contestant: Contestant | null): Signatures {
  const signature = contestant?.model?.artifact.signature ?? null;
  return signature === null ? {} : { [role]: signature };
}

async function changedRowsText(
  { dataset, columns: { id } }: ContestantsContext,
  rows: readonly ChangedRow[],
): Promise<string> {
  const ids = await idsOfRows(
    dataset,
    id,
    rows.map(({ row }) => row),
  );
  const quoted = (text: string): string => (/[",\r\n]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = rows.map(({ row, truth, champion, candidate }) =>
    [ids.get(row) ?? '', truth, champion, candidate].map(quoted).join(','),
  );
  const header = [id, 'label', 'champion', 'candidate'].map(quoted).join(',');
  return `${[header, ...lines].join('\n')}\n`;
}
