import type { ChildProcess } from 'node:child_process';

/** Questions to another process or thread, each under a number, until it is answered or nobody is left to answer. */
export interface Questions {
  /** @param send hands the question over under its number */
  ask<T>(send: (id: number) => void): Promise<T>;
  answer(id: number, value: unknown): void;
  refuse(id: number, error: unknown): void;
  /** Refuse what waits, and what is asked from then on, with the first such error. */
  giveUp(error: unknown): void;
}

export function questions(): Questions {
  const waiting = new Map<number, { take(value: never): void; refuse(error: unknown): void }>();
  let next = 0;
  let over: unknown;
  return {
    ask: (send) =>
      new Promise((take, refuse) => {
        if (over !== undefined) return refuse(over);
        const id = (next += 1);
        waiting.set(id, { take, refuse });
        send(id);
      }),
    answer(id, value) {
      waiting.get(id)?.take(value as never);
      waiting.delete(id);
    },
    refuse(id, error) {
      waiting.get(id)?.refuse(error);
      waiting.delete(id);
    },
    giveUp(error) {
      over ??= error;
      for (const { refuse } of waiting.values()) refuse(over);
      waiting.clear();
    },
  };
}

type Functions = Record<string, (...given: never[]) => unknown>;

/** What a process is asked: one of its functions. */
interface Question {
  id: number;
  name: string;
  given: never[];
}

/** `told`: an error that the asker makes anew. */
type Reply = { id: number } & ({ value: unknown } | { told: never } | { bug: string });

/**
 * In a process of our own: answer what its parent asks of these functions over IPC, one question after the other.
 *
 * @param tell what the parent makes an error of; null: it is a bug
 */
export function answerParent(functions: Functions, tell: (error: unknown) => object | null): void {
  let last: Promise<void> = Promise.resolve();
  process.on('message', (question: Question) => {
    last = last.then(() => reply(question));
  });

  async function reply({ id, name, given }: Question): Promise<void> {
    let answer: Reply;
    try {
      answer = { id, value: await functions[name]?.(...given) };
    } catch (error) {
      const told = tell(error);
      const bug = error instanceof Error ? (error.stack ?? error.message) : String(error);
      answer = told === null ? { id, bug } : { id, told: told as never };
    }
    await new Promise<void>((sent) => process.send?.(answer, undefined, {}, () => sent()));
  }
}

/** Asks a process that answers with `answerParent`; `giveUp` as of `Questions`. */
export interface Asked<F> extends Pick<Questions, 'giveUp'> {
  ask<N extends keyof F>(name: N, ...given: Given<F[N]>): Promise<Answered<F[N]>>;
}

type Given<Fn> = Fn extends (...given: infer G) => unknown ? G : never;
type Answered<Fn> = Fn extends (...given: never[]) => infer A ? Awaited<A> : never;

/** @param errorOf the error of what the process told of it */
export function askChild<F>(child: ChildProcess, errorOf: (told: never) => Error): Asked<F> {
  const { ask, answer, refuse, giveUp } = questions();
  child.on('message', (reply: Reply) => {
    if ('value' in reply) answer(reply.id, reply.value);
    else refuse(reply.id, 'bug' in reply ? new Error(reply.bug) : errorOf(reply.told));
  });
  // A process that is gone before it is asked is told by its end.
  return { giveUp, ask: (name, ...given) => ask((id) => child.send({ id, name, given }, () => {})) };
}
