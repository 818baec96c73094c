import { openDataset, requireColumns } from '../../data/dataset.ts';
import { planInputs, type InputPlan } from '../../model/features.ts';
import type { ModelInspection } from '../../model/inspect.ts';
import { inside, type Workspace } from '../workspace.ts';

/** Which columns of the evaluation set would feed which input of a model. @throws DataError, MismatchError when they do not fit */
export async function inputsFromData(workspace: Workspace, inspection: ModelInspection): Promise<InputPlan[]> {
  const { evaluation: uri, csv } = workspace.modelConfig.data;
  const path = await inside(workspace, uri, 'data.evaluation');
  const dataset = await openDataset(
    { name: 'evaluation', path, uri, ...(csv === undefined ? {} : { csv }) },
    { log: workspace.log },
  );
  try {
    requireColumns(dataset, workspace.modelConfig.columns.features ?? []);
    return planInputs(inspection, workspace.modelConfig.columns, dataset.columns);
  } finally {
    dataset.close();
  }
}
