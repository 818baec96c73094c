import { alphaOf, defaults } from '../../config/index.ts';
import { DataError, ModelError } from '../../errors.ts';
import type { Check } from '../../evidence/index.ts';
import type { Feeds } from '../../model/batches.ts';
import { planInputs, type InputPlan } from '../../model/features.ts';
import { HostedModelFault, hostModel, type HostedModel } from '../../model/hosted-model.ts';
import { settledReading, type SettledReading } from '../../model/predictions.ts';
import type { Scorer } from '../../model/scorer.ts';
import type { Contestant, ContestantsContext, LocalModel, StageResult } from '../stage.ts';
import { judgeAgreement, type AgreementInput } from './agreement.ts';
import { measureEfficiency, type MeasuredSubject } from './efficiency.ts';
import { chooseRows, feedsOf, taking } from './fed-rows.ts';
import { judgeImportance } from './importance.ts';
import { absentCheck, type Absence } from './limit.ts';
import { judgeRobustness } from './robustness.ts';
import { behaviourSettings, type Behaviour } from './schema.ts';
import { scoredUnder, type Examination, type Subject } from './subject.ts';
import { significant, unitOf } from '../../wording.ts';

/** The context, and what is asked of the stage. */
interface Input extends ContestantsContext {
  behaviour: Behaviour;
}

interface Part {
  checks: Check[];
  details: Record<string, unknown>;
  timings?: Record<string, unknown>;
}

/**
 * Look at how the candidate behaves beside being right: what it costs to run, what it looks at, how it takes data that are not
 * as they were, and whether it answers as the model it was made of. What a model does wrong is evidence; only a mistake of the
 * configuration, or an abort, is thrown. No process is left behind.
 * @throws ConfigError, DataError
 */
export async function lookAtBehaviour(context: ContestantsContext): Promise<StageResult> {
  const input = { ...context, behaviour: behaviourSettings(context.config) ?? {} };
  const parts = await judge(input);
  const merged = (part: 'details' | 'timings'): Record<string, unknown> =>
    Object.assign({}, ...parts.map((each) => each[part] ?? {})) as Record<string, unknown>;
  return {
    checks: parts.flatMap(({ checks }) => checks),
    details: {
      alpha: alphaOf(context.config.policy),
      seed: seedOf(context),
      ...merged('details'),
      timings: merged('timings'),
    },
  };
}

async function judge(input: Input): Promise<Part[]> {
  const { behaviour, candidate, dataset } = input;
  if (dataset.rows === 0) {
    throw new DataError({ found: 'the evaluation set has no rows', expected: 'labelled rows', where: dataset.uri });
  }
  if (!candidate.result.ok) return [{ checks: [candidateCheck(candidate.result.fault.message)], details: {} }];
  const agreement = behaviour.agreement === undefined ? [] : [await agreementPart(input, behaviour.agreement)];
  const running = behaviour.efficiency ?? behaviour.importance ?? behaviour.robustness;
  return [...agreement, ...(running === undefined ? [] : await runningParts(input))];
}

async function agreementPart(input: Input, settings: NonNullable<Behaviour['agreement']>): Promise<Part> {
  const parent = await parentOf(input, settings.with);
  return judgeAgreement({
    settings,
    candidate: input.candidate.result,
    parent,
    scorer: await input.scorerOf(null, null, 'result' in parent ? [parent.result] : []),
    alpha: alphaOf(input.config.policy),
  });
}

/** The model that the candidate must agree with, and what it predicts. */
async function parentOf(
  { model, champion, predict }: Input,
  reference: NonNullable<Behaviour['agreement']>['with'],
): Promise<AgreementInput['parent']> {
  const key = 'behaviour.agreement.with';
  if (reference === 'champion') {
    if (champion === null) return { verdict: 'skipped', reason: 'there is no champion yet' };
    return { name: 'the champion', sha256: champion.artifact.sha256, result: champion.result };
  }
  if (reference === 'registry') {
    throw new ModelError({
      found: '"registry"',
      expected: 'champion, a path, {uri, sha256} or {predictions: file}',
      where: `models.${model}.${key}`,
      remedy: 'To compare with the champion of the registry, write champion',
    });
  }
  const { artifact, result } = await predict(reference, key, 'parent');
  return { name: `the parent ${artifact.uri.replace(/^file:/u, '')}`, sha256: artifact.sha256, result };
}

/** The parts that need the models themselves. */
async function runningParts(input: Input): Promise<Part[]> {
  const { candidate, champion } = input;
  if (candidate.model === null) {
    const reason = 'the candidate is a file of predictions, and this stage must run a model';
    const absent = absentCheck('candidate', 'The candidate can be run', { verdict: 'skipped', reason });
    return [{ checks: [absent], details: {} }];
  }
  const open: HostedModel[] = [];
  const host = async (contestant: Contestant, role: 'candidate' | 'champion'): Promise<HostedModel> => {
    const hosted = await hosting(input, contestant, role);
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

function hosting(
  { limits, signal }: Input,
  { model }: Contestant,
  role: 'candidate' | 'champion',
): Promise<HostedModel> {
  return hostModel({ role, ...(model as LocalModel), limits, signal });
}

/** The champion as something that can be run, or why it is not. */
function rivalOf(champion: Contestant | null, candidate: Contestant): Contestant | Absence {
  if (champion === null) return { verdict: 'skipped', reason: 'there is no champion yet' };
  if (champion.artifact.sha256 === candidate.artifact.sha256) {
    return { verdict: 'skipped', reason: 'the candidate is the champion, byte for byte' };
  }
  if (!champion.result.ok) {
    return { verdict: 'inconclusive', reason: `the champion cannot be run: ${champion.result.fault.message}` };
  }
  if (champion.model !== null) return champion;
  return { verdict: 'skipped', reason: 'the champion is a file of predictions, and this stage must run a model' };
}

async function withModels(input: Input, mine: HostedModel, rival: HostedModel | Absence): Promise<Part[]> {
  const { behaviour, columns, dataset, task, candidate, champion, log, signal } = input;
  const theirs = 'verdict' in rival ? null : rival;
  const absence: Absence = 'verdict' in rival ? rival : { verdict: 'skipped', reason: '' };
  const seed = seedOf(input);
  const alpha = alphaOf(input.config.policy);
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
          absence: { verdict: 'inconclusive', reason: `the champion cannot be evaluated: ${read.message}` },
        };
    }
    return { candidate: subjects[0] as Subject, champion: subjects[1] ?? null, absence };
  };

  if (behaviour.efficiency !== undefined) {
    const batch = Math.min(behaviour.efficiency.batch ?? defaults.behaviour.batch, rows.length);
    const measured = (index: number, contestant: Contestant, role: 'candidate' | 'champion'): MeasuredSubject => ({
      artifact: contestant.artifact,
      host: hosts[index] as HostedModel,
      async start() {
        const host = await hosting(input, contestant, role);
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
      champion: theirs === null ? null : measured(1, champion as Contestant, 'champion'),
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
  const examine = async <P extends 'robustness' | 'importance'>(
    part: P,
    title: string,
    judge: (examination: Examination<NonNullable<Behaviour[P]>>) => Promise<Part>,
  ): Promise<void> => {
    const settings = behaviour[part];
    if (settings === undefined) return;
    const scorer = await input.scorerOf(rows, { name: settings.metric, where: `behaviour.${part}.metric` });
    const subjects = await subjectsFor(scorer);
    if (typeof subjects !== 'string') parts.push(await judge({ settings, ...subjects, scorer, ...common }));
    else {
      const absent = absentCheck(part, title, { verdict: 'inconclusive', reason: subjects });
      parts.push({ checks: [absent], details: {} });
    }
  };
  await examine('robustness', 'Robustness', judgeRobustness);
  await examine('importance', 'Permutation importance', judgeImportance);
  const used = `${significant(rows.length)} of ${significant(dataset.rows)} ${unitOf(dataset.rows, 'rows')}`;
  return [...parts, { checks: [candidateCheck(null, used)], details: {} }];
}

function candidateCheck(fault: string | null, rows = ''): Check {
  return {
    id: 'behaviour/candidate',
    title: 'The candidate can be run',
    verdict: fault === null ? 'pass' : 'fail',
    severity: 'block',
    message:
      fault === null
        ? `The candidate ran in a separate process on ${rows}.`
        : `The candidate cannot be run: ${fault.replace(/[.\s]+$/u, '')}.`,
    observed: fault === null ? rows : 'an error',
    required: 'answers',
  };
}

function seedOf({ config }: ContestantsContext): number {
  return config.policy.seed ?? defaults.seed;
}
