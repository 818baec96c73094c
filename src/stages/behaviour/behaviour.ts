import { alphaOf, defaults, type Behaviour, type Columns, type Policy, type Task } from '../../config/index.ts';
import { datasetSubject, type Dataset } from '../../data/dataset.ts';
import { DataError } from '../../errors.ts';
import { buildEvidence, type Artifact, type Check, type Evidence } from '../../evidence/index.ts';
import type { Log } from '../../log.ts';
import type { LocalArtifact } from '../../model/artifact.ts';
import type { Feeds } from '../../model/batches.ts';
import { planInputs, type InputPlan } from '../../model/features.ts';
import { HostedModelFault, hostModel, type HostedModel } from '../../model/hosted-model.ts';
import {
  settledReading,
  type PredictionResult,
  type ReadingOptions,
  type SettledReading,
} from '../../model/predictions.ts';
import type { Scorer } from '../../model/scorer.ts';
import { version } from '../../version.ts';
import { judgeAgreement, type AgreementInput } from './agreement.ts';
import { measureEfficiency, type Measured } from './efficiency.ts';
import { chooseRows, feedsOf, taking } from './fed-rows.ts';
import { judgeImportance } from './importance.ts';
import { absentCheck, digits, type Absence } from './limit.ts';
import { judgeRobustness } from './robustness.ts';
import { scoredUnder, type Subject } from './subject.ts';

/** A model, or a file of predictions, which cannot be asked anything. */
export interface Contender {
  artifact: Artifact;
  result: PredictionResult;
  model: { artifact: LocalArtifact; reading: ReadingOptions } | null;
}

export interface BehaviourInput {
  model: string;
  task: Task;
  columns: Columns;
  policy: Policy;
  behaviour: Behaviour;
  policyDigest: string;
  dataset: Dataset;
  candidate: Contender;
  /** Null: there is no champion yet. */
  champion: Contender | null;
  /** The model that `agreement.with` names. */
  parent: AgreementInput['parent'] | null;
  /** What the evaluation knows of these rows (null: all) and of a metric (null: none is needed). */
  scorerOf(rows: Uint32Array | null, metric: { name: string; where: string } | null): Promise<Scorer>;
  limits: { memoryBytes: number; timeMs: number };
  log: Log;
  signal?: AbortSignal | undefined;
}

interface Part {
  checks: Check[];
  details: Record<string, unknown>;
  timings?: Record<string, unknown>;
}

/**
 * Look at how the candidate behaves beside being right: what it costs to run, what it looks at, how it takes data that are not
 * as they were, and whether it answers as the model it was made of. Evidence of kind `behaviour`. What a model does wrong is
 * evidence; only a mistake of the configuration, or an abort, is thrown. No process is left behind.
 * @throws ConfigError, DataError
 */
export async function lookAtBehaviour(input: BehaviourInput): Promise<Evidence> {
  const startedAt = new Date();
  const parts = await judge(input);
  input.signal?.throwIfAborted();
  const timings = Object.assign({}, ...parts.map((part) => part.timings ?? {})) as Record<string, unknown>;
  return buildEvidence({
    kind: 'behaviour',
    model: input.model,
    subjects: {
      candidate: input.candidate.artifact,
      ...(input.champion === null ? {} : { champion: input.champion.artifact }),
      datasets: { evaluation: datasetSubject(input.dataset) },
    },
    policyDigest: input.policyDigest,
    toolVersion: version,
    startedAt,
    finishedAt: new Date(),
    checks: parts.flatMap(({ checks }) => checks),
    details: {
      alpha: alphaOf(input.policy),
      seed: seedOf(input),
      ...(Object.assign({}, ...parts.map(({ details }) => details)) as Record<string, unknown>),
      timings,
    },
  });
}

async function judge(input: BehaviourInput): Promise<Part[]> {
  const { behaviour, candidate, dataset, policy, parent } = input;
  if (dataset.rows === 0) {
    throw new DataError({ found: 'the evaluation set has no rows', expected: 'labelled rows', where: dataset.uri });
  }
  if (!candidate.result.ok) return [{ checks: [candidateCheck(candidate.result.fault.message)], details: {} }];
  const agreement =
    behaviour.agreement === undefined || parent === null
      ? []
      : [
          judgeAgreement({
            settings: behaviour.agreement,
            candidate: candidate.result,
            parent,
            scorer: await input.scorerOf(null, null),
            alpha: alphaOf(policy),
          }),
        ];
  const running = behaviour.efficiency ?? behaviour.importance ?? behaviour.robustness;
  return [...agreement, ...(running === undefined ? [] : await runningParts(input))];
}

/** The parts that need the models themselves. */
async function runningParts(input: BehaviourInput): Promise<Part[]> {
  const { candidate, champion } = input;
  if (candidate.model === null) {
    const reason = 'the candidate is a file of predictions, and only a model can be asked how it behaves';
    return [
      { checks: [absentCheck('candidate', 'The candidate at work', { verdict: 'skipped', reason })], details: {} },
    ];
  }
  const open: HostedModel[] = [];
  const host = async (contender: Contender, role: 'candidate' | 'champion'): Promise<HostedModel> => {
    const hosted = await hostModel({
      role,
      ...(contender.model as NonNullable<Contender['model']>),
      limits: input.limits,
      signal: input.signal,
    });
    open.push(hosted);
    return hosted;
  };
  try {
    const mine = await host(candidate, 'candidate');
    const rival = rivalOf(champion, candidate);
    let theirs: HostedModel | Absence;
    try {
      theirs = 'verdict' in rival ? rival : await host(rival, 'champion');
    } catch (error) {
      if (!(error instanceof HostedModelFault)) throw error;
      theirs = { verdict: 'inconclusive', reason: `the champion cannot be run: ${error.message}` };
    }
    return await withModels(input, mine, theirs);
  } catch (error) {
    if (!(error instanceof HostedModelFault)) throw error;
    return [{ checks: [candidateCheck(error.message)], details: {} }];
  } finally {
    for (const each of open) each.close();
  }
}

/** The champion as something that can be run, or why it is not. */
function rivalOf(champion: Contender | null, candidate: Contender): Contender | Absence {
  if (champion === null) return { verdict: 'skipped', reason: 'there is no champion yet' };
  if (champion.artifact.sha256 === candidate.artifact.sha256) {
    return { verdict: 'skipped', reason: 'the candidate is the champion, byte for byte' };
  }
  if (!champion.result.ok) {
    return { verdict: 'inconclusive', reason: `the champion cannot be run: ${champion.result.fault.message}` };
  }
  return champion.model === null
    ? {
        verdict: 'skipped',
        reason: 'the champion is a file of predictions, and only a model can be asked how it behaves',
      }
    : champion;
}

async function withModels(input: BehaviourInput, mine: HostedModel, rival: HostedModel | Absence): Promise<Part[]> {
  const { behaviour, columns, dataset, task, candidate, champion, log, signal, policy } = input;
  const theirs = 'verdict' in rival ? null : rival;
  const absence: Absence = 'verdict' in rival ? rival : { verdict: 'skipped', reason: '' };
  const seed = seedOf(input);
  const alpha = alphaOf(policy);
  const hosts = theirs === null ? [mine] : [mine, theirs];
  const plans = hosts.map(({ inspection }) => planInputs(inspection, columns, dataset.columns));
  const rows = await chooseRows(dataset, { task, columns, wanted: behaviour.rows ?? defaults.behaviour.rows, seed });
  const feeds = await feedsOf(dataset, plans, rows);
  const fed = await Promise.all(
    hosts.map((host, index) =>
      host.feed({
        plans: plans[index] as InputPlan[],
        feeds: feeds[index] as Feeds,
        rows: rows.length,
        task,
        columns,
        settled: settledOf(index),
      }),
    ),
  );
  function settledOf(index: number): SettledReading | null {
    const result = (index === 0 ? candidate : champion)?.result;
    return result?.ok === true ? settledReading(result.predictions) : null;
  }
  const parts: Part[] = [{ checks: [], details: { rows: { used: rows.length, of: dataset.rows } } }];

  const subjectsFor = async (
    scorer: Scorer,
  ): Promise<{ candidate: Subject; champion: Subject | null; absence: Absence } | string> => {
    const subjects: Subject[] = [];
    for (const [index, host] of hosts.entries()) {
      const read = await scoredUnder({ host }, null, scorer);
      if (read.ok) subjects.push({ host, columns: fed[index] as Subject['columns'], plain: read.scored });
      else if (index === 0) return read.message;
      else
        return {
          candidate: subjects[0] as Subject,
          champion: null,
          absence: { verdict: 'inconclusive', reason: `the champion cannot be judged: ${read.message}` },
        };
    }
    return { candidate: subjects[0] as Subject, champion: subjects[1] ?? null, absence };
  };

  if (behaviour.efficiency !== undefined) {
    const batch = Math.min(behaviour.efficiency.batch ?? defaults.behaviour.batch, rows.length);
    const measured = (index: number, contender: Contender, role: 'candidate' | 'champion'): Measured => ({
      artifact: contender.artifact,
      host: hosts[index] as HostedModel,
      async start() {
        const host = await hostModel({
          role,
          ...(contender.model as NonNullable<Contender['model']>),
          limits: input.limits,
          signal,
        });
        const some = Array.from({ length: batch }, (_, row) => row);
        await host.feed({
          plans: plans[index] as InputPlan[],
          feeds: taking(feeds[index] as Feeds, some),
          rows: batch,
          task,
          columns,
          settled: settledOf(index),
        });
        return host;
      },
    });
    const efficiency = await measureEfficiency({
      settings: behaviour.efficiency,
      candidate: measured(0, candidate, 'candidate'),
      champion: theirs === null ? null : measured(1, champion as Contender, 'champion'),
      absence,
      rows: rows.length,
      alpha,
      seed,
      budgetMs: input.limits.timeMs / 4,
      log,
      signal,
    });
    parts.push({
      checks: efficiency.checks,
      details: { efficiency: efficiency.details },
      timings: { efficiency: efficiency.timings },
    });
  }
  const common = { alpha, seed, log, signal };
  const metricFor = (part: 'robustness' | 'importance'): { name: string; where: string } => ({
    name: behaviour[part]?.metric ?? policy.primary.metric,
    where: `behaviour.${part}.metric`,
  });
  if (behaviour.robustness !== undefined) {
    const scorer = await input.scorerOf(rows, metricFor('robustness'));
    const subjects = await subjectsFor(scorer);
    parts.push(
      typeof subjects === 'string'
        ? unjudged('robustness', 'Robustness', subjects)
        : await judgeRobustness({ settings: behaviour.robustness, ...subjects, scorer, ...common }),
    );
  }
  if (behaviour.importance !== undefined) {
    const scorer = await input.scorerOf(rows, metricFor('importance'));
    const subjects = await subjectsFor(scorer);
    parts.push(
      typeof subjects === 'string'
        ? unjudged('importance', 'Permutation importance', subjects)
        : await judgeImportance({ settings: behaviour.importance, ...subjects, scorer, ...common }),
    );
  }
  return [
    ...parts,
    { checks: [candidateCheck(null, `${digits(rows.length)} of ${digits(dataset.rows)} rows`)], details: {} },
  ];
}

function unjudged(name: string, title: string, reason: string): Part {
  return { checks: [absentCheck(name, title, { verdict: 'inconclusive', reason })], details: {} };
}

function candidateCheck(fault: string | null, rows = ''): Check {
  return {
    id: 'behaviour/candidate',
    title: 'The candidate at work',
    verdict: fault === null ? 'pass' : 'fail',
    severity: 'block',
    message:
      fault === null
        ? `The candidate ran in a process of its own on ${rows}.`
        : `The candidate cannot be run: ${fault.replace(/[.\s]+$/u, '')}.`,
    observed: fault === null ? rows : 'an error',
    required: 'answers',
  };
}

function seedOf({ policy }: BehaviourInput): number {
  return policy.seed ?? defaults.seed;
}
