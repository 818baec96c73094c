import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { StandIn } from '../support/runner/action-source.ts';
import { concurrencyGroups } from '../support/runner/concurrency.ts';
import type { JobResult } from '../support/runner/job-state.ts';
import { startRun, type Permissions, type Run, type RunResult } from '../support/runner/run.ts';
import { readWorkflow } from '../support/runner/workflow-file.ts';

/*
 * The harness against what GitHub documents of its runner: "Workflow syntax", "Contexts", "Expressions", "Workflow commands",
 * "Metadata syntax", "Workflow cancellation reference" in GitHub's docs.
 */
let folder = '';
let count = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'contender-runner-'));
});
after(() => rm(folder, { recursive: true, force: true }));

interface Given {
  secrets?: Record<string, string>;
  vars?: Record<string, string>;
  github?: Record<string, string>;
  /** Files of the action `made/action@v1`. */
  action?: Record<string, string>;
  standIns?: Record<string, StandIn>;
  tokens?: (Permissions | null)[];
  runners?: number;
}

/** Start a workflow that begins with `jobs:` or whatever comes before it; events are of no matter here. */
async function start(text: string, given: Given = {}): Promise<Run> {
  const place = join(folder, String(++count));
  const tree = join(place, 'tree');
  for (const [name, content] of Object.entries(given.action ?? {})) {
    await mkdir(join(tree, name, '..'), { recursive: true });
    await writeFile(join(tree, name), content);
  }
  return startRun({
    file: await readWorkflow('.github/workflows/made.yml', `on: push\n${text}`),
    github: {
      repository: 'ada/spam',
      ref: 'refs/heads/main',
      event_name: 'push',
      event: { after: 'abc' },
      ...given.github,
    },
    inputs: null,
    vars: given.vars ?? {},
    secrets: given.secrets ?? {},
    token(permissions) {
      given.tokens?.push(permissions);
      return `token-of-job-${count}`;
    },
    revoke: () => undefined,
    admitted: () => Promise.resolve(null),
    service: {},
    actions: { repositories: { 'made/action': tree }, standIns: given.standIns ?? {} },
    settings: { node: process.execPath, minuteMs: 1000, patience: { interruptMs: 300, terminateMs: 300 } },
    concurrency: concurrencyGroups(),
    folder: join(place, 'run'),
    runners: given.runners ?? 2,
    earlier: null,
  });
}

async function run(text: string, given: Given = {}): Promise<RunResult> {
  return (await start(text, given)).done;
}

/** Until a step has made this file. */
async function present(path: string): Promise<void> {
  while (!existsSync(path)) await setTimeout(20);
}

/** One job with these steps, written from the first column on. */
function steps(text: string): string {
  return `jobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n${text.replaceAll(/^/gmu, '      ')}`;
}

function job(result: RunResult, id = 'one'): JobResult {
  const found = result.jobs.find((each) => each.id === id);
  assert.ok(found, `no job ${id}`);
  return found;
}

const outcomes = (result: RunResult, id = 'one'): string[] =>
  job(result, id).steps.map((step) => `${step.id}:${step.outcome}/${step.conclusion}`);

describe('the harness runs steps as the runner does', () => {
  it('hands outputs, variables, paths and summaries from step to step through files', async () => {
    const result = await run(
      `env: { A: workflow, B: workflow }\n${steps(`- id: first
  env: { B: step }
  run: |
    printf 'say=%s\\n' "$A $B" >> "$GITHUB_OUTPUT"
    printf 'many<<END\\none\\ntwo=2\\nEND\\n' >> "$GITHUB_OUTPUT"
    echo 'LATER=yes' >> "$GITHUB_ENV"
    mkdir tools && printf '#!/bin/sh\\necho tool\\n' > tools/made && chmod +x tools/made
    echo "$PWD/tools" >> "$GITHUB_PATH"
    echo '# Hello' >> "$GITHUB_STEP_SUMMARY"
- id: second
  run: echo "got \${{ steps.first.outputs.many }} \${{ env.LATER }} $B $(made)" | tee /dev/null`)}`,
    );
    assert.equal(result.conclusion, 'success', result.log);
    assert.deepEqual(job(result).steps[0]?.outputs, { say: 'workflow step', many: 'one\ntwo=2' });
    assert.equal(job(result).steps[0]?.summary, '# Hello\n');
    assert.match(job(result).steps[1]?.log ?? '', /^got one\ntwo=2 yes workflow tool$/mu);
  });

  it('ends a script at the first failing command, and a pipe only under shell: bash', async () => {
    const result = await run(
      steps(`- id: stops
  continue-on-error: true
  run: |
    false
    echo not reached
- id: pipe
  run: false | true
- id: pipefail
  shell: bash
  continue-on-error: true
  run: false | true`),
    );
    assert.deepEqual(outcomes(result), ['stops:failure/success', 'pipe:success/success', 'pipefail:failure/success']);
    assert.doesNotMatch(result.log, /^not reached$/mu);
    assert.equal(result.conclusion, 'success');
    assert.match(result.log, /##\[error\]Process completed with exit code 1\./u);
  });

  it('asks each condition with the status so far', async () => {
    const result = await run(
      steps(`- { id: works, if: "github.ref == 'refs/heads/main'", run: "true" }
- { id: fails, run: exit 3 }
- { id: skipped, run: "true" }
- { id: onfailure, if: failure(), run: "true" }
- { id: always, if: "always() && steps.fails.outcome == 'failure'", run: "true" }
- { id: expression, if: "\${{ !cancelled() && steps.skipped.conclusion == 'skipped' }}", run: "true" }
- { id: oncancel, if: cancelled(), run: "true" }`),
    );
    assert.deepEqual(outcomes(result), [
      'works:success/success',
      'fails:failure/failure',
      'skipped:skipped/skipped',
      'onfailure:success/success',
      'always:success/success',
      'expression:success/success',
      'oncancel:skipped/skipped',
    ]);
    assert.equal(result.conclusion, 'failure');
  });

  it('carries out workflow commands and hides what is masked, in every form of it', async () => {
    const result = await run(
      steps(`- id: speaks
  run: |
    echo "::error file=a.yml,line=3,title=Colon%3A::first%0Asecond"
    echo "::notice::\${{ secrets.PASSWORD }}"
    echo "::add-mask::computed-value"
    echo "computed-value and $(printf %s "$PASSWORD" | base64)"
    echo "::stop-commands::pause"
    echo "::warning::is text now"
    echo "::pause::"
    echo "::unknown::is text"
    echo "::group::Folded"
  env: { PASSWORD: "\${{ secrets.PASSWORD }}" }
- id: many
  run: for i in $(seq 14); do echo "::warning::number $i"; done`),
      { secrets: { PASSWORD: 'correct-horse-battery' } },
    );
    assert.deepEqual(result.annotations.slice(0, 2), [
      { level: 'error', message: 'first\nsecond', title: 'Colon:', file: 'a.yml', line: 3 },
      { level: 'notice', message: '***' },
    ]);
    assert.equal(result.annotations.filter(({ level }) => level === 'warning').length, 10);
    const { log } = job(result);
    assert.doesNotMatch(log, /correct-horse|Y29ycmVjdC1ob3JzZS|^computed-value/mu);
    assert.match(log, /^::warning::is text now$/mu);
    assert.match(log, /^::unknown::is text$/mu);
    assert.match(log, /^##\[group\]Folded$/mu);
  });

  it('takes commands of the older form anywhere in a line, and fails a step whose command it refuses', async () => {
    const result = await run(
      steps(`- id: older
  run: |
    echo "so: ##[set-output name=word]one%3Btwo"
    echo "##[add-mask]hidden-word"
    echo "hidden-word ##[group]is text ##[warning]too"
    echo "##[stop-commands]pause"
    echo "##[error]is text now"
    echo "go on ##[pause]"
    echo "##[error]first"
- { id: env, continue-on-error: true, run: 'echo "::set-env name=A::b"' }
- { id: path, continue-on-error: true, run: 'echo "##[add-path]/tmp"' }
- { id: nameless, continue-on-error: true, run: 'echo "::set-output::b"' }
- { id: token, continue-on-error: true, run: 'echo "::stop-commands::error"' }`),
    );
    assert.deepEqual(job(result).steps[0]?.outputs, { word: 'one;two' });
    assert.deepEqual(outcomes(result), [
      'older:success/success',
      ...['env', 'path', 'nameless', 'token'].map((id) => `${id}:failure/success`),
    ]);
    assert.match(result.log, /^##\[group\]is text ##\[warning\]too$/mu);
    assert.match(result.log, /^##\[error\]is text now\ngo on ##\[pause\]\n##\[error\]first$/mu);
    assert.deepEqual(
      result.annotations.slice(0, 3).map(({ message }) => message),
      ['first', "Unable to process command '::set-env name=A::b' successfully.", 'The `set-env` command is disabled.'],
    );
  });

  it('fails a step that writes a file it cannot read, or tells Node what to do', async () => {
    const result = await run(
      steps(`- { id: format, continue-on-error: true, run: 'echo nothing >> "$GITHUB_OUTPUT"' }
- { id: open, continue-on-error: true, run: 'printf "a<<END\\nb\\n" >> "$GITHUB_OUTPUT"' }
- { id: node, continue-on-error: true, run: 'echo NODE_OPTIONS=--require=x >> "$GITHUB_ENV"' }`),
    );
    assert.deepEqual(outcomes(result), ['format:failure/success', 'open:failure/success', 'node:failure/success']);
    assert.match(result.log, /Unable to process file command 'output' successfully\. Invalid format 'nothing'/u);
    assert.match(result.log, /Matching delimiter not found 'END'/u);
  });

  it('gives time-outs to steps and jobs', async () => {
    const result = await run(
      `jobs:
  step:
    runs-on: ubuntu-latest
    steps:
      - { id: slow, timeout-minutes: 1, run: sleep 30 & wait }
      - { id: after, if: failure(), run: "true" }
  job:
    runs-on: ubuntu-latest
    timeout-minutes: 1
    steps:
      - { id: slow, run: sleep 30 & wait }
      - { id: after, if: always(), run: "true" }
`,
    );
    assert.deepEqual(outcomes(result, 'step'), ['slow:failure/failure', 'after:success/success'], result.log);
    assert.deepEqual(outcomes(result, 'job'), ['slow:cancelled/cancelled', 'after:success/success']);
    assert.match(result.log, /has timed out after 1 minutes/u);
    assert.equal(job(result, 'job').result, 'cancelled');
  });

  it('answers a cancelled run with SIGINT, then SIGTERM, then the end of everything it started', async () => {
    const flag = join(folder, 'stubborn');
    const started = await start(
      steps(`- id: stubborn
  run: |
    trap 'echo interrupted' INT
    trap 'echo terminated' TERM
    touch ${flag}
    while true; do sleep 0.05; done
- { id: skipped, run: "true" }
- { id: cleanup, if: cancelled(), run: echo cleaned }`),
    );
    await present(flag);
    started.cancel();
    const result = await started.done;
    assert.deepEqual(outcomes(result), [
      'stubborn:cancelled/cancelled',
      'skipped:skipped/skipped',
      'cleanup:success/success',
    ]);
    assert.match(result.log, /^interrupted\nterminated$/mu);
    assert.equal(result.conclusion, 'cancelled');
  });

  it('lets a running step that wants to go on when cancelled go on', async () => {
    const flag = join(folder, 'wants');
    const started = await start(steps(`- { id: wants, if: always(), run: touch ${flag}; sleep 0.6; echo done }`));
    await present(flag);
    started.cancel();
    const result = await started.done;
    assert.deepEqual(outcomes(result), ['wants:success/success'], result.log);
    assert.match(result.log, /^done$/mu);
  });
});

describe('the harness runs jobs as GitHub does', () => {
  it('hands outputs along needs, but none that hold a secret', async () => {
    const result = await run(
      `jobs:
  first:
    runs-on: ubuntu-latest
    outputs:
      said: \${{ steps.say.outputs.word }}
      secret: \${{ secrets.PASSWORD }}
    steps:
      - { id: say, run: 'echo word=hello >> "$GITHUB_OUTPUT"' }
  second:
    needs: first
    runs-on: ubuntu-latest
    steps:
      - run: echo "[\${{ needs.first.outputs.said }}] [\${{ needs.first.outputs.secret }}] \${{ needs.first.result }}"
`,
      { secrets: { PASSWORD: 'correct-horse' } },
    );
    assert.match(job(result, 'second').log, /^\[hello\] \[\] success$/mu);
    assert.match(job(result, 'first').log, /Skip output 'secret' since it may contain secret\./u);
  });

  it('skips what needs a failed or skipped job, unless it asks otherwise', async () => {
    const result = await run(
      `jobs:
  fails: { runs-on: ubuntu-latest, steps: [{ run: exit 1 }] }
  after: { needs: fails, runs-on: ubuntu-latest, steps: [{ run: "true" }] }
  anyway: { needs: after, if: always(), runs-on: ubuntu-latest, steps: [{ run: "true" }] }
  further: { needs: anyway, runs-on: ubuntu-latest, steps: [{ run: "true" }] }
  told: { needs: fails, if: failure(), runs-on: ubuntu-latest, steps: [{ run: "true" }] }
`,
    );
    assert.deepEqual(
      result.jobs.map(({ id, result: each }) => `${id}:${each}`),
      ['fails:failure', 'after:skipped', 'anyway:success', 'further:skipped', 'told:success'],
    );
    assert.equal(result.conclusion, 'failure');
  });

  it('makes the jobs of a matrix, with those included and without those excluded', async () => {
    const result = await run(
      `jobs:
  many:
    strategy:
      fail-fast: false
      matrix:
        fruit: [apple, pear]
        animal: [cat, dog]
        exclude: [{ fruit: pear, animal: cat }]
        include:
          - { color: green }
          - { fruit: apple, animal: cat, color: pink }
          - { fruit: banana }
    runs-on: ubuntu-latest
    steps:
      - run: echo "\${{ matrix.fruit }} \${{ matrix.animal }} \${{ matrix.color }} of \${{ strategy.job-total }}"
`,
    );
    assert.deepEqual(
      result.jobs.map(({ log }) => log.split('\n').at(-1)),
      ['apple cat pink of 4', 'apple dog green of 4', 'pear dog green of 4', 'banana   of 4'],
    );
    assert.equal(result.jobs[0]?.name, 'many (apple, cat, pink)');
  });

  it('cancels the rest of a matrix when one of it fails, unless told not to', async () => {
    const text = `jobs:
  many:
    strategy: { matrix: { wait: [0, 20, 21] } }
    runs-on: ubuntu-latest
    steps: [{ run: "sleep \${{ matrix.wait }} & wait; exit 1" }]
  after: { needs: many, if: "needs.many.result == 'failure' && always()", runs-on: ubuntu-latest, steps: [{ run: "true" }] }
`;
    const result = await run(text);
    assert.deepEqual(
      result.jobs.map(({ result: each }) => each),
      ['failure', 'cancelled', 'cancelled', 'success'],
    );
  });

  it('lets a job fail where its combination may', async () => {
    const result = await run(
      `jobs:
  many:
    strategy: { matrix: { include: [{ n: 1, may: true }, { n: 2, may: false }] } }
    continue-on-error: \${{ matrix.may }}
    runs-on: ubuntu-latest
    steps: [{ run: "exit \${{ matrix.may && 1 || 0 }}" }]
  after: { needs: many, runs-on: ubuntu-latest, steps: [{ run: "true" }] }
`,
    );
    assert.deepEqual(
      result.jobs.map(({ result: each }) => each),
      ['failure', 'success', 'success'],
    );
    assert.equal(result.conclusion, 'success');
  });

  it('cancels by cancel-in-progress the one job that is in the group, and none beside it', async () => {
    const flag = join(folder, 'third');
    const wait = `until [ -e ${flag} ]; do sleep 0.05; done`;
    const result = await run(
      `jobs:
  many:
    strategy:
      fail-fast: false
      max-parallel: 3
      matrix:
        include:
          - { group: one, run: "${wait}" }
          - { group: two, run: "${wait}" }
          - { group: three, run: sleep 0.3 }
          - { group: one, run: touch ${flag} }
    concurrency: { group: "\${{ matrix.group }}", cancel-in-progress: true }
    runs-on: ubuntu-latest
    steps: [{ run: "\${{ matrix.run }}" }]
`,
      { runners: 4 },
    );
    assert.deepEqual(
      result.jobs.map(({ result: each }) => each),
      ['cancelled', 'success', 'success', 'success'],
      result.log,
    );
  });

  it('fails a job whose outputs are larger than GitHub takes, and one that is too many in its run', async () => {
    const large = (characters: number): string =>
      `printf 'large=%s\\n' "$(head --bytes ${characters} /dev/zero | tr '\\0' x)" >> "$GITHUB_OUTPUT"`;
    const one = (characters: number): Promise<RunResult> =>
      run(`jobs:
  one:
    runs-on: ubuntu-latest
    outputs: { large: "\${{ steps.say.outputs.large }}" }
    steps:
      - id: say
        run: ${large(characters)}
`);
    assert.equal((await one(524_288)).conclusion, 'success');
    const result = await one(524_289);
    assert.deepEqual([result.conclusion, job(result).outputs], ['failure', {}]);
    assert.match(result.log, /Job outputs exceed 1048576 bytes/u);
    const many = await run(`jobs:
  many:
    runs-on: ubuntu-latest
    strategy: { fail-fast: false, matrix: { n: [${[...Array(51).keys()].join()}] } }
    outputs: { large: "\${{ steps.say.outputs.large }}" }
    steps:
      - id: say
        run: ${large(524_288)}
`);
    assert.deepEqual(many.jobs.map(({ result: each }) => each).toSorted(), [
      'failure',
      ...Array.from({ length: 50 }, () => 'success'),
    ]);
  });

  it('drops a summary of more than a mebibyte, says so, and goes on', async () => {
    const fill = (bytes: number): string => `head --bytes ${bytes} /dev/zero | tr '\\0' x >> "$GITHUB_STEP_SUMMARY"`;
    const result = await run(
      steps(`- { id: fits, run: '${fill(1_048_576).replaceAll("'", "''")}' }
- { id: large, run: '${fill(1_048_577).replaceAll("'", "''")}' }`),
    );
    assert.equal(result.conclusion, 'success', result.log);
    assert.deepEqual(
      job(result).steps.map(({ summary }) => summary.length),
      [1_048_576, 0],
    );
    assert.deepEqual(
      result.annotations.map(({ message }) => message),
      ['$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k, got 1024k.'],
    );
  });

  it('asks for a token with the permissions of the job, or of the workflow', async () => {
    const tokens: (Permissions | null)[] = [];
    const result = await run(
      `permissions: {}
jobs:
  none: { runs-on: ubuntu-latest, steps: [{ run: 'test "\${{ secrets.GITHUB_TOKEN }}" = "\${{ github.token }}"' }] }
  some: { permissions: { contents: write, checks: read }, runs-on: ubuntu-latest, steps: [{ run: "echo \${{ github.token }}" }] }
`,
      { tokens },
    );
    assert.equal(result.conclusion, 'success', result.log);
    assert.deepEqual(tokens, [{}, { contents: 'write', checks: 'read' }]);
    assert.doesNotMatch(result.log, /token-of-job/u);
  });

  it('gives scripts the folder and the shell that the workflow has set', async () => {
    const result = await run(
      `defaults: { run: { shell: bash, working-directory: /tmp } }\n${steps(`- { run: 'set -o | grep pipefail; pwd' }
- { run: 'pwd', shell: sh, working-directory: . }`)}`,
    );
    assert.match(result.log, /pipefail\s+on\n\/tmp$/mu);
    assert.match(result.log, /work\/spam\/spam$/u);
  });
});

describe('the harness runs actions as the runner does', () => {
  const action = {
    'node/action.yml': `name: Node
description: Speaks
inputs:
  word: { description: A word, default: "none of \${{ github.repository }}" }
  two words: { description: Two }
outputs: { said: { description: What } }
runs: { using: node24, pre: pre.js, main: main.js, post: post.js, post-if: "always()" }
`,
    'node/pre.js': `require('fs').appendFileSync(process.env.GITHUB_STATE, 'from=pre\\n'); console.log('pre ' + process.cwd())`,
    'node/main.js': `const fs = require('fs');
fs.appendFileSync(process.env.GITHUB_OUTPUT, 'said=' + process.env.INPUT_WORD + '/' + process.env.INPUT_TWO_WORDS + '\\n');
fs.appendFileSync(process.env.GITHUB_STATE, 'left=here\\n');
console.log('main ' + process.env.STATE_from + ' ' + process.env.GITHUB_ACTION_REPOSITORY + ' ' + JSON.parse(fs.readFileSync(process.env.GITHUB_EVENT_PATH)).after);
process.exitCode = process.env.INPUT_WORD === 'fail' ? 1 : 0`,
    'node/post.js': `console.log('post ' + process.env.STATE_left + ' ' + process.env.INPUT_WORD)`,
    'action.yml': `name: Composite
description: Two steps
inputs:
  word: { description: A word, required: true }
outputs:
  result: { description: What, value: "\${{ steps.inner.outputs.value }}" }
runs:
  using: composite
  steps:
    - { id: inner, shell: bash, run: 'echo "value=$WORD-$OUTER-$(basename "$GITHUB_ACTION_PATH")" >> "$GITHUB_OUTPUT"', env: { WORD: "\${{ inputs.word }}" } }
    - { uses: made/action/node@v1, with: { word: nested } }
    - { shell: bash, run: "exit \${{ inputs.word == 'fail' && 1 || 0 }}" }
    - { id: last, if: failure(), shell: bash, run: "echo status \${{ github.action_status }}" }
`,
  };

  it('with inputs, defaults, state and stages before and after, the last one first', async () => {
    const result = await run(
      steps(`- { id: a, uses: made/action/node@v1, with: { Word: hello, two words: both, typo: x } }
- { id: b, uses: made/action/node@v1 }
- { run: "echo \${{ steps.a.outputs.said }} \${{ steps.b.outputs.said }}" }`),
      { action },
    );
    assert.equal(result.conclusion, 'success', result.log);
    assert.deepEqual(
      job(result).steps.map(({ name }) => name.replace('made/action/node@v1', 'x')),
      ['Pre x', 'Pre x', 'Run x', 'Run x', 'Run echo hello/both none of ada/spam/', 'Post Run x', 'Post Run x'],
    );
    assert.match(job(result).steps[0]?.log ?? '', /^pre .*\/work\/spam\/spam$/mu);
    assert.match(job(result).steps[2]?.log ?? '', /^main pre made\/action abc$/mu);
    assert.match(job(result).steps[5]?.log ?? '', /^post here none of ada\/spam$/mu);
    assert.match(job(result).steps[6]?.log ?? '', /^post here hello$/mu);
    assert.deepEqual(
      result.annotations.map(({ message }) => message),
      ["Unexpected input(s) 'typo', valid inputs are ['word', 'two words']"],
    );
  });

  it('runs what comes after even when the step failed', async () => {
    const result = await run(steps('- { id: a, uses: made/action/node@v1, with: { word: fail } }'), { action });
    assert.equal(result.conclusion, 'failure');
    assert.match(job(result).steps.at(-1)?.log ?? '', /^post here fail$/mu);
  });

  it('made of steps, with a status of their own', async () => {
    const works = await run(
      steps(
        '- { id: c, uses: made/action@v1, with: { word: fine }, env: { OUTER: out } }\n- { id: d, if: failure(), run: "true" }',
      ),
      { action },
    );
    assert.equal(works.conclusion, 'success', works.log);
    assert.deepEqual(job(works).steps[0]?.outputs, { result: 'fine-out-tree' });
    assert.match(job(works).steps.at(-1)?.log ?? '', /^post here nested$/mu);
    const fails = await run(steps('- { id: c, uses: made/action@v1, with: { word: fail } }'), { action });
    assert.deepEqual(outcomes(fails)[0], 'c:failure/failure');
    assert.match(fails.log, /^status failure$/mu);
  });

  it('from the workspace, once something has put them there', async () => {
    const result = await run(
      steps(`- { id: early, uses: ./mine, continue-on-error: true }
- run: |
    mkdir mine
    printf 'name: a\\ndescription: b\\nruns:\\n  using: composite\\n  steps: [{ shell: bash, run: echo mine }]\\n' > mine/action.yml
- { id: late, uses: ./mine }`),
    );
    assert.equal(job(result).steps[0]?.outcome, 'failure');
    assert.match(result.log, /Did you forget to run actions\/checkout/u);
    assert.equal(job(result).steps[2]?.outcome, 'success');
  });

  it('fails the job at its start when an action cannot be found', async () => {
    const result = await run(steps('- { id: ran, run: "true" }\n- { uses: nobody/none@v1 }'));
    assert.equal(result.conclusion, 'failure');
    assert.deepEqual(job(result).steps, []);
    assert.match(result.log, /Unable to resolve action `nobody\/none@v1`, repository not found/u);
  });
});

it('the harness refuses what it would have to leave out: other machines, containers, services', async () => {
  const of = (settings: string): Promise<RunResult> => run(`jobs: { a: { ${settings}, steps: [{ run: "true" }] } }`);
  await assert.rejects(of('runs-on: windows-latest'), /runs on "windows-latest", which is not here/u);
  await assert.rejects(of('runs-on: [self-hosted, linux]'), /self-hosted/u);
  await assert.rejects(of('strategy: { matrix: { os: [macos-15] } }, runs-on: "${{ matrix.os }}"'), /macos-15/u);
  await assert.rejects(of('runs-on: ubuntu-latest, container: "node:24"'), /container of job a is not done here/u);
  await assert.rejects(of('runs-on: ubuntu-latest, services: { db: { image: "x" } }'), /services of job a/u);
  const both = 'concurrency: { group: a, queue: max, cancel-in-progress: true }';
  await assert.rejects(of(`runs-on: ubuntu-latest, ${both}`), /queue: max/u);
});

it('the harness takes no workflow that the official parser refuses', async () => {
  await assert.rejects(
    run('jobs: { a: { runs-on: ubuntu-latest, steps: [{ run: "${{ nothing.here }}" }] } }'),
    /nothing/u,
  );
  await assert.rejects(
    run('jobs: { a: { needs: b, runs-on: ubuntu-latest, steps: [{ run: "true" }] } }'),
    /at least one job/u,
  );
  await assert.rejects(
    run('jobs: { a: { runs-on: ubuntu-latest, steps: [{ run: "true", unknown: 1 }] } }'),
    /Unexpected value/u,
  );
});
