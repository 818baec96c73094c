import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import type { Decision, Evidence } from '../../src/evidence/index.ts';
import { gitBytes } from '../../src/registry/git/run.ts';
import { writeParquet } from '../support/parquet.ts';
import { fixture } from '../support/project.ts';
import type { StartedRun } from '../support/runner/service.ts';
import type { RunResult } from '../support/runner/run.ts';
import { freePort, serveBoth, withUsers } from '../support/traffic-site.ts';
import { downloadContender, workflowHub, type WorkflowHub } from '../support/workflow-hub.ts';

/*
 * A content moderation model that is delivered step by step, by the workflows that people copy: the gate, a shadow, a canary at 1, 5, 10 and 25%, and
 * everybody. Real git, a real server with both versions, and simulated users who appeal against removals and report what was not removed.
 */
const model = 'content-moderation';
const workflows = ['promote.yml', 'shadow.yml', 'rollout.yml'];
let folder = '';
let tree = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'contender-delivery-'));
  tree = await downloadContender(folder);
  // What a service logs of its requests.
  await writeParquet(
    join(folder, 'requests.parquet'),
    `select id, to_json({ inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 60],
       data: list_value(*columns(* exclude (id, has_html, content_type, length_bucket, source, label))) }] }) as body
     from '${fixture('spam/data/eval.parquet')}' order by id limit 120`,
  );
});
after(() => rm(folder, { recursive: true, force: true }));

const shadow = (url: string): string => `    shadow:
      replay: { requests: requests.parquet, champion: ${url}/champion/v2/models/${model}/infer, candidate: ${url}/candidate/v2/models/${model}/infer }
      max_disagreement: 25pp
      max_error_rate: 5pp
`;
const rollout = (url: string): string => `    rollout:
      steps: [1, 5, 10, 25]
      step_time: 1s
      max_step_time: 120s
      min_requests: 2
      poll: 1s
      no_data: 10s
      expires: 20s
      weights: { server: ${url} }
      observe: { server: true }
      guardrails:
        - { name: errors, failure: error }
        - { name: slow_answers, failure: slow, over_ms: 2000 }
        - { name: false_positives, failure: feedback, feedback: false-positive }
        - { name: user_reports, failure: feedback, feedback: user-report }
`;

/** The repository of the model behind its service, with the candidate merged. */
function given(sections: (url: string) => string): { at: WorkflowHub; url: string } {
  const here = { at: undefined as unknown as WorkflowHub, url: '' };
  let server: { close(): Promise<void> } | undefined;
  before(async () => {
    const port = await freePort();
    here.url = `http://127.0.0.1:${port}`;
    const adapt = async (clone: string): Promise<void> => {
      for (const file of ['contender.yml', ...workflows.map((name) => `.github/workflows/${name}`)]) {
        const path = join(clone, file);
        const text = (await readFile(path, 'utf8')).replaceAll('spam-filter', model);
        await writeFile(path, text.replace('registry:\n', `${sections(here.url)}registry:\n`));
      }
      const fetching = `#!/bin/sh\ncp '${join(folder, 'requests.parquet')}' .\n`;
      await writeFile(join(clone, 'fetch-logs.sh'), fetching, { mode: 0o755 });
    };
    here.at = await workflowHub(join(folder, `hub-${port}`), tree, workflows, { adapt });
    const { clone, actions, push } = here.at;
    await clone.propose('spam/models/candidate.onnx');
    const gate = await only(await actions.push('refs/heads/main', await push())).done;
    assert.match(told(gate), /Held: the policy requires (?:shadow|rollout) evidence/u, gate.log);
    server = await serveBoth(clone.folder, model, port);
  });
  after(async () => {
    await server?.close();
    await here.at.close();
  });
  return here;
}

function only(runs: readonly StartedRun[]): StartedRun {
  assert.equal(runs.length, 1, `started: ${runs.map(({ name }) => name).join(', ')}`);
  return runs[0] as StartedRun;
}

const told = ({ annotations }: RunResult): string => annotations.map(({ message }) => message).join('\n');

async function weightAt(url: string): Promise<number> {
  return ((await (await fetch(`${url}/contender/weight`)).json()) as { weight: number }).weight;
}

/** Wait until the candidate has traffic. */
async function raised(url: string, run: StartedRun): Promise<void> {
  const over = new AbortController();
  void run.done.then(() => over.abort());
  while (!over.signal.aborted && (await weightAt(url)) === 0) await sleep(50);
  if (over.signal.aborted) assert.fail((await run.done).log);
}

/** How often people complain of each version: of removals, and of what was not removed. */
async function withPeople(
  url: string,
  candidate: { falsePositives: number; reports: number },
  work: () => Promise<void>,
): Promise<void> {
  const complain = (feedback: string, of: number, seed: number, next: () => Promise<void>): Promise<void> =>
    withUsers({ url }, { model, perSecond: 10, seed, feedback, reports: { champion: 0.02, candidate: of } }, next);
  await complain('false-positive', candidate.falsePositives, 1, () =>
    complain('user-report', candidate.reports, 2, work),
  );
}

/** What was recorded last, with the evidence of its rollout. */
async function lastDecision({ repository }: WorkflowHub): Promise<{ decision: Decision; evidence: Evidence | null }> {
  const show = async <T>(path: string): Promise<T> =>
    JSON.parse(await repository.git.git('show', `model-registry:registry/models/${model}/${path}`)) as T;
  const { head } = await show<{ head: { seq: number } }>('manifest.json');
  const decision = await show<Decision>(`decisions/000/${String(head.seq).padStart(6, '0')}.json`);
  const reference = decision.evidence.find(({ kind }) => kind === 'rollout');
  if (reference === undefined) return { decision, evidence: null };
  const path = `model-registry:registry/models/${model}/evidence/${reference.sha256}.json.gz`;
  const packed = await gitBytes(repository.git.folder, ['show', path]);
  return { decision, evidence: JSON.parse(gunzipSync(packed).toString()) as Evidence };
}

/** Of each deployment in the environment of the model: its states, with the first word of each text. */
function shown({ repository }: WorkflowHub): string[][] {
  const own = [...repository.deployments.values()].filter(
    ({ environment, task }) => environment === model && task === 'rollout',
  );
  return own.map(({ statuses }) => statuses.map(({ state, description }) => `${state} ${description.split(' ')[0]}`));
}

describe('a content moderation model', () => {
  const here = given((url) => shadow(url) + rollout(url));

  it('is not let out before its shadow', async () => {
    const result = await only(await here.at.actions.dispatch('rollout.yml')).done;
    assert.equal(result.conclusion, 'failure', result.log);
    assert.match(told(result), /policy requires shadow evidence.*contender shadow && contender promote/su);
    assert.equal(await weightAt(here.url), 0);
  });

  it('is compared in shadow, then at 1, 5, 10 and 25% of the traffic, and then has everybody', async () => {
    const { at, url } = here;
    const compared = await only(await at.actions.dispatch('shadow.yml')).done;
    assert.equal(compared.conclusion, 'success', compared.log);
    const { decision: held } = await lastDecision(at);
    assert.deepEqual(
      [held.outcome, held.evidence.map(({ kind }) => kind).toSorted(), held.reasons.map(({ code }) => code)],
      ['hold', ['data', 'evaluation', 'shadow'], ['evidence-missing']],
    );
    await withPeople(url, { falsePositives: 0.02, reports: 0.02 }, async () => {
      const run = only(await at.actions.dispatch('rollout.yml'));
      // A promotion of the same model waits until the rollout has ended.
      await raised(url, run);
      const gate = only(await at.actions.dispatch('promote.yml'));
      const first = await Promise.race([run.done.then(() => 'rollout'), gate.done.then(() => 'promotion')]);
      assert.equal(first, 'rollout');
      const result = await run.done;
      assert.equal(result.conclusion, 'success', result.log);
      const after = await gate.done;
      assert.equal(after.conclusion, 'success', after.log);
    });
    assert.equal(await weightAt(url), 100);
    const { decision, evidence } = await lastDecision(at);
    assert.deepEqual([decision.outcome, decision.to?.version], ['promote', '1.0.1']);
    assert.deepEqual(decision.evidence.map(({ kind }) => kind).toSorted(), ['data', 'evaluation', 'rollout', 'shadow']);
    const steps = evidence?.details['steps'] as { weight: number; verdict: string; failures: object }[];
    assert.deepEqual(
      steps.map(({ weight, verdict }) => [weight, verdict]),
      [1, 5, 10, 25].map((weight) => [weight, 'advance']),
    );
    assert.deepEqual(shown(at), [
      ['in_progress 1%', 'in_progress 5%', 'in_progress 10%', 'in_progress 25%', 'success Champion,'],
    ]);
    for (const { failures } of steps) {
      assert.deepEqual(Object.keys(failures).toSorted(), ['errors', 'false_positives', 'slow_answers', 'user_reports']);
    }
  });
});

describe('a content moderation model that removes what it should not', () => {
  const here = given(rollout);

  it('has no traffic after its run was cancelled, and is rolled back at once when it runs again', async () => {
    const { at, url } = here;
    await withPeople(url, { falsePositives: 0.9, reports: 0.02 }, async () => {
      const cancelled = only(await at.actions.dispatch('rollout.yml'));
      await raised(url, cancelled);
      cancelled.cancel();
      assert.equal((await cancelled.done).conclusion, 'cancelled');
      assert.equal(await weightAt(url), 0);
      const result = await only(await at.actions.dispatch('rollout.yml')).done;
      assert.equal(result.conclusion, 'failure', result.log);
      assert.match(told(result), /rolled back from (?:1|5|10)% of the traffic.*more false positives/su);
    });
    assert.equal(await weightAt(url), 0);
    const { decision, evidence } = await lastDecision(at);
    assert.equal(decision.outcome, 'reject');
    const harm = evidence?.checks.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id);
    assert.ok(harm?.includes('rollout/false_positives'), harm?.join());
    const [first, second = []] = shown(at);
    assert.deepEqual(first, ['in_progress 1%', 'error The']);
    assert.equal(second.at(-1), 'failure The');
  });
});
