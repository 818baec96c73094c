import { execFile } from 'node:child_process';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { TrafficError } from '../../errors.ts';
import type { Weights } from '../../stages/rollout/schema.ts';
import { askJson } from './http.ts';
import { yamlWeights } from './weights-yaml.ts';

/** Where the share of the candidate is set. Weights are percent of the traffic, 0 to 100. */
export interface WeightStore {
  /** As messages name it. */
  name: string;
  /** It takes an expiry, and puts the weight back by itself when nobody renews it. */
  lapses: boolean;
  /** What is in force. @throws TrafficError */
  read(): Promise<number>;
  /**
   * Set the weight, and read it again: what is not in force was not written.
   * @param change.from what must be in force before; another one: somebody else acts
   * @throws TrafficError
   */
  write(change: WeightChange): Promise<void>;
}

export interface WeightChange {
  weight: number;
  from?: number;
  /** Until when, unless it is renewed; null: for good. */
  expires: Date | null;
}

/** The store that the configuration names. @param root the workspace, in which files lie and commands run */
export function openWeights(settings: Weights, root: string, env: NodeJS.ProcessEnv): WeightStore {
  if ('server' in settings) return serverWeights(settings.server, tokenOf(settings.token, env));
  if ('yaml' in settings) return confirmed(yamlWeights(settings, root));
  if ('url' in settings) return confirmed(serviceWeights(settings.url, tokenOf(settings.token, env)));
  if ('proxy' in settings) return confirmed(proxyWeights(settings, root));
  return confirmed(commandWeights(settings, root));
}

/** @throws TrafficError where the variable is not set */
export function tokenOf(variable: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  if (variable === undefined) return undefined;
  const token = env[variable];
  if (token !== undefined && token !== '') return token;
  throw new TrafficError({
    found: `the variable ${variable} is not set`,
    expected: 'the token that sets the weight',
    where: 'rollout',
    remedy: `Set ${variable} in the environment of this step`,
  });
}

function serverWeights(url: string, token: string | undefined): WeightStore {
  const address = `${url.replace(/\/$/u, '')}/contender/weight`;
  return {
    name: address,
    lapses: true,
    read: async () => weightIn(await askJson(address, { token }), address),
    async write({ weight, from, expires }) {
      const body = { weight, expires: expires?.toISOString() ?? null, ...(from === undefined ? {} : { from }) };
      const answer = await askJson(address, { method: 'PUT', body, token });
      requireInForce(weightIn(answer, address), weight, address);
    },
  };
}

function serviceWeights(url: string, token: string | undefined): WeightStore {
  return {
    name: url,
    lapses: false,
    read: async () => weightIn(await askJson(url, { token }), url),
    async write({ weight, expires }) {
      await askJson(url, { method: 'PUT', body: { weight, expires: expires?.toISOString() ?? null }, token });
    },
  };
}

function weightIn(answer: unknown, where: string): number {
  const weight = typeof answer === 'object' && answer !== null && 'weight' in answer ? answer.weight : undefined;
  if (typeof weight === 'number' && weight >= 0 && weight <= 100) return weight;
  throw new TrafficError({ found: 'the answer has no weight', expected: '{"weight": 0 to 100}', where });
}

const run = promisify(execFile);

async function runCommand(command: readonly string[], root: string): Promise<string> {
  const [program = '', ...parameters] = command;
  try {
    return (await run(program, parameters, { cwd: root, timeout: 60_000, maxBuffer: 1024 * 1024 })).stdout.trim();
  } catch (cause) {
    const { stderr = '', message } = cause as { stderr?: string; message: string };
    throw new TrafficError({
      found: `${program} failed: ${(stderr.trim() === '' ? message : stderr.trim()).slice(0, 300)}`,
      expected: 'a program that ends with 0 within a minute',
      where: 'rollout.weights',
      cause,
    });
  }
}

function commandWeights({ read, write }: Extract<Weights, { read: string[] }>, root: string): WeightStore {
  return {
    name: write[0] ?? '',
    lapses: false,
    async read() {
      const text = await runCommand(read, root);
      const weight = Number(text);
      if (text !== '' && weight >= 0 && weight <= 100) return weight;
      throw new TrafficError({
        found: `${read[0]} printed ${JSON.stringify(text.slice(0, 80))}`,
        expected: 'the weight in percent, 0 to 100',
        where: 'rollout.weights.read',
      });
    },
    async write({ weight }) {
      const rest = String(Number((100 - weight).toFixed(6)));
      await runCommand(
        write.map((part) => part.replaceAll('{weight}', String(weight)).replaceAll('{rest}', rest)),
        root,
      );
    },
  };
}

/** A file of its own that the proxy includes or maps; the proxy is told to read it again. */
function proxyWeights({ proxy, file, reload }: Extract<Weights, { proxy: string }>, root: string): WeightStore {
  const path = join(root, file);
  return {
    name: file,
    lapses: false,
    async read() {
      const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
        // Before the first rollout.
        if (cause.code === 'ENOENT') return proxyText[proxy](0);
        throw cause;
      });
      const found = proxyPattern[proxy].exec(text)?.groups?.['weight'];
      if (found !== undefined) return proxy === 'haproxy' ? Number(found) / 100 : Number(found);
      if (proxy === 'nginx' && text.includes('split_clients')) return 0;
      throw new TrafficError({
        found: 'the file has another form',
        expected: `what Contender writes for ${proxy}`,
        where: file,
        remedy: 'Give the weight a file of its own, and remove this one',
      });
    },
    async write({ weight }) {
      // Whole or not at all: the proxy may read it at any time.
      const beside = join(dirname(path), `.${Date.now()}.contender`);
      await writeFile(beside, proxyText[proxy](weight));
      await rename(beside, path);
      await runCommand(reload, root);
    },
  };
}

const proxyText = {
  nginx: (weight: number): string =>
    `# Written by contender rollout.\nsplit_clients "$contender_key" $contender_arm {\n${weight > 0 && weight < 100 ? `  ${weight}% candidate;\n` : ''}  * ${weight === 100 ? 'candidate' : 'champion'};\n}\n`,
  // Hundredths of a percent: HAProxy compares whole numbers.
  haproxy: (weight: number): string => `# Written by contender rollout.\nweight ${Math.round(weight * 100)}\n`,
};

const proxyPattern = {
  nginx: /^ {2}(?<weight>[0-9.]+)% candidate;$/mu,
  haproxy: /^weight (?<weight>[0-9]+)$/mu,
};

/** What was written must be in force: another controller may own the weights. */
function confirmed(store: WeightStore): WeightStore {
  return {
    ...store,
    async write(change) {
      if (change.from !== undefined) requireInForce(await store.read(), change.from, store.name);
      await store.write(change);
      requireInForce(await store.read(), change.weight, store.name);
    },
  };
}

function requireInForce(found: number, expected: number, where: string): void {
  if (Math.abs(found - expected) < 1e-6) return;
  throw new TrafficError(
    {
      found: `the weight is ${found}%`,
      expected: `${expected}%, as this rollout left it`,
      where,
      remedy: 'Somebody else sets it: a person, or a controller that owns the weights. Let one of them act',
    },
    true,
  );
}
