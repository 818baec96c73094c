import { readColumns, type Dataset } from '../../data/dataset.ts';
import { canonicalClass, classPosition, classText } from '../../data/class-text.ts';
import { ModelError } from '../../errors.ts';
import type { Artifact, RegistryHistory } from '../../evidence/index.ts';
import type { ChampionBaseline } from '../../monitor/record.ts';
import { highestColumn, isPositive } from '../../model/decisions.ts';
import { thresholdAt, type Predictions } from '../../model/predictions.ts';
import { withContestants } from '../contestants/contestants.ts';
import { resolveChampion } from '../contestants/resolve.ts';
import type { Workspace } from '../workspace.ts';

/** What a classifier says of each row, or a regression its value. */
export interface Answers {
  /** Text of the predicted class; of a regression the value itself. */
  classes: (string | null)[];
  /** Probability of the positive class, of the predicted class where there are more than two, or the value; null: labels only. */
  scores: Float64Array | null;
  /** The scores are probabilities, though they may not be calibrated. */
  probabilities: boolean;
  /** How two classes are told apart by one score; null: they are not. */
  decides: NonNullable<ChampionBaseline['decides']> | null;
}

/** The champion on the evaluation set, beside what is true there. */
export interface ChampionOnEvaluation extends Answers {
  artifact: Artifact;
  dataset: string;
  labels: (string | null)[];
}

/** Run the champion, or read its file of predictions. @throws ModelError where it cannot predict */
export async function predictWithChampion(workspace: Workspace, view: RegistryHistory): Promise<ChampionOnEvaluation> {
  const champion = await resolveChampion(workspace, view);
  if (champion === null || !('resolved' in champion)) {
    throw new ModelError({
      found:
        champion === null
          ? 'no champion'
          : `the champion ${champion.artifact.uri} is not available: ${champion.fault.message}`,
      expected: 'a champion in the registry or in contender.yml',
      where: `models.${workspace.model}.champion`,
      remedy: 'Promote a candidate first, or register the model that is served: contender registry register',
    });
  }
  const nothing = (): Promise<void> => Promise.resolve();
  // It stands alone: nothing is held against it.
  const alone = { ...workspace, modelConfig: { ...workspace.modelConfig, champion: 'registry' } };
  const nobody = { ...view, champion: null, registered: [] };
  return withContestants(alone, nobody, champion.resolved, nothing, async ({ candidate, dataset }) => {
    const { result, artifact } = candidate;
    if (!result.ok) {
      throw new ModelError({
        found: `the champion cannot predict the evaluation set: ${result.fault.message}`,
        where: `models.${workspace.model}.champion`,
        remedy:
          'Correct the evaluation set so that the champion can read it, or name a file with predictions of the champion',
      });
    }
    const { label, positive } = workspace.modelConfig.columns;
    const labels = typeof label === 'string' ? await labelsOf(dataset, label) : [];
    return {
      ...answersOf(result.predictions, String(positive ?? 1), labels),
      artifact,
      dataset: dataset.sha256,
      labels,
    };
  });
}

/** Who is champion: the registry's, or what contender.yml names. Null: nobody. */
export async function championNow(
  workspace: Workspace,
  view: RegistryHistory,
): Promise<{ version: string | null; sha256: string } | null> {
  const named = workspace.modelConfig.champion ?? 'registry';
  if (named === 'registry') {
    const { champion } = view;
    const artifact = champion?.artifacts.find(({ role }) => role === 'model') ?? champion?.artifacts[0];
    return champion === null || artifact === undefined ? null : { version: champion.version, sha256: artifact.sha256 };
  }
  const champion = await resolveChampion(workspace, view);
  if (champion === null) return null;
  const { sha256 } = 'resolved' in champion ? champion.resolved.artifact : champion.artifact;
  return { version: null, sha256 };
}

async function labelsOf(dataset: Dataset, label: string): Promise<(string | null)[]> {
  const { texts } = await readColumns(dataset, { texts: [label] });
  return texts.get(label)?.values ?? [];
}

/** The predicted class of each row and how sure the model is. @param positive name of the positive class */
function answersOf(predictions: Predictions, positive: string, truth: readonly (string | null)[]): Answers {
  const { rows, classes, kind, scores, labels, labelsDecide, threshold } = predictions;
  if (kind === 'value' || classes === null) {
    return { classes: Array.from(scores ?? [], String), scores, probabilities: false, decides: null };
  }
  const names = classes.map(classText);
  const given = (row: number): string | null => names[labels?.[row] ?? -1] ?? null;
  const at = classPosition(positive, names);
  const yes = names[at] ?? positive;
  // A file of one score names no other class than the positive one: the labels do.
  const other = truth.find((each) => each !== null && canonicalClass(each) !== canonicalClass(positive));
  const no = other ?? names[1 - at] ?? `not ${positive}`;
  const limit = thresholdAt(threshold);
  const decides = names.length === 2 ? { threshold: limit, negative: no } : null;
  if (scores === null)
    return { classes: Array.from({ length: rows }, (_, row) => given(row)), scores, probabilities: false, decides };
  const probabilities = kind === 'probability';
  if (scores.length === rows) {
    const decided = Array.from(scores, (score, row) =>
      labelsDecide === true ? given(row) : isPositive(score, limit, undefined) ? yes : no,
    );
    return { classes: decided, scores, probabilities, decides };
  }
  const width = names.length;
  const highest = new Float64Array(rows);
  const decided = Array.from({ length: rows }, (_, row) => {
    const { column } = highestColumn(scores, row * width, width, undefined);
    highest[row] = scores[row * width + column] as number;
    return labelsDecide === true ? given(row) : (names[column] ?? null);
  });
  return { classes: decided, scores: highest, probabilities, decides: null };
}
