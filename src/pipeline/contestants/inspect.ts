import { requireColumns, withDataset } from '../../data/dataset.ts';
import { planInputs, type InputPlan } from '../../model/features.ts';
import type { ModelInspection } from '../../model/inspect.ts';
import { configuredData } from '../configured-data.ts';
import type { Workspace } from '../workspace.ts';

/** Which columns of the evaluation set would feed which input of a model. @throws DataError, MismatchError when they do not fit */
export async function inputsFromData(workspace: Workspace, inspection: ModelInspection): Promise<InputPlan[]> {
  const { evaluation } = workspace.modelConfig.data;
  const source = await configuredData(workspace, 'evaluation', evaluation, 'data.evaluation');
  return withDataset(source, { log: workspace.log }, (dataset) => {
    requireColumns(dataset, workspace.modelConfig.columns.features ?? []);
    return planInputs(inspection, workspace.modelConfig.columns, dataset.columns);
  });
}
