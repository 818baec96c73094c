import type { CaptureFormat } from '../config/forms.ts';
import type { Columns, Model, ModelReference, Path, Problem, StageKeys, Task } from '../config/index.ts';
import type { Dataset } from '../data/dataset.ts';
import type { LineRules } from '../data/line-rules.ts';
import type { Artifact, Check, Comparison, Evidence, Signatures } from '../evidence/index.ts';
import type { Log } from '../log.ts';
import type { LocalArtifact } from '../model/artifact.ts';
import type { PredictionResult, ReadingOptions } from '../model/predictions.ts';
import type { ModelRole } from '../model/predict.ts';
import type { Scorer } from '../model/scorer.ts';
import type { ProfiledData } from '../profile/profiled-data.ts';
import type { Section, StageReport } from '../report/section.ts';

/**
 * A part of the gate that makes one piece of evidence: all that is said of it. It is loaded at every start, so what is heavy stands
 * behind `load` and `prepare`.
 */
export type Stage = StageDescription &
  (
    | {
        /** Judges data alone. */
        needs: 'datasets';
        /** What can be asked of rows while they are read for the first time; null where nothing can. */
        rules?(context: Pick<StageContext, 'config' | 'pathOf'>): Promise<LineRules | null>;
        load(): Promise<Runner<StageContext>>;
      }
    | {
        /** Judges what both models predict; a target: also a served candidate, which one that cannot predict cannot be. */
        needs: 'contestants' | 'target';
        load(): Promise<Runner<ContestantsContext>>;
      }
    | {
        /**
         * Judges what production logged of both models. It runs by its own command alone: the gate holds a candidate until its evidence
         * is there, since there are no logs before the candidate is let out.
         */
        needs: 'logs';
        /** The logs by the part they play: their files, and the keys that name them. */
        logs(model: Model): Readonly<Record<string, { file: string; key: string; format?: CaptureFormat | undefined }>>;
        load(): Promise<Runner<LogsContext>>;
      }
    | {
        /** Acts on production and watches it: a driver of its own in the pipeline makes its evidence, over hours, after the gate. */
        needs: 'traffic';
      }
  );

/** Evidence has a kind, a section in the report and a place in it: see `StageReport`. */
interface StageDescription extends StageReport {
  command: {
    name: string;
    /** One sentence, for the help of the command line. */
    summary: string;
    examples: readonly string[];
    /** Where several machines may each do a part of it: `--shard`. It gives a file for whoever puts the parts together. */
    part?: { load(): Promise<PartRunner> };
    /** What its option --plan shows: what it takes, before anything is measured. */
    plan?: { description: string; of(model: Model): Promise<Section> };
  };
  /** Folder of its action in `actions/`. */
  action: string;
  /** Outputs of that action beside those of every stage. */
  outputs?: Readonly<Record<string, (evidence: Evidence) => string>>;
  /** The page that explains it, from the top of the repository. */
  page: string;
  /** The keys of contender.yml that are its own. */
  keys: StageKeys;
  /** What no key shows alone; pointers start at the model. */
  problems?(model: Model): Problem[];
  /** Does the configuration ask for it? The gate runs those that it asks for. */
  enabled(model: Model): boolean;
  /** What to say where its command is run and the configuration does not ask for it; absent: it runs all the same. */
  absent?: { found: string; remedy: string };
  /** Does a promotion need its evidence? */
  required(model: Model): boolean;
  /** Files that its settings name, beside data and models: what is judged by. */
  inputs?(model: Model): { file: string; key: string }[];
  /** Refuse what cannot be judged before the long work. @throws ConfigError that says which key of the model */
  prepare?(model: Model): Promise<void>;
  /** The same, of what only the evaluation set can tell, before a model is run. @throws ConfigError, DataError */
  prepareOn?(model: Model, dataset: Dataset, signal?: AbortSignal): Promise<void>;
  /** Where the configuration asks for a check, below the model. @param name id of the check without its kind */
  whereOf(name: string, model: Model): Path;
  /** The check that says most of a candidate when all have passed. */
  lead?(model: Model): string;
  /** The version that it holds candidates against beside the champion, a semantic version or `best`, if the policy asks for one. */
  anchor?(model: Model): string | undefined;
  /** Files that it writes beside the evidence. */
  files?: readonly string[];
  /** The same inputs give the same numbers, but for the last bits: nothing is measured in time. */
  repeatable?: boolean;
}

/** Does the `index`-th (from 1) of `count` parts, from an instant that all are told (null: at once, the only one). */
export type PartRunner = (
  context: ContestantsContext,
  order: { shard: { index: number; count: number }; start: Date | null },
) => Promise<Uint8Array>;

export interface Runner<Context> {
  run(context: Context): Promise<StageResult>;
}

/** What a stage found: the evidence follows from it. */
export interface StageResult {
  checks: Check[];
  /** Plain JSON of any form. What differs from run to run, such as times, stands in `timings`. */
  details: Record<string, unknown>;
  /** Kept with the evidence: a version is raised by what changed of them. */
  signatures?: Signatures;
  /** Files beside the evidence, such as rows of data, which no evidence holds: those that `files` names. */
  files?: readonly { name: string; content: string | Uint8Array }[];
}

/** What every stage gets. */
export interface StageContext {
  /** Name of the model line. */
  model: string;
  task: Task;
  columns: Columns;
  /** The model's part of contender.yml, in which each stage finds what it is asked. */
  config: Model;
  /** Open, by the part they play: evaluation, reference, current. */
  datasets: Readonly<Record<string, Dataset>>;
  /** The same of data that are named by a profile of them, and are no datasets. */
  profiles: Readonly<Record<string, ProfiledData>>;
  /** Absolute path of the folder that no file may lie outside of. */
  root: string;
  /** Absolute path of the folder of contender.yml. */
  folder: string;
  /** Opens the server that is tested, and goes nowhere else. */
  targetToken?: string | undefined;
  /** Absolute path of a file that the configuration names under `key`. @throws UsageError outside the workspace */
  pathOf(file: string, key: string): Promise<string>;
  log: Log;
  signal?: AbortSignal | undefined;
}

/** What a stage gets that judges logs of production. The logs are the `datasets`. */
export interface LogsContext extends StageContext {
  candidate: Artifact;
  /** Null: there is no champion yet. */
  champion: Artifact | null;
}

/** What a stage gets that judges models. */
export interface ContestantsContext extends StageContext {
  /** The evaluation set. */
  dataset: Dataset;
  candidate: Contestant;
  /** Null: there is no champion yet. One whose `result` is not ok is there, and cannot be judged. */
  champion: Contestant | null;
  /** Null: the policy names none, or nothing was promoted yet. */
  anchor: Anchor | null;
  /** Decisions already made on this evaluation set. */
  reuse: number;
  /** How the candidate was chosen, where there were several. */
  selection?: Selection | undefined;
  /** What a process that runs a model may take. */
  limits: { memoryBytes: number; timeMs: number };
  /** Resolve another model that the configuration names under `key`, and predict the evaluation set with it. */
  predict(reference: ModelReference, key: string, role: ModelRole): Promise<Contestant>;
  /**
   * What the evaluation knows of rows (null: all) and of a metric, for predictions of other data or models.
   * @param metric its name (default: the primary metric) and the key that asks for it; null: none is needed
   * @param known predictions, beside those of candidate and champion, that say what classes there are
   */
  scorerOf(
    rows: Uint32Array | null,
    metric: { name: string | undefined; where: string } | null,
    known?: readonly PredictionResult[],
  ): Promise<Scorer>;
}

/** Several candidates, and which of them is judged: the best by the primary metric. */
export interface Selection {
  metric: string;
  /** Level of the tests that let the chosen one pass. */
  alpha: number;
  places: readonly Place[];
}

export interface Place {
  uri: string;
  sha256: string;
  /** Of the primary metric on the evaluation set; null where it cannot be judged. */
  value: number | null;
  /** Against the champion, at the level of the selection. */
  comparison?: Comparison;
  /** Why it cannot be judged. */
  fault?: string;
  chosen: boolean;
}

/** A model in the comparison, and what it predicts for the evaluation set. */
export interface Contestant {
  /** As evidence and registry keep it. */
  artifact: Artifact;
  /** Its files, for whoever runs it; null: it is a file of predictions, or could not be fetched. */
  model: LocalModel | null;
  result: PredictionResult;
}

/** The version that the policy holds candidates against beside the champion. One whose `result` is not ok cannot be judged. */
export interface Anchor extends Contestant {
  version: string;
}

export interface LocalModel {
  artifact: LocalArtifact;
  /** How its answers are read. */
  reading: ReadingOptions;
}
