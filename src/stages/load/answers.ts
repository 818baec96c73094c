import { defaults } from '../../config/defaults.ts';
import { ContenderError } from '../../errors.ts';
import { highestColumn, isPositive, labelsTellTies } from '../../model/decisions.ts';
import { isClose, thresholdAt, type Predictions, type Tolerance } from '../../model/predictions.ts';
import type { Answer } from '../../model/read-outputs/answers.ts';
import { unpacked } from '../../staging/content-coding.ts';
import { ledTo } from '../../staging/get.ts';
import { largestAnswer, type Answer as Received } from './connection.ts';
import type { Exchange } from './exchange-plan.ts';

/** What the answers under load were worth. Rows, not requests, unless it says so. */
export interface AnswerSummary {
  /** Rows answered and compared with the offline predictions. */
  compared: number;
  /** Rows whose served prediction is not the offline one. */
  mismatched: number;
  /** Greatest difference of a score from the offline one. */
  greatestDifference: number;
  mismatches: Mismatch[];
  /** Rows with a label, and how many were predicted rightly; 0 of 0 without labels. */
  judged: number;
  correct: number;
  /** Unusable answers by kind, in requests. */
  faults: Record<string, number>;
  faultExamples: FaultExample[];
}

export interface Mismatch {
  /** Row of the dataset, from 1. */
  row: number;
  offline: string;
  served: string;
}

export interface FaultExample {
  kind: string;
  message: string;
  /** First row of the request, from 1. */
  row: number;
  /** The start of the answer. */
  body: string;
}

type ReceivedAnswer = Pick<Received, 'status' | 'body'> & Partial<Received>;

export interface AnswerBook {
  /** Take note of the answer about `rows`; false if it is unusable. */
  take(rows: ArrayLike<number>, answer: ReceivedAnswer): boolean;
  summary(): AnswerSummary;
}

export function nothingAnswered(): AnswerSummary {
  return {
    compared: 0,
    mismatched: 0,
    greatestDifference: 0,
    mismatches: [],
    judged: 0,
    correct: 0,
    faults: {},
    faultExamples: [],
  };
}

const mostExamples = 5;
const excerptLength = 200;

/**
 * Compares answers with the offline predictions of the same rows: labels exactly, scores within a tolerance, since the
 * batch size may change the last bits of a float32. With `truth`, the class of each row by
 * its position among the classes (-1 unknown), it also counts right predictions.
 */
export function answerBook(input: {
  offline: Predictions;
  read: Exchange['read'];
  /** Position of the positive class among those of the model; null: of several classes the highest score decides. */
  positive: number | null;
  truth: ArrayLike<number> | null;
  tolerance?: Tolerance;
}): AnswerBook {
  const { offline, truth, positive, tolerance = defaults.parity } = input;
  const width = offline.scores === null ? 0 : offline.scores.length / offline.rows;
  /** Labels of a row: one, or 0 or 1 for each of several. */
  const given = offline.labels === null ? 1 : offline.labels.length / offline.rows;
  const summary = nothingAnswered();

  return {
    take(rows, received) {
      const { status, coding = '' } = received;
      const [body, unreadable] = plain(received.body, coding);
      const read =
        status < 200 || status >= 300
          ? { kind: `status ${status}`, message: '' }
          : (unreadable ?? readAnswer(body, rows.length, input.read));
      const fault = 'message' in read ? read : nothingToCompare(read);
      if (fault !== null) {
        const answered = described(received, body);
        const message = fault.message === '' ? answered : `${fault.message.replace(/\.$/u, '')}: ${answered}`;
        note({ kind: fault.kind, message }, rows, body);
        return false;
      }
      const answer = read as Answer;
      for (let position = 0; position < rows.length; position += 1) {
        comparePrediction(answer, position, rows[position] as number, body);
        judgePrediction(answer, position, rows[position] as number);
      }
      return true;
    },
    summary: () => summary,
  };

  /** An answer must hold scores or labels, as offline. */
  function nothingToCompare({ scores, labels }: Answer): { kind: string; message: string } | null {
    if ((scores !== null && offline.scores !== null) || (labels !== null && offline.labels !== null)) return null;
    return { kind: 'nothing to compare', message: 'no scores or labels to compare with the offline predictions' };
  }

  function comparePrediction(answer: Answer, position: number, row: number, body: Buffer): void {
    let equal = true;
    if (answer.scores !== null && offline.scores !== null) {
      for (let column = 0; column < width; column += 1) {
        const served = answer.scores[position * width + column] as number;
        const expected = offline.scores[row * width + column] as number;
        const difference = Math.abs(served - expected);
        if (difference > summary.greatestDifference) summary.greatestDifference = difference;
        if (!isClose(served, expected, tolerance)) equal = false;
      }
    }
    if (answer.labels !== null && offline.labels !== null) {
      for (let label = 0; label < given; label += 1) {
        if (answer.labels[position * given + label] !== offline.labels[row * given + label]) equal = false;
      }
    }
    summary.compared += 1;
    if (equal) return;
    summary.mismatched += 1;
    if (summary.mismatches.length < mostExamples) {
      summary.mismatches.push({
        row: row + 1,
        offline: values(offline.scores, offline.labels, row, width, given),
        served:
          answer.labels !== null && (answer.labels[position * given] as number) < 0
            ? `a label that is not a class (${excerptOf(body)})`
            : values(answer.scores, answer.labels, position, width, given),
      });
    }
  }

  function judgePrediction(answer: Answer, position: number, row: number): void {
    const actual = truth?.[row];
    if (actual === undefined) return;
    summary.judged += 1;
    // What a caller who reads labels gets is wrong then, unless the model does so itself.
    if (contradictsItself(answer, position) && !contradictsItself(offline, row)) return;
    if (decided(answer, position) === actual) summary.correct += 1;
  }

  /** Whether the label of a row is not what the scores beside it decide. */
  function contradictsItself(answer: Answer, position: number): boolean {
    const label = answer.labels?.[position];
    if (answer.scores === null || label === undefined || !labelsTellTies(offline)) return false;
    return label !== decided(answer, position);
  }

  /**
   * The predicted class, decided as the evaluation decides: by threshold or highest score, else the model's own label. Null where a score
   * is no number or the label is none of the model's: that is right of no row, not even of one whose class is unknown.
   */
  function decided({ scores, labels }: Answer, position: number): number | null {
    const label = labels?.[position];
    if (scores === null) return label === undefined || label < 0 ? null : label;
    if (scores.subarray(position * width, (position + 1) * width).some(Number.isNaN)) return null;
    const telling = labelsTellTies(offline) && label !== undefined && label >= 0 ? label : undefined;
    if (positive === null) return highestColumn(scores, position * width, width, telling).column;
    const own = telling === undefined ? undefined : Number(telling === positive);
    return isPositive(scores[position] as number, thresholdAt(offline.threshold), own) ? positive : 1 - positive;
  }

  function note(fault: { kind: string; message: string }, rows: ArrayLike<number>, body: Buffer): void {
    summary.faults[fault.kind] = (summary.faults[fault.kind] ?? 0) + 1;
    if (summary.faultExamples.length >= mostExamples) return;
    summary.faultExamples.push({
      ...fault,
      row: (rows[0] ?? 0) + 1,
      body: body.subarray(0, excerptLength).toString('utf8'),
    });
  }
}

/** The body unpacked; as it came, and why, where it cannot be. */
function plain(body: Buffer, coding: string): [Buffer, { kind: string; message: string }?] {
  if (coding === '') return [body];
  try {
    return [unpacked(body, coding, largestAnswer)];
  } catch (error) {
    return [body, { kind: 'unreadable', message: (error as Error).message }];
  }
}

/** The answer, or why it cannot be read. */
function readAnswer(body: Buffer, rows: number, read: Exchange['read']): Answer | { kind: string; message: string } {
  try {
    return read(body, rows);
  } catch (error) {
    if (error instanceof ContenderError) return { kind: 'unreadable', message: error.message };
    throw error;
  }
}

/** Status, where it leads, type and first bytes. @param body unpacked */
function described({ status, contentType = '', location = '' }: ReceivedAnswer, body: Buffer): string {
  return `status ${status}${ledTo(location)} (${contentType === '' ? 'no content type' : contentType.slice(0, 60)}; ${excerptOf(body)})`;
}

function excerptOf(body: Buffer): string {
  const text = body.subarray(0, 100).toString('utf8').replaceAll(/\s+/gu, ' ').trim();
  return text === '' ? 'empty body' : `body ${JSON.stringify(text)}`;
}

function values(
  scores: Float64Array | null,
  labels: Int32Array | null,
  row: number,
  width: number,
  given: number,
): string {
  const start = (values: Float64Array | Int32Array, of: number): number[] =>
    Array.from(values.subarray(row * of, row * of + Math.min(of, 5)), (value) => Number(value.toPrecision(9)));
  return [
    ...(scores === null ? [] : [`score ${start(scores, width).join(', ')}`]),
    ...(labels === null ? [] : [`label ${start(labels, given).join(', ')}`]),
  ].join('; ');
}
