import { didYouMean } from '../../config/index.ts';
import { waiversInForce } from '../../decide/waive.ts';
import { UsageError } from '../../errors.ts';
import type { RecordedDecision, RegistryHistory } from '../../evidence/index.ts';
import type { Registry } from '../../registry/registry.ts';
import { versionTag } from '../../registry/tags.ts';
import {
  headline,
  responsible,
  versionChanges,
  type DecisionMention,
  type Explanation,
  type ModelDetail,
  type ModelSummary,
  type Published,
  type Reasons,
  type VersionChanges,
} from '../../report/index.ts';
import { publishedVersion, withdrawnBy, withEvidence } from '../publishing/export.ts';
import { openRegistry } from '../open-registry.ts';
import type { Workspace } from '../workspace.ts';

/* What the registry says when it is asked. Nothing here writes. */

/** So many models are read at once. */
const modelsAtOnce = 8;

/** Every model of the registry at a glance, sorted by name. @throws RegistryError */
export async function summariseModels(workspace: Workspace): Promise<ModelSummary[]> {
  const registry = await openRegistry(workspace);
  const names = await registry.models();
  const summaries: ModelSummary[] = [];
  for (let first = 0; first < names.length; first += modelsAtOnce) {
    const some = names.slice(first, first + modelsAtOnce);
    summaries.push(...(await Promise.all(some.map(async (name) => summaryOf(name, await registry.view(name))))));
  }
  return summaries;
}

/** One model: champion, versions, aliases and environments. @throws UsageError, RegistryError */
export async function describeModel(workspace: Workspace, wanted: string | undefined): Promise<ModelDetail> {
  const { registry, model } = await modelToRead(workspace, wanted);
  const view = await registry.view(model);
  const tagged = workspace.config.registry?.tags !== undefined;
  const pending = await registry.pending(model);
  return {
    ...summaryOf(model, view),
    pending:
      pending === null
        ? null
        : {
            decisions: pending.decisions.map((each) => ({ ...mention(each), version: versionAbout(each) })),
            pullRequest: pending.pullRequest?.url ?? null,
          },
    waivers: waiversInForce(workspace.config.models[model], view, new Date()).map(
      ({ waiver, seq, approvals: [word] }) => ({
        ...waiver,
        by: word?.by ?? '',
        reason: word?.reason ?? '',
        decision: seq,
      }),
    ),
    versions: view.registered.map((each) => {
      const { version, status, replaced, artifacts, seq } = each;
      return {
        version,
        status,
        withdrawn: withdrawnBy(each, view) ?? null,
        aliases: Object.entries(view.aliases).flatMap(([name, alias]) => (alias.version === version ? [name] : [])),
        promoted: mention(decisionOf(view, seq)),
        replaced,
        artifacts: [...artifacts],
        tag: tagged ? versionTag(model, version) : null,
      };
    }),
  };
}

/** Every decision about a model, oldest first. @throws UsageError, RegistryError */
export async function readLog(
  workspace: Workspace,
  wanted: string | undefined,
): Promise<{ model: string; decisions: RecordedDecision[] }> {
  const { registry, model } = await modelToRead(workspace, wanted);
  return { model, decisions: await registry.log(model) };
}

/**
 * What is different between two versions.
 * @param range `FROM..TO`, each a version or an alias; without TO the champion, without FROM the version that TO replaced
 * @throws UsageError, RegistryError
 */
export async function diffVersions(
  workspace: Workspace,
  wanted: string | undefined,
  range: string,
): Promise<VersionChanges> {
  const names = /^(?<from>.*?)\.\.(?<to>.*)$/u.exec(range)?.groups;
  if (names === undefined) {
    throw new UsageError({
      found: JSON.stringify(range),
      expected: 'two versions or aliases: 1.0.0..1.1.0, 1.0.0.. (against the champion), previous..champion',
    });
  }
  const { registry, model } = await modelToRead(workspace, wanted);
  const { aliases, registered } = await registry.view(model);
  const versionOf = (name: string): string => aliases[name]?.version ?? name;
  const to = versionOf(names['to'] === '' ? 'champion' : (names['to'] ?? ''));
  const replaced = registered.find(({ version }) => version === to.replace(/^v/u, ''))?.replaced;
  const from = names['from'] === '' ? replaced : versionOf(names['from'] ?? '');
  if (from === 'previous' || (names['from'] === '' && replaced === null)) {
    throw new UsageError({
      found: `${model} has no version before ${to}`,
      expected: 'two versions to compare',
      remedy: `Name both, such as contender registry diff 1.0.0..1.1.0; contender registry show ${model} lists the versions`,
    });
  }
  const now = await publishedVersion(registry, model, to === 'champion' ? undefined : to);
  return versionChanges(await publishedVersion(registry, model, from ?? to), now);
}

/** Why there is this champion, and why the last candidate did not replace it, with the decisions and their evidence. */
export async function explainModel(
  workspace: Workspace,
  wanted: string | undefined,
): Promise<{ reasons: Reasons; found: Published[] }> {
  const { registry, model } = await modelToRead(workspace, wanted);
  const view = await registry.view(model);
  const made = view.decisions.find(({ seq }) => seq === view.championSeq);
  const judged = view.decisions.findLast(({ action }) => action === 'gate');
  const kept =
    judged !== undefined && judged.seq > view.championSeq && judged.outcome !== 'promote' ? judged : undefined;
  const found = await Promise.all(
    [made, kept].flatMap((each) => (each === undefined ? [] : [withEvidence(registry, each)])),
  );
  const explained = async (decision: RecordedDecision | undefined): Promise<Explanation | null> => {
    const published = found.find((each) => each.decision === decision);
    return published === undefined ? null : explanationOf(published, view, registry);
  };
  return { reasons: { model, champion: await explained(made), last: await explained(kept) }, found };
}

async function explanationOf(published: Published, view: RegistryHistory, registry: Registry): Promise<Explanation> {
  const { decision, evidence } = published;
  const named = new Set(decision.reasons.map(({ check }) => check));
  const origin = view.registered.find(({ version }) => version === decision.to?.version)?.seq;
  const first =
    decision.action === 'rollback' && origin !== undefined && origin !== decision.seq
      ? await withEvidence(registry, decisionOf(view, origin))
      : null;
  return {
    ...mention(decision),
    version: versionAbout(decision),
    candidate: decision.candidate,
    datasets: decision.datasets,
    headline: headline(published),
    reasons: decision.reasons,
    checks: evidence.flatMap(({ checks }) => checks.filter(({ id }) => named.has(id))),
    first: first === null ? null : { ...mention(first.decision), headline: headline(first) },
    actor: decision.actor,
    approvals: decision.approvals,
    source: decision.source,
    policy: decision.policy.sha256,
    evidence: decision.evidence.map(({ kind, sha256, verdict }) => ({ kind, sha256, verdict })),
    next: nextCommands(decision, view),
  };
}

function nextCommands(
  { model, seq, action, outcome, reasons }: RecordedDecision,
  view: RegistryHistory,
): Explanation['next'] {
  const on = `--model ${model}`;
  const report = { command: `contender export report --decision ${seq} ${on}`, purpose: 'the whole report' };
  const log = { command: `contender registry log ${model}`, purpose: 'everything that was decided before' };
  if (outcome === 'promote') {
    const back = view.aliases['previous'] !== undefined;
    return [
      ...(back ? [{ command: `contender registry diff previous..champion ${on}`, purpose: 'what it changed' }] : []),
      ...(action === 'gate' || action === 'override' ? [report] : []),
      ...(back && action !== 'rollback'
        ? [{ command: `contender rollback --reason "..." ${on}`, purpose: 'make the previous version champion again' }]
        : []),
      log,
    ];
  }
  const unapproved = reasons.some(({ code }) => code === 'approval-missing');
  const again = {
    command: `contender gate ${on}`,
    purpose: unapproved
      ? 'run the gate again after the approval'
      : 'run the gate again after a change of candidate, data or policy',
  };
  // A hold that is stale cannot be overridden, and an override needs the approvals that a promotion does.
  const open = outcome === 'hold' && !unapproved && !reasons.some(({ code }) => code === 'stale');
  return [
    report,
    again,
    ...(open ? [{ command: `contender registry override --reason "..." ${on}`, purpose: 'promote it manually' }] : []),
    log,
  ];
}

/** The model a person names, of the configuration or the registry; the only one there is where none is named. */
export async function modelToRead(
  workspace: Workspace,
  wanted: string | undefined,
): Promise<{ registry: Registry; model: string }> {
  const registry = await openRegistry(workspace);
  const configured = Object.keys(workspace.config.models);
  const only = configured[0];
  if (wanted === undefined && configured.length === 1 && only !== undefined) return { registry, model: only };
  if (wanted !== undefined && configured.includes(wanted)) return { registry, model: wanted };
  const names = [...new Set([...configured, ...(await registry.models())])].toSorted();
  if (wanted !== undefined && names.includes(wanted)) return { registry, model: wanted };
  throw new UsageError({
    found:
      wanted === undefined
        ? `there are ${names.length} models, but no model was named`
        : `there is no model ${JSON.stringify(wanted)}`,
    expected: `one of: ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', ...' : ''}`,
    remedy: wanted === undefined ? undefined : didYouMean(wanted, names),
  });
}

function summaryOf(model: string, view: RegistryHistory): ModelSummary {
  const { champion: made, previous: _previous, ...environments } = view.aliases;
  const last = view.decisions.at(-1);
  return {
    model,
    champion: made === undefined ? null : { version: made.version, ...mention(decisionOf(view, made.seq)) },
    environments: Object.fromEntries(
      Object.entries(environments).map(([environment, { version }]) => [environment, version]),
    ),
    decisions: view.decisions.length,
    last: last === undefined ? null : mention(last),
  };
}

/** The version it makes champion, or was about; `candidate` where it lets nobody in. */
function versionAbout({ outcome, to, candidate }: RecordedDecision): string {
  return (outcome === 'promote' ? to : candidate)?.version ?? 'candidate';
}

function mention(decision: RecordedDecision): DecisionMention {
  const { seq, action, outcome, time } = decision;
  return { decision: seq, action, outcome, time, by: responsible(decision) };
}

/** Numbers have no gaps in a chain that is sound, and no other is read. */
function decisionOf(view: RegistryHistory, seq: number): RecordedDecision {
  return view.decisions[seq - 1] as RecordedDecision;
}
