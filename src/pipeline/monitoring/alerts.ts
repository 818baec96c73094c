import { join } from 'node:path';
import { milliseconds } from '../../config/index.ts';
import { ConfigError, GitHubError } from '../../errors.ts';
import { trackFindings, type TrackedFinding, type TrackedIssue } from '../../github/issue.ts';
import type { GitHub } from '../../github/client.ts';
import { openFindings, type Finding } from '../../monitor/findings.ts';
import type { Told } from '../../monitor/record.ts';
import type { Monitor } from '../../monitor/schema.ts';
import { day } from '../../monitor/windows.ts';
import { findingMarkdown, findingTitle, findingWebhook } from '../../report/monitoring/finding-texts.ts';
import { metricsText } from '../../report/monitoring/metrics-text.ts';
import { fetchWithin, NoAnswer } from '../fetch-within.ts';
import type { Workspace } from '../workspace.ts';
import { writeWhole } from '../writing.ts';
import type { MonitorResult } from './monitor.ts';

/** Where findings were told, and what could not be: no channel keeps another one from being told. */
export interface AlertResult {
  issues: TrackedIssue[];
  faults: string[];
}

/**
 * Tell the findings: issues, webhook, Pushgateway, and a file of metrics. What is told is derived from all that is recorded, so that a
 * run that was cut off is made good by the next one.
 * @param github null: there is none to make issues in
 */
export async function alert(
  workspace: Workspace,
  result: MonitorResult,
  { github, now, env }: { github: GitHub | null; now: Date; env: NodeJS.ProcessEnv },
): Promise<AlertResult> {
  const { monitor } = result.settings;
  const { alerts = {} } = monitor;
  const faults: string[] = [];
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      workspace.signal?.throwIfAborted();
      if (error instanceof ConfigError) throw error;
      if (!(error instanceof GitHubError) && !(error instanceof Unreachable)) throw error;
      faults.push(`${what}: ${error.message}`);
      return null;
    }
  };
  // For node_exporter's textfile collector, which must never see half a file.
  await writeWhole(join(workspace.out, 'metrics.prom'), metricsOf(workspace, result, now));
  const issues =
    github === null || alerts.issues === 'none'
      ? []
      : ((await attempt('issues', () => trackFindings(github, workspace.model, tracked(workspace, result, now)))) ??
        []);
  const { pushgateway, webhook } = alerts;
  if (pushgateway !== undefined) {
    await attempt('Pushgateway', () =>
      push(pushgateway, workspace.model, metricsOf(workspace, result, now), workspace.signal),
    );
  }
  await remember(result, issues, now);
  if (webhook !== undefined) {
    const address = addressOf(webhook, env);
    await attempt('webhook', () => tellWebhook(workspace, result, address, issues, now));
  }
  for (const fault of faults) workspace.log.warning(`Could not send findings to ${fault}`);
  return { issues, faults };
}

/** Findings as issues: each alarm one, and all columns that drift one together, which would be sixty else. */
function tracked({ model }: Workspace, { findings, settings, records }: MonitorResult, now: Date): TrackedFinding[] {
  const { alerts = {} } = settings.monitor;
  const until = records.at(-1)?.end ?? null;
  const byKey = new Map<string, Finding[]>();
  for (const finding of findings) {
    if (finding.level === 'note' || (alerts.issues === 'alarms' && finding.level !== 'alarm')) continue;
    const key = finding.signal.startsWith('drift/') ? 'drift' : finding.signal;
    byKey.set(key, [...(byKey.get(key) ?? []), finding]);
  }
  const drifted = openFindings(findings)
    .filter(({ signal, level }) => signal.startsWith('drift/') && level === 'advice')
    .sort((a, b) => excess(b) - excess(a))
    .slice(0, 5);
  return [...byKey].map(([key, all]) => {
    const open = openFindings(all);
    // Of those that are over only the last time counts.
    const shown = open.length > 0 ? open : all.slice(-1);
    const first = shown[0] as Finding;
    const opened = shown.map((each) => each.opened).sort()[0] as string;
    const title = key === 'drift' ? `[${model}] Columns that drifted: advice` : findingTitle(model, first);
    return {
      fingerprint: `${model}/${encodeURIComponent(key)}`,
      opened,
      open: open.length > 0,
      title,
      body: (limit) => findingMarkdown(model, shown, until, causal.has(first.rank) ? drifted : []).slice(0, limit),
      assignees: first.level === 'alarm' ? onDuty(alerts.rota, now) : [],
    };
  });
}

/** Ranks of findings that drift may explain. */
const causal = new Set<Finding['rank']>(['harm', 'estimated', 'kpi']);

/** How far a finding is beyond its limit. */
function excess({ value, limit }: Finding): number {
  return (value ?? 0) / (limit === null || limit === 0 ? 1e-9 : limit);
}

/** Whose turn it is: turns are counted from Monday, 5 January 1970. */
export function onDuty(rota: NonNullable<Monitor['alerts']>['rota'], now: Date): string[] {
  if (rota === undefined) return [];
  const turn = milliseconds(rota.turn ?? '7d');
  const index = Math.floor((now.getTime() - 4 * day) / turn) % rota.people.length;
  return [rota.people[index] as string];
}

function metricsOf({ model }: Workspace, { findings, observations, records }: MonitorResult, now: Date): string {
  const last = records.at(-1);
  return metricsText({
    model,
    now,
    findings,
    observations: observations.at(-1) ?? [],
    lastEnd: last?.end ?? null,
    rows: last?.rows ?? 0,
  });
}

class Unreachable extends Error {}

const timeoutMs = 30_000;

async function send(address: string, init: RequestInit, name: string, signal?: AbortSignal): Promise<void> {
  const answer = await fetchWithin(timeoutMs, address, init, signal).catch((error: unknown) => {
    throw error instanceof NoAnswer ? new Unreachable(`${name} cannot be reached (${error.message})`) : error;
  });
  if (answer.ok) return;
  const said = (await answer.text().catch(() => '')).slice(0, 200).replaceAll(/\s+/gu, ' ');
  throw new Unreachable(`${name} answered ${answer.status}${said === '' ? '' : `: ${said}`}`);
}

/** The group of a model is replaced: a finding that is gone is gone there too. The key is job and model, never the run. */
function push(gateway: string, model: string, text: string, signal?: AbortSignal): Promise<void> {
  const url = new URL(gateway);
  const address = `${url.href.replace(/\/+$/u, '')}/metrics/job/contender/model/${encodeURIComponent(model)}`;
  // Its reader knows no OpenMetrics; "# EOF" is a comment to it.
  const headers = { 'content-type': 'text/plain; version=0.0.4' };
  return send(address, { method: 'PUT', headers, body: text }, `the Pushgateway at ${url.host}`, signal);
}

/** The address of a webhook is a secret: it is named nowhere. */
function addressOf(variable: string, env: NodeJS.ProcessEnv): string {
  const address = env[variable] ?? '';
  if (/^https?:\/\//u.test(address)) return address;
  throw new ConfigError({
    found: `the environment variable ${variable} ${address === '' ? 'is not set' : 'holds no address'}`,
    expected: 'the https address of the webhook',
    where: 'monitor.alerts.webhook',
    remedy: 'Pass the secret to the step, or leave the webhook out',
  });
}

async function tellWebhook(
  workspace: Workspace,
  result: MonitorResult,
  address: string,
  issues: readonly TrackedIssue[],
  now: Date,
): Promise<void> {
  const { model } = workspace;
  const { told } = result.remembered.state;
  const latest = new Map(
    result.findings.filter(({ level }) => level === 'alarm').map((finding) => [finding.signal, finding]),
  );
  for (const [signal, finding] of latest) {
    const before = told[signal];
    const same = before?.opened === finding.opened;
    const wasTold = same && before.webhook === true;
    const isMuted = same && before.muted === true;
    const isOpen = finding.closed === null;
    const shouldTell = isOpen ? !wasTold && !isMuted : wasTold && before.recovered !== true;
    if (!shouldTell) continue;
    const link = issues.find(({ fingerprint }) => fingerprint === `${model}/${encodeURIComponent(signal)}`)?.url;
    await send(
      address,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(findingWebhook(model, finding, link)),
      },
      'the webhook',
      workspace.signal,
    );
    // Told one by one: a run that is cut off repeats at most the last.
    await rememberTold(
      result,
      { [signal]: { ...(same ? before : { opened: finding.opened }), webhook: true, recovered: !isOpen } },
      now,
    );
  }
}

/** Which issue a finding has, and whether a person muted it. */
async function remember(result: MonitorResult, issues: readonly TrackedIssue[], now: Date): Promise<void> {
  const told: Record<string, Told> = {};
  for (const finding of result.findings) {
    const issue = issues.find(({ fingerprint }) => fingerprint.endsWith(`/${encodeURIComponent(finding.signal)}`));
    if (issue === undefined) continue;
    const before = result.remembered.state.told[finding.signal];
    const base = before?.opened === finding.opened ? before : { opened: finding.opened };
    told[finding.signal] = { ...base, issue: issue.number, muted: issue.muted };
  }
  await rememberTold(result, told, now);
}

/** Keep it, whoever else writes: what others recorded meanwhile stays. */
async function rememberTold(result: MonitorResult, told: Readonly<Record<string, Told>>, now: Date): Promise<void> {
  const { memory } = result;
  if (!result.recorded || Object.keys(told).length === 0) return;
  for (let attempt = 0; attempt < 5; attempt++) {
    const current = attempt === 0 ? result.remembered : await memory.read(now);
    const state = { ...current.state, told: { ...current.state.told, ...told } };
    if (JSON.stringify(state) === JSON.stringify(current.state)) return;
    if (!(await memory.write(current, { state, records: current.records }, 'Monitoring: sent notifications\n')))
      continue;
    result.remembered = await memory.read(now);
    return;
  }
}
