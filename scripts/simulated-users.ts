import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom } from '../src/statistics/random.ts';

/** People who use a model behind `contender serve`, and report what they find wrong. */
export interface Users {
  /** Base address of the server. */
  url: string;
  /** Name of the model in its addresses. */
  model: string;
  perSecond: number;
  /** How many different people there are. */
  people: number;
  /** Probability that an answer of each version is reported. */
  reports: { champion: number; candidate: number };
  /** What a report says. */
  feedback: string;
  seed: number;
  signal: AbortSignal;
}

const mostOpen = 50;

/** Ask until the signal is given: each request by one of the people, with a row of zeros, at the rate. Ends when the last answer is there. */
export async function simulateUsers(input: Partial<Users> & Pick<Users, 'url' | 'model' | 'signal'>): Promise<void> {
  const { url, model, signal } = input;
  const { perSecond = 100, people = 5000, feedback = 'false-positive', seed = 1 } = input;
  const reports = input.reports ?? { champion: 0, candidate: 0 };
  const random = randomFrom(seed);
  const metadata = (await (await fetch(`${url}/v2/models/${model}`)).json()) as {
    inputs: { name: string; datatype: string; shape: number[] }[];
  };
  const inputs = metadata.inputs.map(({ name, datatype, shape }) => {
    const dims = shape.map((size) => (size < 0 ? 1 : size));
    const length = dims.reduce((product, size) => product * size, 1);
    return { name, datatype, shape: dims, data: Array.from({ length }, () => 0) };
  });
  const body = JSON.stringify({ inputs });
  const open = new Set<Promise<void>>();
  const start = performance.now();
  for (let sent = 0; !signal.aborted; sent += 1) {
    const wait = start + (1000 * sent) / perSecond - performance.now();
    // Who is behind, as on a busy machine, asks no more than the server can answer, and lets answers in.
    await (open.size < mostOpen ? sleep(Math.max(0, wait)) : Promise.race(open));
    const user = `person-${random.integer(people)}`;
    const draw = random.uniform();
    const one = askOnce(user, draw).catch(() => undefined);
    open.add(one);
    void one.then(() => open.delete(one));
  }
  await Promise.all(open);

  async function askOnce(user: string, draw: number): Promise<void> {
    const headers = { 'content-type': 'application/json', 'x-user-id': user };
    const response = await fetch(`${url}/v2/models/${model}/infer`, { method: 'POST', headers, body });
    await response.arrayBuffer();
    const arm = (response.headers.get('x-contender-version') ?? '').split(';')[0] as 'champion' | 'candidate';
    const id = response.headers.get('x-request-id') ?? '';
    if (draw >= reports[arm]) return;
    await fetch(`${url}/contender/feedback`, { method: 'POST', headers, body: JSON.stringify({ id, feedback }) });
  }
}
