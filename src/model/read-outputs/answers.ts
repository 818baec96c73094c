import { labelColumns } from '../../config/columns.ts';
import type { Columns, Task } from '../../config/schema.ts';
import { classPosition, classText, classValue, type ClassValue } from '../../data/class-text.ts';
import { ModelError } from '../../errors.ts';
import type { Predictions, ReadingOptions } from '../predictions.ts';
import { chooseOutputs, type ChosenOutputs, type DeclaredOutput } from './choose.ts';
import { finalScores } from './class-scores.ts';
import { readerOf, type OutputValues } from './rows.ts';

/**
 * Predictions as an answer gives them, laid out as the offline predictions are; labels as positions among the classes, several
 * labels as 0 and 1 `[rows x labels]`, -1 for what is none of these.
 */
export interface Answer {
  rows: number;
  scores: Float64Array | null;
  labels: Int32Array | null;
}

/** Reads the outputs of an answer about so many rows. @throws ModelError where they do not hold what they must */
export type AnswerReader = (values: Readonly<Record<string, OutputValues>>, rows: number) => Answer;

/**
 * Read what a server answers as the same model is read offline: the same choice of outputs, the same rows, classes and scores.
 * @param outputs as the server declares them
 * @throws ModelError, ConfigError as `chooseOutputs`
 */
export function answerReader(
  outputs: readonly DeclaredOutput[],
  input: {
    task: Task;
    columns: Columns;
    reading: ReadingOptions;
    offline: Predictions;
    /** Which outputs are read, where that is known (default: as their names, types and shapes say). */
    chosen?: ChosenOutputs;
  },
): AnswerReader {
  const { task, columns, reading, offline } = input;
  const chosen = input.chosen ?? chooseOutputs(outputs, { task, columns, output: reading.output });
  // Labels that were left out offline, for what they hold, are no labels here either.
  const leftOut = offline.labels === null && offline.scores !== null && chosen.scores !== null;
  const labelName = leftOut ? null : chosen.labels;
  const scoresOf = readerOf(outputs, chosen.scores, task, columns);
  const labelsOf = readerOf(outputs, labelName, task, columns);
  const classes = offline.classes ?? [];
  const written = (offline.labelValues ?? classes).map(classText);
  const many = task === 'multilabel-classification';
  const labelWidth = many ? labelColumns(columns).length : 1;
  const widths =
    task === 'binary-classification' ? [1, 2] : [offline.scores === null ? 1 : offline.scores.length / offline.rows];
  const positive = classPosition(columns.positive ?? 1, classes.map(classText));
  const making = { task, kind: offline.kind, transform: reading.transform, positive: positive === -1 ? 1 : positive };
  const positions = new Map<ClassValue, number>();
  const positionOf = (label: ClassValue): number => {
    if (many) return [0, 1, false, true].includes(label as number) ? Number(label) : -1;
    const known = positions.get(label) ?? classPosition(label, written);
    if (positions.size < 1000) positions.set(label, known);
    return known;
  };

  return (values, rows) => {
    let scores: Float64Array | null = null;
    if (chosen.scores !== null && scoresOf !== null) {
      const { data, width } = scoresOf(named(values, chosen.scores), rows);
      if (!widths.includes(width)) throw wrongNumber(chosen.scores, width, widths, 'scores');
      scores = finalScores({ values: Float64Array.from(data as ArrayLike<number>, Number), width }, making);
    }
    let labels: Int32Array | null = null;
    if (labelName !== null && labelsOf !== null) {
      const { data, width } = labelsOf(named(values, labelName), rows);
      if (width !== labelWidth) throw wrongNumber(labelName, width, [labelWidth], 'labels');
      labels = Int32Array.from(data as ArrayLike<number>, (value: ClassValue | bigint) =>
        positionOf(classValue(value)),
      );
    }
    return { rows, scores, labels };
  };
}

function named(values: Readonly<Record<string, OutputValues>>, name: string): OutputValues {
  const output = Object.hasOwn(values, name) ? values[name] : undefined;
  if (output !== undefined) return output;
  throw new ModelError({
    found: `The answer has no output ${JSON.stringify(name)}`,
    expected: Object.keys(values).slice(0, 10).join(', ').slice(0, 200) || 'an output',
  });
}

function wrongNumber(name: string, width: number, expected: readonly number[], what: string): ModelError {
  return new ModelError({
    found: `The answer has ${width} ${what} per row in output ${JSON.stringify(name)}`,
    expected: expected.join(' or '),
  });
}
