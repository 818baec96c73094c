import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Model } from '../../config/index.ts';
import { withTemporaryFolder } from '../../data/temporary.ts';
import { namedVersion } from '../../decide/rollback.ts';
import { UsageError } from '../../errors.ts';
import { digest } from '../../evidence/index.ts';
import type { Artifact, Evidence, RecordedDecision, RegistryHistory } from '../../evidence/index.ts';
import { manifestOf, viewOf } from '../../registry/manifest.ts';
import { numberCell, textCell, type Section } from '../../report/section.ts';
import { stages } from '../../stages/index.ts';
import type { Selection, Stage } from '../../stages/stage.ts';
import { version } from '../../version.ts';
import { counted } from '../../wording.ts';
import { modelToRead } from '../auditing/registry-reads.ts';
import { isAddress } from '../../object-address.ts';
import { stageInputs } from '../configuration.ts';
import { policyIn, type RecordedPolicy } from '../recorded-policy.ts';
import { resolveCandidate } from '../contestants/resolve.ts';
import { prepareStages, runStages } from '../gate/run-stage.ts';
import { withEvidence } from '../publishing/export.ts';
import { openWorkspace, type Workspace } from '../workspace.ts';
import { agreement, type StageAgreement } from './agreement.ts';
import { bringArtifact, bringFile, makePlace, type FetchedInput, type Place } from './fetch-inputs.ts';

/** What came of running a decision again. */
export interface Reproduction {
  model: string;
  decision: { seq: number; action: string; outcome: string; time: string };
  agrees: boolean;
  inputs: FetchedInput[];
  stages: StageAgreement[];
  /** What the two runs did not share, such as the version of Contender. */
  notes: string[];
}

export interface ReproduceInput {
  model: string | undefined;
  /** A version, the number of a decision, or nothing: the champion. */
  which: string | undefined;
  /** Only these kinds of evidence (default: all that the gate makes). */
  kinds?: readonly string[] | undefined;
}

/**
 * Fetch what a recorded decision was made on, run its stages again in a folder of their own, and hold each check against the record.
 * Nothing is decided and nothing recorded.
 * @throws ContenderError where something that the decision names cannot be had
 */
export async function reproduce(workspace: Workspace, input: ReproduceInput): Promise<Reproduction> {
  const { registry, model } = await modelToRead(workspace, input.model);
  const view = await registry.view(model);
  const decision = chosen(model, view, input.which);
  const { evidence: recorded } = await withEvidence(registry, decision);
  const wanted = recorded.filter(({ kind }) => input.kinds === undefined || input.kinds.includes(kind));
  refuseNothing(decision, recorded, wanted, input.kinds);
  return withTemporaryFolder('workspace', (root) => again({ ...workspace, model }, { decision, view, wanted, root }));
}

interface Again {
  decision: RecordedDecision;
  view: RegistryHistory;
  wanted: readonly Evidence[];
  root: string;
}

/** How the candidate was chosen: the level of its tests follows from it. */
function selectionIn(wanted: readonly Evidence[]): Selection | undefined {
  const selection = wanted.find(({ kind }) => kind === 'evaluation')?.details['selection'] as Selection | undefined;
  return Array.isArray(selection?.places) ? selection : undefined;
}

async function again(workspace: Workspace, { decision, view, wanted, root }: Again): Promise<Reproduction> {
  const policy = policyOf(decision);
  const place = await makePlace(workspace, decision, root);
  const inputs: FetchedInput[] = [];
  const config = await configured(workspace, place, { decision, wanted, policy, inputs });
  const text = JSON.stringify({ version: 1, models: { [workspace.model]: config } }, null, 2);
  await writeFile(join(place.folder, 'contender.yml'), `${text}\n`);
  const there = await openWorkspace({
    root,
    config: join(relative(root, place.folder), 'contender.yml'),
    model: workspace.model,
    out: 'reproduced',
    ...(workspace.github === undefined ? {} : { github: workspace.github }),
    targetToken: workspace.targetToken,
    log: workspace.log,
    signal: workspace.signal,
  });
  const kinds = new Set(wanted.map(({ kind }) => kind));
  const isWanted = ({ kind }: Stage): boolean => kinds.has(kind);
  await prepareStages(there);
  const own = { ...there, selection: selectionIn(wanted) };
  const made = await runStages(own, before(decision, view), await resolveCandidate(there), isWanted);
  const said = wanted.map((each) => compared(each, made));
  const tools = new Set(wanted.map(({ tool }) => tool.version).filter((each) => each !== version));
  return {
    model: workspace.model,
    decision: { seq: decision.seq, action: decision.action, outcome: decision.outcome, time: decision.time },
    agrees: said.every(({ differ }) => differ.length === 0) && said.some(({ notRun }) => notRun === undefined),
    inputs,
    stages: said,
    notes: [...tools].map((each) => `It was recorded by Contender ${each}, and run again by ${version}.`),
  };
}

/** What the registry knew when the decision was made: champion, anchor, and how often the data were used. */
function before({ seq }: RecordedDecision, { decisions }: RegistryHistory): RegistryHistory {
  const earlier = decisions.filter((each) => each.seq < seq);
  return viewOf(manifestOf(earlier.map((decision) => ({ decision, sha256: '' }))), earlier);
}

/** The configuration of the model as the decision keeps it, with files where they are now. */
async function configured(
  workspace: Workspace,
  place: Place,
  {
    decision,
    wanted,
    policy,
    inputs,
  }: Omit<Again, 'view' | 'root'> & { policy: RecordedPolicy; inputs: FetchedInput[] },
): Promise<Model> {
  const subjects = wanted.find((each) => each.subjects.candidate !== undefined)?.subjects;
  const candidate = decision.candidate?.artifacts.find(({ role }) => role !== 'image') ?? subjects?.candidate;
  if (candidate === undefined) throw new UsageError({ found: `decision ${decision.seq} names no candidate` });
  const champion = subjects?.champion;
  const brought = await bringArtifact(workspace, place, {
    what: 'candidate',
    artifact: candidate,
    version: decision.to?.version,
  });
  inputs.push(brought.input);
  const config: Model = { ...policy, candidate: brought.reference };
  if (champion !== undefined) {
    const rival = await bringArtifact(workspace, place, {
      what: 'champion',
      artifact: kept(champion, decision) ?? champion,
      version: decision.from?.version,
    });
    inputs.push(rival.input);
    config.champion = rival.reference;
  }
  for (const [name, { uri, sha256 }] of Object.entries(decision.datasets)) {
    if (isAddress(uri) || uri === 'registry') continue;
    const { files = [{ uri, sha256 }] } = wanted.find((each) => each.subjects.datasets[name] !== undefined)?.subjects
      .datasets[name] ?? { uri, sha256 };
    for (const file of files)
      inputs.push(await bringFile(workspace, place, { what: `${name} data`, path: file.uri, sha256: file.sha256 }));
  }
  for (const { file, key } of stageInputs(config)) {
    inputs.push(await bringFile(workspace, place, { what: key, path: file, sha256: undefined }));
  }
  return config;
}

/** The champion by the address that the registry keeps, which holds for good. */
function kept(champion: Artifact, { from }: RecordedDecision): Artifact | undefined {
  const found = from?.artifacts.find(({ sha256 }) => sha256 === champion.sha256);
  return found === undefined
    ? undefined
    : { ...found, ...(champion.reading === undefined ? {} : { reading: champion.reading }) };
}

function policyOf({ policy, seq }: RecordedDecision): RecordedPolicy {
  const value = policyIn(policy.text);
  if (value !== null && digest(value) === policy.sha256) return value;
  throw new UsageError({
    found: `the configuration recorded with decision ${seq} is not valid in this version of Contender`,
    remedy: 'Use the version of Contender that recorded it (contender registry log --json shows it in the evidence)',
  });
}

function compared(recorded: Evidence, made: readonly Evidence[]): StageAgreement {
  const stage = stages.find(({ kind }) => kind === recorded.kind);
  const found = made.find(({ kind }) => kind === recorded.kind);
  const title = stage?.title ?? recorded.kind;
  if (found !== undefined) return agreement(recorded, found, { title, repeatable: stage?.repeatable === true });
  const ofProduction = stage?.needs === 'logs' || stage?.needs === 'traffic';
  const notRun = ofProduction
    ? 'it comes from production, which cannot be run again'
    : 'the recorded configuration does not include it';
  return { kind: recorded.kind, title, notRun, agree: 0, measured: 0, differ: [] };
}

function chosen(model: string, view: RegistryHistory, which: string | undefined): RecordedDecision {
  const { decisions, champion } = view;
  if (decisions.length === 0) {
    throw new UsageError({
      found: `the registry has no decision about ${model}`,
      expected: 'a model with recorded decisions',
      remedy: 'List the models with contender registry show',
    });
  }
  if (which !== undefined && /^[0-9]+$/u.test(which)) {
    const found = decisions.find(({ seq }) => seq === Number(which));
    if (found !== undefined) return found;
    throw new UsageError({ found: `${model} has no decision ${which}`, expected: `one of 1 to ${decisions.length}` });
  }
  const wanted = which === undefined || which === 'champion' ? champion?.version : which;
  if (wanted === undefined) {
    throw new UsageError({
      found: `${model} has no champion`,
      expected: `the number of a decision, 1 to ${decisions.length}`,
    });
  }
  const { seq } = namedVersion(wanted, view);
  return decisions.find((each) => each.seq === seq) as RecordedDecision;
}

function refuseNothing(
  { seq, action, model }: RecordedDecision,
  recorded: readonly Evidence[],
  wanted: readonly Evidence[],
  kinds: readonly string[] | undefined,
): void {
  if (recorded.length === 0) {
    throw new UsageError({
      found: `decision ${seq} of ${model} (${action}) was made without evidence: manually, or because there was nothing to evaluate`,
      expected: 'a decision of a gate',
      remedy: 'Find its number with contender registry log',
    });
  }
  if (wanted.length > 0) return;
  throw new UsageError({
    found: `decision ${seq} has no evidence of ${kinds?.join(', ') ?? ''}`,
    expected: `one of: ${recorded.map(({ kind }) => kind).join(', ')}`,
    where: '--stage',
  });
}

export function reproductionSections({ inputs, stages: said }: Reproduction): Section[] {
  return [
    {
      title: 'Inputs of the decision',
      columns: ['What', 'Named', 'From', 'Digest'],
      rows: inputs.map(({ what, name, from, verified }) => [
        textCell(what),
        textCell(name.replace(/^git:([0-9a-f]{12})[0-9a-f]*:/u, 'git:$1…:')),
        textCell(from),
        textCell(verified === null ? 'none is recorded' : 'as recorded'),
      ]),
      importance: 2,
    },
    {
      title: 'Checks',
      columns: ['', 'Stage', 'Agree', 'Measured anew', 'Differ'],
      rows: said.map(({ title, notRun, agree, measured, differ }) => [
        notRun === undefined
          ? {
              text: differ.length === 0 ? 'agrees' : 'differs',
              kind: 'verdict',
              mood: differ.length === 0 ? 'good' : 'bad',
            }
          : { text: 'not run', kind: 'verdict', mood: 'open' },
        textCell(notRun === undefined ? title : `${title}: ${notRun}`),
        numberCell(String(agree)),
        numberCell(String(measured)),
        numberCell(String(differ.length)),
      ]),
      legend: 'The same verdict with other numbers, as expected for a stage that measures times.',
      importance: 3,
    },
    {
      title: 'What differs',
      columns: ['Check', 'How'],
      rows: said.flatMap(({ differ }) =>
        differ.map(({ title, id, why }) => [textCell(`${title} (${id})`), textCell(why)]),
      ),
      importance: 4,
    },
  ];
}

/** The result in a sentence. */
export function reproductionHeadline({ model, decision, stages: said, agrees }: Reproduction): string {
  const which = `Decision ${decision.seq} of ${model} (${decision.action}, ${decision.outcome})`;
  const differ = said.reduce((sum, each) => sum + each.differ.length, 0);
  const all = said.reduce((sum, each) => sum + each.agree + each.measured + each.differ.length, 0);
  if (agrees) return `${which} agrees: ${counted(all, 'checks')} came out as recorded.`;
  return all === 0
    ? `${which}: none of its stages could be run again.`
    : `${which} differs in ${differ} of ${counted(all, 'checks')}.`;
}
