import { setTimeout as sleep } from 'node:timers/promises';
import { alphaOf } from '../../config/defaults.ts';
import { milliseconds } from '../../config/units.ts';
import { ContenderError, UsageError } from '../../errors.ts';
import { identityOf, type Check } from '../../evidence/index.ts';
import { minutes, type Judgement, type StepObservation } from '../../stages/guardrails.ts';
import { judgeSwitch, together, total, type SwitchLimits } from '../../stages/switch/judge.ts';
import { defaultPoll, type Switch } from '../../stages/switch/schema.ts';
import { switchOver as stage } from '../../stages/switch/stage.ts';
import { rollBack as rollBackRegistry } from '../gate/acts.ts';
import { discardEvidence } from '../gate/output.ts';
import type { PromoteResult } from '../gate/promote.ts';
import { checksOnServed } from '../gate/run-stage.ts';
import type { Workspace } from '../workspace.ts';
import { ask } from './http.ts';
import type { Observer, Step } from './observer.ts';
import {
  begin,
  decided,
  finish,
  inTurn,
  lastTime,
  newRun,
  promote,
  raise,
  renew,
  requireReady,
} from './traffic-run.ts';
import { rollBack, stepCheck, whileWatched, type Run, type TrafficInput } from './traffic-run.ts';
import { count } from '../../wording.ts';

/**
 * Blue and green: check the candidate beside the champion, give it all of the traffic at once, watch it, and promote it where no harm was
 * shown. Harm, or nothing to see, gives everything back to the champion within a look. Recorded as a rollout is.
 *
 * @throws UsageError where the gate did not let the candidate through, or another one runs; TrafficError; RegistryError
 */
export async function runSwitch(workspace: Workspace, input: TrafficInput): Promise<PromoteResult> {
  await discardEvidence(workspace, stage);
  const begun = await begin(workspace, { ...input, stage });
  const { weights, artifacts } = begun;
  const settings = begun.settings as Switch;
  const keepMs = milliseconds(settings.keep_blue);
  if (identityOf(artifacts.candidate) === identityOf(artifacts.champion)) return finish(workspace, input, weights);
  await requireReady(workspace, input, begun);
  const limits: SwitchLimits = {
    watchMs: milliseconds(settings.watch_time),
    noDataMs: milliseconds(settings.no_data ?? '1m'),
    minRequests: settings.min_requests,
  };
  const run = newRun(workspace, input, begun, limits.watchMs);
  const pollMs = milliseconds(settings.poll ?? defaultPoll);
  const green = await checkGreen(run, settings);
  const fault = green.find(({ verdict, severity }) => verdict !== 'pass' && severity === 'block');
  if (fault !== undefined)
    return notSwitched(run, `Green failed its checks and got no traffic. ${fault.message}`, green);
  return whileWatched(run, true, async (observer) => {
    const watching: Watching = { settings, limits, observer, pollMs, before: [], after: [] };
    const blind = await watchBlue(run, watching);
    if (blind !== null) return notSwitched(run, blind, green);
    await raise(run, 100, 'Green passed its checks.', green);
    const judgement = await watchGreen(run, watching);
    judgement.checks.push(...green);
    if (judgement.verdict === 'roll-back') return rollBack(run, judgement);
    const until = new Date(Date.now() + keepMs);
    run.details = { ...run.details, blue_until: until.toISOString() };
    const result = await promote(run, judgement, judgement.reason);
    if (run.promoted)
      workspace.log.info(
        `Blue must stay up until ${until.toISOString()}: until then, contender switch --back returns to it.`,
      );
    return result;
  });
}

interface Watching {
  settings: Switch;
  limits: SwitchLimits;
  observer: Observer;
  pollMs: number;
  /** Looks of one length, as the source has them so far. */
  before: Step[];
  after: Step[];
}

/** Nothing was switched: held, with what was found. */
function notSwitched(run: Run, message: string, green: readonly Check[]): Promise<PromoteResult> {
  return decided(run, 0, null, [stepCheck(run, 'green', 'inconclusive', message, 'not switched'), ...green]);
}

/** Health, answers equal to the predictions, a little load: the load test of the gate, on what is to be switched to. */
async function checkGreen({ workspace, input }: Run, { green }: Switch): Promise<Check[]> {
  const { rate = 20, duration = '5s', p95_ms: p95, url, ...service } = green;
  const asked = {
    staging: { url, ...service },
    load: {
      profile: { kind: 'smoke', rate, duration, warmup: '1s' },
      slo: { error_rate: 0, accuracy: 'parity', ...(p95 === undefined ? {} : { p95_ms: p95 }) },
    },
    token: input.env['CONTENDER_TARGET_TOKEN'],
  };
  const checks = await checksOnServed(workspace, asked);
  // How green is served says nothing of the model: it holds the candidate, and rejects none.
  return checks.map((check) => ({
    ...check,
    id: check.id.replace(/^load\//u, 'switch/green-'),
    verdict: check.verdict === 'fail' && check.severity === 'block' ? 'inconclusive' : check.verdict,
  }));
}

/**
 * How blue does, in looks as long and as many as green will get. A log has them already; counters begin to count now.
 * @returns why green cannot be held against it; null: it can
 */
async function watchBlue(run: Run, watching: Watching): Promise<string | null> {
  const { settings, limits, observer, pollMs, before } = watching;
  const { log, signal } = run.workspace;
  const looks = Math.ceil(limits.watchMs / pollMs);
  const isLive = 'prometheus' in settings.observe;
  const start = Date.now() - (isLive ? 0 : looks * pollMs);
  let fault: string | null = null;
  let seen: StepObservation[] = [];
  if (isLive) log.info(`Measuring blue for ${minutes(limits.watchMs)}, to compare green with it.`);
  for (let look = 0; look < looks; look += 1) {
    const from = start + look * pollMs;
    before.push({ weight: 0, from, to: isLive ? null : from + pollMs });
    if (!isLive) continue;
    // The first look only says where the counters stand.
    if (look === 0) await observer.look(before, Date.now());
    await sleep(pollMs, undefined, { signal });
    ({ fault, steps: seen } = await observer.look(before, Date.now()));
    (before.at(-1) as Step).to = Date.now();
  }
  if (!isLive) ({ fault, steps: seen } = await observer.look(before, Date.now()));
  const { champion } = total(seen);
  if (fault !== null) return `Blue cannot be measured: ${fault}.`;
  if (champion >= limits.minRequests) return null;
  return `Blue had ${count(champion)} requests in ${minutes(limits.watchMs)}; at least ${count(limits.minRequests)} are needed for the comparison with green.`;
}

async function watchGreen(
  run: Run,
  { settings, limits, observer, pollMs, before, after }: Watching,
): Promise<Judgement> {
  const { log, signal } = run.workspace;
  const since = Date.now();
  let seenAt = since;
  let told = '';
  let isBlueDown = false;
  for (;;) {
    after.push({ weight: 100, from: after.at(-1)?.to ?? since, to: null });
    await sleep(pollMs, undefined, { signal });
    const now = Date.now();
    (after.at(-1) as Step).to = now;
    const conflict = await inTurn(run, () => renew(run));
    const { steps: seen, fault, void: other } = await observer.look([...before, ...after], now);
    const [ofBlue, ofGreen] = [seen.slice(0, before.length), seen.slice(before.length)];
    if (fault === null && (ofGreen.at(-1)?.requests.candidate ?? 0) > 0) seenAt = now;
    const judgement = judgeSwitch(settings.guardrails, limits, {
      before: ofBlue,
      after: ofGreen,
      since,
      now,
      alpha: alphaOf(run.workspace.modelConfig.policy),
      fault: fault ?? conflict.fault,
      blindSince: seenAt,
      void: run.conflict ?? conflict.void ?? other,
    });
    const { verdict, reason } = judgement;
    run.steps = [together(ofBlue, 0), together(ofGreen, 100)].flatMap((each, index) =>
      each === undefined
        ? []
        : [{ weight: each.weight, from: each.from, to: each.to, seen: each, verdict: index === 0 ? 'blue' : verdict }],
    );
    if (settings.blue !== undefined && !isBlueDown && !(await isUp(settings.blue, signal))) {
      isBlueDown = true;
      log.warning(`Blue does not answer at ${new URL(settings.blue).host}: there is nothing to switch back to.`);
    }
    if (isBlueDown) judgement.checks.push(blueDown);
    if (verdict !== 'hold') {
      log.info(`Green: ${verdict}. ${reason}`);
      return judgement;
    }
    if (reason !== told) log.info(`Green: ${reason}`);
    told = reason;
  }
}

async function isUp(url: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await ask(url, { signal });
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof ContenderError) return false;
    throw error;
  }
}

const blueDown: Check = {
  id: 'switch/blue',
  title: 'Blue stays up',
  severity: 'warn',
  verdict: 'fail',
  message: 'Blue did not answer while green was monitored: switching back was not possible.',
  observed: 'down',
  required: 'up',
};

/**
 * Go back to blue after the promotion, while it is kept up: the weight first, within seconds, then the registry.
 * @throws UsageError where the candidate is not the champion, or blue need not be up any more
 */
export async function switchBack(
  workspace: Workspace,
  input: TrafficInput & { reason: string },
): Promise<PromoteResult> {
  const begun = await begin(workspace, { ...input, stage });
  const { artifacts, weights } = begun;
  if (identityOf(artifacts.candidate) !== identityOf(artifacts.champion)) {
    throw new UsageError({
      found: 'the candidate is not the champion',
      expected: 'a completed switch',
      remedy:
        'A running switch goes back by itself; contender switch --put-back resets the weight that a killed one left',
    });
  }
  const until = await lastTime(workspace, begun, 'blue_until');
  if (until === null || until < Date.now()) {
    throw new UsageError({
      found:
        until === null
          ? 'no switch made this candidate champion'
          : `blue was kept until ${new Date(until).toISOString()}`,
      expected: 'a previous champion that is still running',
      remedy: 'Serve the previous version again, then run contender rollback',
    });
  }
  await weights.write({ weight: 0, expires: null });
  workspace.log.info('Blue has all traffic again.');
  const { env: _env, ...act } = input;
  return rollBackRegistry(workspace, { ...act, to: 'previous', moved: true });
}
