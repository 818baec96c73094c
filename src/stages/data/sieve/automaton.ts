import { parseRegExpLiteral, type AST } from '@eslint-community/regexpp';
import { isPlain, stops, type Automaton } from '../../../data/line-rules.ts';

const mostSteps = 5000;
const mostStates = 500;
/** Steps gone through for all states and characters. */
const mostWork = 20_000_000;

type Step =
  | { kind: 'read'; set: readonly boolean[]; to: number }
  | { kind: 'split'; to: number[] }
  | { kind: 'start' | 'end'; to: number }
  | { kind: 'match' };

/**
 * What a regular expression finds in texts of ASCII, in time that grows with the text alone. Null where it has what an automaton has
 * not: looks around, back references, edges of words; and where it would be too large.
 */
export function automatonOf(expression: RegExp): Automaton | null {
  if (/[^ius]/u.test(expression.flags)) return null;
  try {
    const steps = new Steps(expression.flags);
    const entry = steps.alternatives(parseRegExpLiteral(expression).pattern.alternatives, steps.add({ kind: 'match' }));
    return determined(steps.all, entry);
  } catch (cause) {
    if (cause instanceof NoAutomaton || cause instanceof SyntaxError) return null;
    throw cause;
  }
}

class NoAutomaton extends Error {}

/** Each is built before the one that leads to it. */
class Steps {
  readonly all: Step[] = [];
  readonly #flags: string;
  readonly #sets = new Map<string, readonly boolean[]>();

  constructor(flags: string) {
    this.#flags = flags;
  }

  add(step: Step): number {
    if (this.all.length >= mostSteps) throw new NoAutomaton();
    return this.all.push(step) - 1;
  }

  alternatives(nodes: readonly AST.Alternative[], to: number): number {
    const each = nodes.map(({ elements }) => elements.reduceRight((next, node) => this.#element(node, next), to));
    return this.add({ kind: 'split', to: each });
  }

  #element(node: AST.Element, to: number): number {
    switch (node.type) {
      case 'Character':
      case 'CharacterSet':
      case 'CharacterClass':
        return this.add({ kind: 'read', set: this.#set(node.raw), to });
      case 'CapturingGroup':
        return this.alternatives(node.alternatives, to);
      case 'Group':
        if (node.modifiers !== null) throw new NoAutomaton();
        return this.alternatives(node.alternatives, to);
      case 'Assertion':
        if (node.kind !== 'start' && node.kind !== 'end') throw new NoAutomaton();
        return this.add({ kind: node.kind, to });
      case 'Quantifier': {
        let at = to;
        if (node.max === Infinity) {
          const again: number[] = [to];
          at = this.add({ kind: 'split', to: again });
          again.push(this.#element(node.element, at));
        } else
          for (let more = node.min; more < node.max; more++)
            at = this.add({ kind: 'split', to: [to, this.#element(node.element, at)] });
        for (let more = 0; more < node.min; more++) at = this.#element(node.element, at);
        return at;
      }
      default:
        throw new NoAutomaton();
    }
  }

  /** The characters of ASCII that one part of the expression reads: the language itself says. */
  #set(raw: string): readonly boolean[] {
    let set = this.#sets.get(raw);
    if (set === undefined) {
      const one = new RegExp(`^(?:${raw})$`, this.#flags);
      set = Array.from({ length: 128 }, (_, code) => one.test(String.fromCharCode(code)));
      this.#sets.set(raw, set);
    }
    return set;
  }
}

function determined(steps: readonly Step[], entry: number): Automaton {
  const states: { steps: readonly number[]; inFront: boolean }[] = [];
  const known = new Map<string, number>();
  const stateOf = (reached: readonly number[]): number => {
    const key = reached.join();
    const state = known.get(key) ?? states.push({ steps: reached, inFront: false }) - 1;
    known.set(key, state);
    return state;
  };
  const went = { steps: 0 };
  // Before the first character it is in a state of its own.
  states.push({ steps: reachedFrom(steps, [entry], { start: true, end: false }, went), inFront: true });
  const next: number[] = [];
  const ends: number[] = [];
  for (let at = 0; at < states.length; at++) {
    const { steps: reached, inFront } = states[at] as (typeof states)[number];
    if (states.length > mostStates) throw new NoAutomaton();
    const atEnd = reachedFrom(steps, reached, { start: inFront, end: true }, went);
    ends.push(Number(atEnd.some((each) => steps[each]?.kind === 'match')));
    const found = reached.filter((each) => steps[each]?.kind === 'match');
    for (let byte = 0; byte < 256; byte++) {
      if (!isPlain(byte)) {
        next.push(stops);
        continue;
      }
      const read = reached.flatMap((each) => {
        const step = steps[each] as Step;
        return step.kind === 'read' && step.set[byte] === true ? [step.to] : [];
      });
      // A match may begin at any character; what has one needs no other.
      const to = found.length > 0 ? found : reachedFrom(steps, [...read, entry], { start: false, end: false }, went);
      next.push(256 * stateOf(to));
    }
  }
  return { next: Int32Array.from(next), ends: Uint8Array.from(ends) };
}

/** The steps that are reached without reading, but for those that only lead on. In order. */
function reachedFrom(
  steps: readonly Step[],
  from: readonly number[],
  { start, end }: { start: boolean; end: boolean },
  went: { steps: number },
): number[] {
  const seen = new Set<number>();
  const reached: number[] = [];
  const pending = [...from];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    if (++went.steps > mostWork) throw new NoAutomaton();
    const step = steps[at] as Step;
    if (step.kind === 'split') pending.push(...step.to);
    else if (step.kind === 'start' || step.kind === 'end') {
      if (step.kind === 'start' ? start : end) pending.push(step.to);
      else if (step.kind === 'end') reached.push(at);
    } else reached.push(at);
  }
  return reached.toSorted((one, other) => one - other);
}
