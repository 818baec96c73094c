import { milliseconds, policySubject, type Model } from '../config/index.ts';
import { UsageError } from '../errors.ts';
import { digest, type Check, type Decision, type RecordedDecision, type RegistryHistory } from '../evidence/index.ts';
import { leavesChampion, madeBy, policyRecord, wordOf, type Act } from './act.ts';
import { madeInRun } from './history.ts';
import { minuteOf } from '../wording.ts';

/** What is accepted, and until when. */
export type Waiver = NonNullable<Decision['waiver']>;

const longestByDefault = '90d';

/**
 * A named person accepts that a check does not pass, for a stated reason and until a stated time. The gate goes on measuring it, and
 * every report shows it with the waiver. Of several waivers of one check the last counts, so that one that ends now ends it. Pure.
 *
 * @throws UsageError where the policy allows no waiver, not by this person or not for so long
 */
export function waive(
  { model, config }: { model: string; config: Model },
  waiver: Waiver,
  view: RegistryHistory,
  act: Act,
): Decision {
  const word = wordOf(act);
  const { check, until } = waiver;
  const before = madeInRun(
    act.source,
    view,
    (made) => made.waiver?.check === check && made.waiver.until === until,
    (made) => made.waiver?.check === check,
  );
  if (before !== undefined) return before;
  const last = view.decisions.findLast((made) => made.waiver?.check === check);
  if (last?.waiver?.until === until) return last;
  const [end, now] = [Date.parse(until), act.now.getTime()];
  if (end > now) refuseUnlessAllowed(config, word.by, end - now);
  else if (last?.waiver === undefined || !(Date.parse(last.waiver.until) > now)) {
    throw new UsageError({
      found: `a waiver of ${check} until ${until}, which is in the past`,
      expected: 'a time in the future, or an active waiver to end',
    });
  }
  const deed = end > now ? `waives ${check} until ${timeText(until)}` : `ends the waiver of ${check}`;
  return {
    ...madeBy(model, act, word),
    ...leavesChampion(view),
    action: 'waive',
    reasons: [{ code: 'waive', message: `${word.by} ${deed}: ${word.reason}` }],
    candidate: null,
    policy: policyRecord(policySubject(config)),
    waiver,
    idempotencyKey: digest({ action: 'waive', model, check, until, since: last?.seq ?? 0 }),
  };
}

function refuseUnlessAllowed(config: Model, by: string, length: number): void {
  const { waivers } = config.policy;
  const longest = (waivers === false ? undefined : waivers?.longest) ?? longestByDefault;
  if (!mayWaive(config, by)) {
    const from = waivers === false ? [] : (waivers?.from ?? config.policy.approvals?.from ?? []);
    throw new UsageError({
      found: waivers === false ? 'the policy allows no waivers (policy.waivers: false)' : `a waiver by ${by}`,
      expected:
        waivers === false
          ? 'a candidate that passes, or a policy that allows waivers'
          : `a waiver by one of: ${from.join(', ')}`,
      ...(waivers === false
        ? {}
        : { remedy: 'Ask one of them to make it, or change policy.waivers.from in a reviewed change' }),
    });
  }
  if (length > milliseconds(longest)) {
    throw new UsageError({
      found: `a waiver for ${Math.ceil(length / milliseconds('1d'))} days`,
      expected: `at most ${longest} (policy.waivers.longest)`,
    });
  }
}

/** Whether the word of a person is one that the policy takes: who may approve may waive, where nothing else is said. */
function mayWaive({ policy: { waivers, approvals } }: Model, by: string): boolean {
  if (waivers === false) return false;
  const from = waivers?.from ?? approvals?.from;
  return from === undefined || from.some((login) => login.toLowerCase() === by.toLowerCase());
}

/** A waiver as it stands in the registry. */
export type RecordedWaiver = RecordedDecision & { waiver: Waiver };

/** The waivers that are in force, one of each check: of a policy that takes them, of people whose word it takes. */
export function waiversInForce(config: Model | undefined, { decisions }: RegistryHistory, now: Date): RecordedWaiver[] {
  const last = new Map<string, RecordedWaiver>();
  for (const made of decisions) {
    if (made.action === 'waive' && made.waiver !== undefined)
      last.set(made.waiver.check, { ...made, waiver: made.waiver });
  }
  return [...last.values()].filter(
    ({ waiver, approvals: [word] }) =>
      Date.parse(waiver.until) > now.getTime() && (config === undefined || mayWaive(config, word?.by ?? '')),
  );
}

/** Whether a waiver is of a check: by its id, or by its slice (`@source=hard_ham`). */
export function covers({ check }: Waiver, { id }: Pick<Check, 'id'>): boolean {
  return check.startsWith('@') ? id.endsWith(check) : id === check;
}

/** Who accepted it, until when and why: the end of a sentence. */
export function waiverText({ waiver, seq, approvals: [word] }: RecordedWaiver): string {
  return `waived by ${word?.by ?? ''} until ${timeText(waiver.until)} (decision ${seq}): ${word?.reason ?? ''}`;
}

function timeText(time: string): string {
  return `${minuteOf(time)} UTC`;
}
