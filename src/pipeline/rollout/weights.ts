import { execFile } from 'node:child_process';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { TrafficError } from '../../errors.ts';
import type { Weights } from '../../stages/traffic.ts';
import { askJson, tokenOf } from './http.ts';
import type { WeightStore } from './weight-store.ts';
import { yamlWeights } from './weights-yaml.ts';

/** The store that the configuration names. @param root the workspace, in which files lie and commands run */
export function openWeights(settings: Weights, root: string, env: NodeJS.ProcessEnv): WeightStore {
  if ('server' in settings) return serverWeights(settings.server, tokenOf(settings.token, env));
  if ('yaml' in settings) return confirmed(yamlWeights(settings, root));
  if ('url' in settings) return confirmed(serviceWeights(settings.url, tokenOf(settings.token, env)));
  if ('proxy' in settings) return confirmed(proxyWeights(settings, root));
  return confirmed(commandWeights(settings, root));
}

/** A server that does not answer is asked again so often. */
const attempts = 3;

function serverWeights(url: string, token: string | undefined): WeightStore {
  const address = `${url.replace(/\/$/u, '')}/contender/weight`;
  return {
    name: address,
    lapses: true,
    read: async () => weightIn(await askJson(address, { token }), address),
    async write({ weight, from, expires }) {
      const body = { weight, expires: expires?.toISOString() ?? null, ...(from === undefined ? {} : { from }) };
      for (let attempt = 1; ; attempt += 1) {
        try {
          const answer = await askJson(address, { method: 'PUT', body, token });
          return requireInForce(weightIn(answer, address), weight, address);
        } catch (error) {
          if (!(error instanceof TrafficError)) throw error;
          // An answer that was lost on its way: what was asked for may be done.
          if (attempt > 1 && error.conflict && weightIn(await askJson(address, { token }), address) === weight) return;
          if (error.conflict || attempt === attempts) throw error;
        }
      }
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
      expected: 'a program that ends with exit code 0 within a minute',
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
  const path = resolve(root, file);
  const unreadable = (cause: unknown): TrafficError =>
    new TrafficError({
      found: `the file cannot be read or written (${(cause as NodeJS.ErrnoException).code ?? String(cause)})`,
      expected: 'a separate file in an existing folder that this user may write',
      where: file,
      cause,
    });
  // Before the first rollout there is none.
  const current = async (): Promise<string | null> => {
    try {
      return await readFile(path, 'utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw unreadable(cause);
    }
  };
  // Whole or not at all: the proxy may read it at any time.
  const replace = async (text: string): Promise<void> => {
    const beside = join(dirname(path), `.${Date.now()}.contender`);
    try {
      await writeFile(beside, text);
      await rename(beside, path);
    } catch (cause) {
      await rm(beside, { force: true });
      throw unreadable(cause);
    }
  };
  return {
    name: file,
    lapses: false,
    async read() {
      // A proxy does not start without the file: an empty one is a weight that nobody has set.
      const found = await current();
      const text = found === null || found.trim() === '' ? proxyText[proxy](0) : found;
      const { weight, all, none } = proxyPattern[proxy].exec(text)?.groups ?? {};
      if (weight !== undefined) return proxy === 'haproxy' ? Number(weight) / 100 : Number(weight);
      if (all !== undefined || none !== undefined) return all === undefined ? 0 : 100;
      throw new TrafficError({
        found: 'the file has a different format',
        expected: `what Contender writes for ${proxy}`,
        where: file,
        remedy: 'Use a separate file for the weight, or remove this one',
      });
    },
    async write({ weight }) {
      const before = await current();
      await replace(proxyText[proxy](weight));
      try {
        await runCommand(reload, root);
      } catch (error) {
        // What is not in force must not come into force when somebody else reloads. A weight of 0 stays: it is the safe side.
        if (weight !== 0) await replace(before ?? proxyText[proxy](0));
        throw error;
      }
    },
  };
}

const proxyText = {
  nginx: (weight: number): string => {
    // nginx knows hundredths of a percent.
    const share = Number(weight.toFixed(2));
    return `# Written by contender rollout.\nsplit_clients "$contender_key" $contender_arm {\n${share > 0 && share < 100 ? `  ${share}% candidate;\n` : ''}  * ${share === 100 ? 'candidate' : 'champion'};\n}\n`;
  },
  // Hundredths of a percent: HAProxy compares whole numbers.
  haproxy: (weight: number): string => `# Written by contender rollout.\nweight ${Math.round(weight * 100)}\n`,
};

const proxyPattern = {
  nginx:
    /split_clients [^{]*\{\n(?: {2}(?<weight>[0-9.]+)% candidate;\n {2}\* champion;| {2}\* (?:(?<all>candidate)|(?<none>champion));)\n\}/u,
  haproxy: /^weight (?<weight>[0-9]+)(?<all>(?!))?(?<none>(?!))?$/mu,
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
      expected: `${expected}%, as this rollout set it`,
      where,
      remedy: 'A person or another controller also sets this weight. Let only one of them set it',
    },
    true,
  );
}
