import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { terminalLog } from '../src/cli/terminal-log.ts';
import { registerChampion, runGate, type PromoteResult } from '../src/pipeline/gate/promote.ts';
import { runRollout } from '../src/pipeline/rollout/run-rollout.ts';
import { openWorkspace } from '../src/pipeline/workspace.ts';
import { headline } from '../src/report/headline.ts';
import { startSplitServer } from '../src/serve/split-server.ts';
import { simulateUsers } from './simulated-users.ts';

const model = 'spam-filter';

/** How often users report that mail of theirs was taken for spam, by version. */
const stories = [
  { name: 'A canary that does no harm', reports: { champion: 0.02, candidate: 0.02 } },
  { name: 'A canary that takes more mail for spam', reports: { champion: 0.02, candidate: 0.2 } },
];

/**
 * The demo of a rollout: twice, the gate lets a candidate through, our server serves it beside the champion, simulated users send real
 * requests and report false positives, and the rollout decides. Nothing here knows the outcomes.
 *
 * @param freshRepository makes a repository with the spam case, and its candidate committed
 */
export async function demoRollout(
  freshRepository: (name: string) => Promise<string>,
  commit: (repository: string, message: string) => Promise<void>,
): Promise<void> {
  const started = Date.now();
  const results: { name: string; result: PromoteResult; weight: number; repository: string }[] = [];
  for (const [index, { name, reports }] of stories.entries()) {
    console.log(
      `${name}: of the champion's answers ${100 * reports.champion}% are reported, of the candidate's ${100 * reports.candidate}%.`,
    );
    const repository = await freshRepository(`repository-${index + 1}`);
    const server = await startSplitServer({
      champion: join(repository, 'models/champion.onnx'),
      candidate: join(repository, 'models/candidate.onnx'),
      modelName: model,
      port: 0,
      host: '127.0.0.1',
      logFile: join(repository, 'requests.jsonl'),
      keyHeader: 'x-user-id',
      token: undefined,
      log: await terminalLog({ verbose: false, quiet: true }),
    });
    const stop = new AbortController();
    try {
      await configure(join(repository, 'contender.yml'), server.url);
      await commit(repository, 'Configure the rollout');
      const open = async (quiet: boolean) =>
        openWorkspace({
          root: repository,
          config: 'contender.yml',
          model,
          out: 'reports',
          log: await terminalLog({ verbose: false, quiet }),
        });
      const person = { actor: 'demo', source: {}, record: true };
      await registerChampion(await open(true), {
        ...person,
        artifact: 'models/champion.onnx',
        reason: 'in production',
      });
      console.log(`  The gate: ${headline(await runGate(await open(true), person))}`);
      const traffic = simulateUsers({
        url: server.url,
        model,
        perSecond: 150,
        people: 4000,
        reports,
        signal: stop.signal,
      });
      const result = await runRollout(await open(false), { ...person, env: {} });
      stop.abort();
      await traffic;
      const { weight } = (await (await fetch(`${server.url}/contender/weight`)).json()) as { weight: number };
      results.push({ name, result, weight, repository });
      console.log(`  ${result.decision.outcome.toUpperCase()}: ${headline(result)}\n`);
    } finally {
      stop.abort();
      await server.close();
    }
  }
  console.log(`In ${Math.round((Date.now() - started) / 1000)} s:`);
  for (const { name, result, weight, repository } of results) {
    console.log(
      `  ${name}: ${result.decision.outcome}, the candidate has ${weight}% of the traffic. Report: ${join(repository, 'reports', model, 'report.html')}`,
    );
  }
}

/** The configuration of the spam case with a rollout in place of the load test. */
async function configure(path: string, url: string): Promise<void> {
  const config = await readFile(path, 'utf8');
  const section = `    rollout:
      steps: [5, 25, 50]
      step_time: 3s
      max_step_time: 30s
      min_requests: 30
      poll: 1s
      expires: 10s
      weights: { server: ${url} }
      observe: { server: true }
      guardrails:
        - { name: errors, failure: error }
        - { name: slow_answers, failure: slow, over_ms: 500 }
        - { name: false_positives, failure: feedback, feedback: false-positive }
`;
  await writeFile(path, config.replace(/ {4}staging:.*(?=registry:)/su, section));
}
