import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { startGitHub, type GitHubStandIn } from '../support/github-api/server.ts';
import { now, type PullRequest, type RepositoryState } from '../support/github-api/state.ts';
import { concurrencyGroups } from '../support/runner/concurrency.ts';
import { matchesFilter } from '../support/runner/globs.ts';
import type { RunResult } from '../support/runner/run.ts';
import { startActions, type ActionsService, type StartedRun } from '../support/runner/service.ts';

/*
 * Events, triggers, tokens, checkouts, artifacts, caches and concurrency groups against what GitHub documents of them, on the
 * stand-in of its API with real git.
 */
let folder = '';
let count = 0;
let hub: GitHubStandIn;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'contender-service-'));
  hub = await startGitHub(join(folder, 'hub'));
});
after(async () => {
  await hub.close();
  await rm(folder, { recursive: true, force: true });
});

interface Place {
  name: string;
  repository: RepositoryState;
  actions: ActionsService;
  /** Commit files on a branch. Gives the commit. */
  commit(files: Record<string, string>, branch?: string, parent?: string): Promise<string>;
}

/** A repository with these workflows on main. */
async function given(workflows: Record<string, string>, options: { private?: boolean } = {}): Promise<Place> {
  const name = `ada/spam-${++count}`;
  const files = Object.entries(workflows).map(([file, text]) => [
    `.github/workflows/${file}.yml`,
    `name: ${file}\n${text}`,
  ]);
  const repository = await hub.create(name, {
    files: { 'README.md': 'One\n', ...Object.fromEntries(files) },
    ...options,
  });
  const actions = startActions({
    hub,
    repository: name,
    folder: join(folder, 'runs', String(count)),
    actions: {},
    secrets: { KEY: 'a-secret-of-ours' },
    settings: { node: process.execPath, patience: { interruptMs: 300, terminateMs: 300 } },
  });
  const commit = async (changed: Record<string, string>, branch = 'main', parent?: string): Promise<string> => {
    const { git } = repository;
    const from = parent ?? (await git.git('rev-parse', branch));
    const changes = new Map<string, { mode: string; oid: string }>();
    for (const [path, content] of Object.entries(changed)) {
      changes.set(path, { mode: '100644', oid: await git.write('blob', Buffer.from(content)) });
    }
    const tree = await git.treeWith(await git.git('rev-parse', `${from}^{tree}`), changes);
    const author = { name: 'Ada', email: 'ada@example.invalid' };
    const made = await git.commit({ tree, parents: [from], message: 'Change', author, signed: false });
    await git.updateRefs([{ ref: `refs/heads/${branch}`, after: made }]);
    return made;
  };
  return { name, repository, actions, commit };
}

function only(runs: readonly StartedRun[]): StartedRun {
  assert.equal(runs.length, 1, `started: ${runs.map(({ name }) => name).join(', ')}`);
  return runs[0] as StartedRun;
}

const names = (runs: readonly StartedRun[]): string[] => runs.map(({ name }) => name).toSorted();

/** What the steps said, their own echo left out. */
function said(result: RunResult): string[] {
  return result.log.split('\n').filter((line) => line.startsWith('> '));
}

/** A workflow of one job with these steps, written from the first column on. */
function job(steps: string, more = ''): string {
  return `${more}jobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n${steps.replaceAll(/^/gmu, '      ')}\n`;
}

const checkout = 'uses: actions/checkout@v6';

describe('events start the workflows that ask for them', () => {
  const steps = job('- run: "true"');

  it('by branch, tag and changed path', async () => {
    const place = await given({
      models: `on: { push: { branches: [main, 'release/**'], paths: ['models/**', '!models/**/*.md'] } }\n${steps}`,
      tags: `on: { push: { tags: ['*@v[0-9]+.*'] } }\n${steps}`,
      any: `on: push\n${steps}`,
      ignoring: `on: { push: { paths-ignore: ['**.md'] } }\n${steps}`,
      asked: `on: workflow_dispatch\n${steps}`,
    });
    await place.commit({ 'models/a/b.onnx': 'x' });
    assert.deepEqual(names(await place.actions.push('refs/heads/main')), ['any', 'ignoring', 'models']);
    await place.commit({ 'models/a.md': 'x' });
    assert.deepEqual(names(await place.actions.push('refs/heads/main')), ['any']);
    await place.commit({ 'models/c.onnx': 'y' }, 'release/1/x', await place.repository.git.git('rev-parse', 'main'));
    assert.deepEqual(names(await place.actions.push('refs/heads/release/1/x')), ['any', 'ignoring', 'models']);
    await place.repository.git.git('update-ref', 'refs/tags/spam@v1.2.3', 'main');
    assert.deepEqual(names(await place.actions.push('refs/tags/spam@v1.2.3', null)), ['any', 'ignoring', 'tags']);
    await place.actions.settled();
  });

  it('as they are on the branch that was pushed', async () => {
    const place = await given({ any: `on: push\n${steps}` });
    await place.commit({ '.github/workflows/new.yml': `name: new\non: push\n${steps}` });
    assert.deepEqual(names(await place.actions.push('refs/heads/main')), ['any', 'new']);
    await place.actions.settled();
  });

  it('and filter patterns match as documented', () => {
    const cases: [string[], string, boolean][] = [
      [['*'], 'a/b', false],
      [['**'], 'a/b', true],
      [['docs/*'], 'docs/a/b.md', false],
      [['**/docs/**'], 'x/docs/a/b.md', true],
      [['**/docs/**'], 'docs/a.md', true],
      [['v[12].[0-9]+.[0-9]+'], 'v1.10.1', true],
      [['v[12].[0-9]+.[0-9]+'], 'v3.0.0', false],
      [['*.jsx?'], 'page.js', true],
      [['releases/**', '!releases/**-alpha'], 'releases/1-alpha', false],
      [['releases/**', '!releases/**-alpha', 'releases/keep-alpha'], 'releases/keep-alpha', true],
    ];
    for (const [patterns, name, matches] of cases)
      assert.equal(matchesFilter(patterns, name), matches, `${patterns.join(' ')} ${name}`);
  });

  it('with the inputs that were declared, filled in and typed', async () => {
    const place = await given({
      ask: job(
        '- run: echo "> $NAME ${{ inputs.dry && 1 || 0 }} ${{ github.event.inputs.dry }}"\n  env: { NAME: "${{ inputs.name }}" }',
        `on:
  workflow_dispatch:
    inputs:
      name: { required: true, type: string }
      dry: { type: boolean, default: false }
      how: { type: choice, options: [fast, slow], default: slow }
`,
      ),
    });
    const result = await only(await place.actions.dispatch('ask.yml', { name: '`id` $(id)' })).done;
    assert.deepEqual(said(result), ['> `id` $(id) 0 '], result.log);
    await assert.rejects(place.actions.dispatch('ask.yml', {}), /Required input 'name'/u);
    await assert.rejects(place.actions.dispatch('ask.yml', { name: 'a', how: 'never' }), /not in the list/u);
    await assert.rejects(place.actions.dispatch('ask.yml', { nobody: 'a' }), /Unexpected inputs/u);
  });
});

describe('checkouts', () => {
  it('are of the commit of the event, as deep as asked, with a token that pushes where it may', async () => {
    const place = await given({
      work: `on: push
permissions: {}
jobs:
  shallow:
    runs-on: ubuntu-latest
    permissions: { contents: write }
    steps:
      - ${checkout}
      - run: |
          echo "> $(git rev-list --count HEAD) $(git symbolic-ref --short HEAD) $(cat README.md)"
          git config user.name a; git config user.email a@example.invalid
          git commit --quiet --allow-empty -m 'From the run'
          git push --quiet
  reading:
    needs: shallow
    runs-on: ubuntu-latest
    permissions: { contents: read }
    steps:
      - ${checkout}
        with: { fetch-depth: 0, ref: main }
      - run: |
          echo "> $(git rev-list --count HEAD) $(git log -1 --format=%s)"
          git push --quiet origin HEAD:refs/heads/other
  nothing:
    runs-on: ubuntu-latest
    permissions: {}
    steps: [{ ${checkout} }]
  forgetting:
    needs: shallow
    runs-on: ubuntu-latest
    permissions: { contents: write }
    steps:
      - ${checkout}
        with: { persist-credentials: false, path: sub }
      - run: cd sub && git push origin HEAD:refs/heads/other
`,
    });
    await place.commit({ 'README.md': 'Two' });
    const result = await only(await place.actions.push('refs/heads/main')).done;
    assert.deepEqual(
      result.jobs.map(({ id, result: each }) => `${id} ${each}`),
      ['shallow success', 'reading failure', 'nothing failure', 'forgetting failure'],
      result.log,
    );
    assert.deepEqual(said(result), ['> 1 main Two', '> 3 From the run']);
    assert.match(result.jobs[1]?.log ?? '', /The requested URL returned error: 403/u);
    assert.match(result.jobs[3]?.log ?? '', /could not read Username/u);
    assert.equal(await place.repository.git.git('log', '-1', '--format=%s', 'main'), 'From the run');
    // What a run pushes starts no run.
    assert.equal((await place.actions.settled()).length, 1);
  });

  it('of a pull request are of its merge', async () => {
    const place = await given({
      gate: job(
        `- ${checkout}\n- run: echo "> $(cat README.md base.md) $(git rev-parse HEAD) $GITHUB_REF $GITHUB_HEAD_REF $GITHUB_BASE_REF"`,
        'on: pull_request\n',
      ),
    });
    await place.commit({ 'README.md': 'Changed' }, 'feature', await place.repository.git.git('rev-parse', 'main'));
    await place.commit({ 'base.md': 'Based' });
    const pull = await open(place, 'feature');
    const result = await only(await place.actions.pullRequest(pull.number, 'opened')).done;
    const merge = await place.repository.git.git('rev-parse', 'refs/pull/1/merge');
    assert.deepEqual(said(result), [`> ChangedBased ${merge} refs/pull/1/merge feature main`]);
    assert.deepEqual(await place.actions.pullRequest(pull.number, 'labeled'), []);
  });
});

async function open(place: Place, head: string, headRepository = place.name): Promise<PullRequest> {
  const pull: PullRequest = {
    number: 1,
    title: 'Change; $(id)',
    body: null,
    state: 'open',
    draft: false,
    base: 'main',
    head,
    headRepository,
    headSha: await place.repository.git.git('rev-parse', headRepository === place.name ? head : 'refs/forks/head'),
    user: { login: 'eve', id: 3, type: 'User' },
    labels: [],
    merged: false,
    mergeSha: null,
    created: now(),
    updated: now(),
    reviews: [],
  };
  place.repository.pulls.set(pull.number, pull);
  return pull;
}

describe('a pull request from a fork', () => {
  it('has no secrets and a token that reads; the run that follows it has both, on the default branch', async () => {
    const place = await given(
      {
        gate: job(
          `- ${checkout}
- run: |
    echo "> [\${{ secrets.KEY }}]"
    git push --quiet origin HEAD:refs/heads/other || echo "> refused"
    mkdir out && cat README.md > out/result
- uses: actions/upload-artifact@v6
  with: { name: result, path: out }`,
          'on: pull_request\npermissions: { contents: write }\n',
        ),
        follow: job(
          `- ${checkout}
- uses: actions/download-artifact@v7
  with: { name: result, path: there, run-id: "\${{ github.event.workflow_run.id }}", github-token: "\${{ github.token }}" }
- run: |
    echo "> \${{ github.event.workflow_run.conclusion }} $(cat there/result) $(cat README.md) $GITHUB_REF [\${{ secrets.KEY == 'a-secret-of-ours' }}]"
    git push --quiet origin HEAD:refs/heads/other && echo "> pushed"`,
          'on: { workflow_run: { workflows: [gate], types: [completed] } }\npermissions: { contents: write, actions: read }\n',
        ),
        blind: job(
          `- uses: actions/download-artifact@v7
  with: { name: result, run-id: "\${{ github.event.workflow_run.id }}", github-token: "\${{ github.token }}" }`,
          'on: { workflow_run: { workflows: [gate] } }\npermissions: {}\n',
        ),
      },
      { private: true },
    );
    const { git } = place.repository;
    const fork = await place.commit({ 'README.md': 'Forked' }, 'temporary', await git.git('rev-parse', 'main'));
    await git.updateRefs([
      { ref: 'refs/heads/temporary', after: null },
      { ref: 'refs/forks/head', after: fork },
    ]);
    await open(place, 'feature', 'eve/spam');
    only(await place.actions.pullRequest(1, 'opened'));
    const settled = await place.actions.settled();
    const of = (name: string): RunResult | undefined => settled.find((each) => each.name === name)?.result;
    assert.deepEqual(said(of('gate') as RunResult), ['> []', '> refused'], of('gate')?.log);
    assert.deepEqual(said(of('follow') as RunResult), ['> success Forked One refs/heads/main [true]', '> pushed']);
    assert.equal(of('blind')?.conclusion, 'failure');
    assert.match(of('blind')?.log ?? '', /Resource not accessible by integration/u);
  });
});

describe('artifacts', () => {
  it('go from job to job by name or pattern, each name once a run, hidden files left out unless asked for', async () => {
    const place = await given({
      work: `on: workflow_dispatch
jobs:
  make:
    strategy: { matrix: { part: [a, b] } }
    runs-on: ubuntu-latest
    steps:
      - run: mkdir -p out/deep out/.hidden && echo "\${{ matrix.part }}" | tee out/deep/\${{ matrix.part }}.txt out/.hidden/x
      - uses: actions/upload-artifact@v6
        with: { name: "part-\${{ matrix.part }}", path: out }
      - { uses: actions/upload-artifact@v6, with: { name: "files-\${{ matrix.part }}", path: "out/**/*.txt" } }
      - { uses: actions/upload-artifact@v6, with: { name: "hidden-\${{ matrix.part }}", path: out/.hidden, include-hidden-files: true } }
      - { id: none, uses: actions/upload-artifact@v6, continue-on-error: true, with: { name: x, path: nowhere, if-no-files-found: error } }
      - { id: again, uses: actions/upload-artifact@v6, continue-on-error: true, with: { name: "part-\${{ matrix.part }}", path: out } }
      - { uses: actions/upload-artifact@v6, with: { name: "part-\${{ matrix.part }}", path: out, overwrite: true } }
      - run: echo "> \${{ steps.none.outcome }} \${{ steps.again.outcome }}"
  take:
    needs: make
    runs-on: ubuntu-latest
    steps:
      - uses: actions/download-artifact@v7
        with: { pattern: part-*, path: each }
      - uses: actions/download-artifact@v7
        with: { pattern: "files-*", path: merged, merge-multiple: true }
      - uses: actions/download-artifact@v7
        with: { name: hidden-a, path: one }
      - run: find each merged one -type f | sort | sed 's/^/> /'
      - { id: missing, uses: actions/download-artifact@v7, continue-on-error: true, with: { name: nothing } }
      - run: echo "> \${{ steps.missing.outcome }}"
`,
    });
    const result = await only(await place.actions.dispatch('work.yml')).done;
    assert.equal(result.conclusion, 'success', result.log);
    assert.deepEqual(said(result), [
      '> failure failure',
      '> failure failure',
      '> each/part-a/deep/a.txt',
      '> each/part-b/deep/b.txt',
      '> merged/deep/a.txt',
      '> merged/deep/b.txt',
      '> one/x',
      '> failure',
    ]);
  });

  it('are not those of a cache, which is found again by key or the beginning of one', async () => {
    const place = await given({
      work: job(
        `- id: cache
  uses: actions/cache@v4
  with: { path: kept, key: "kept-\${{ github.run_number }}", restore-keys: kept- }
- run: |
    mkdir -p kept && echo "> [\${{ steps.cache.outputs.cache-hit }}] $(cat kept/* 2>/dev/null)"
    echo "run \${{ github.run_number }}" > kept/file`,
        'on: workflow_dispatch\n',
      ),
    });
    const first = await only(await place.actions.dispatch('work.yml')).done;
    const second = await only(await place.actions.dispatch('work.yml')).done;
    assert.deepEqual([...said(first), ...said(second)], ['> [] ', '> [false] run 1']);
  });
});

describe('concurrency groups', () => {
  /** Of three runs that come while the first is under way. */
  async function conclusions(settings: string): Promise<string[]> {
    const flag = join(folder, `go-${count + 1}`);
    const steps = `- run: 'until [ -e ${flag} ]; do sleep 0.05; done'`;
    const place = await given({
      work: job(steps, `on: workflow_dispatch\nconcurrency: { group: one${settings} }\n`),
    });
    const runs: StartedRun[] = [];
    for (let time = 0; time < 3; time++) runs.push(only(await place.actions.dispatch('work.yml')));
    await writeFile(flag, '');
    return Promise.all(runs.map(async ({ done }) => (await done).conclusion));
  }

  it('keep one that waits, and a newer one takes its place', async () => {
    assert.deepEqual(await conclusions(''), ['success', 'cancelled', 'success']);
  });

  it('keep all that wait with queue: max', async () => {
    assert.deepEqual(await conclusions(', queue: max'), ['success', 'success', 'success']);
  });

  it('end what runs with cancel-in-progress', async () => {
    assert.deepEqual(await conclusions(', cancel-in-progress: true'), ['cancelled', 'cancelled', 'success']);
  });
});

it('a group with queue: max holds a hundred that wait, and turns the next one away', async () => {
  const groups = concurrencyGroups();
  const enter = (): Promise<(() => void) | null> =>
    groups.enter({ group: 'one', cancelInProgress: false, queue: 'max' }, () => undefined);
  const first = await enter();
  const waiting = Array.from({ length: 100 }, () => enter());
  assert.equal(await enter(), null);
  first?.();
  for (const each of waiting) {
    const leave = await each;
    assert.ok(leave !== null);
    leave();
  }
});

describe('a run that is run again', () => {
  const attempts = `on: workflow_dispatch
jobs:
  makes:
    runs-on: ubuntu-latest
    outputs: { made: "\${{ steps.make.outputs.made }}" }
    steps:
      - { id: make, run: 'echo "made=in $GITHUB_RUN_ATTEMPT" >> "$GITHUB_OUTPUT"; echo "$GITHUB_RUN_ATTEMPT" > file' }
      - { uses: actions/upload-artifact@v6, with: { name: file, path: file } }
  tries:
    needs: makes
    strategy: { fail-fast: false, matrix: { n: [1, 2] } }
    runs-on: ubuntu-latest
    env: { MADE: "\${{ needs.makes.outputs.made }}" }
    steps:
      - { uses: actions/download-artifact@v7, with: { name: file } }
      - run: 'echo "> \${{ matrix.n }} $MADE $(cat file) $GITHUB_ACTOR $GITHUB_TRIGGERING_ACTOR $GITHUB_RUN_NUMBER.$GITHUB_RUN_ATTEMPT"'
      - { if: matrix.n == 2, run: 'test -e $FLAG' }
  after: { needs: tries, runs-on: ubuntu-latest, steps: [{ run: echo "> after" }] }
  beside: { runs-on: ubuntu-latest, steps: [{ run: echo "> beside $GITHUB_RUN_ATTEMPT" }] }
`;
  const follow = job(
    '- run: echo "> ${{ github.event.workflow_run.run_attempt }}"',
    'on: { workflow_run: { workflows: [work] } }\n',
  );

  it('does what failed again, and what needs it, with what the rest left; or all', async () => {
    const flag = join(folder, 'works');
    const place = await given({ work: attempts.replace('$FLAG', flag), follow });
    const first = only(await place.actions.dispatch('work.yml'));
    const result = await first.done;
    assert.deepEqual(said(result), ['> 1 in 1 1 ada ada 1.1', '> 2 in 1 1 ada ada 1.1', '> beside 1'], result.log);
    assert.throws(() => place.actions.rerun(0), /no run/u);
    await writeFile(flag, '');
    const failed = place.actions.rerun(first.id, { failedOnly: true, by: 'grace' });
    assert.throws(() => place.actions.rerun(first.id), /already running/u);
    assert.deepEqual([failed.id, failed.attempt], [first.id, 2]);
    const second = await failed.done;
    assert.equal(second.conclusion, 'success', second.log);
    // What succeeded is shown as it was.
    assert.deepEqual(said(second), ['> 1 in 1 1 ada ada 1.1', '> 2 in 1 1 ada grace 1.2', '> after', '> beside 1']);
    const third = await place.actions.rerun(first.id).done;
    assert.deepEqual(said(third), ['> 1 in 3 3 ada ada 1.3', '> 2 in 3 3 ada ada 1.3', '> after', '> beside 3']);
    const answer = await fetch(`${hub.url}/repos/${place.name}/actions/runs/${first.id}`, {
      headers: { authorization: `Bearer ${hub.token()}` },
    });
    assert.equal(((await answer.json()) as { run_attempt: number }).run_attempt, 3);
    const followed = (await place.actions.settled()).filter(({ name }) => name === 'follow');
    assert.deepEqual(
      followed.map(({ result: each }) => said(each)),
      [['> 1'], ['> 2'], ['> 3']],
    );
  });
});

describe('an environment', () => {
  const deploy = `on: workflow_dispatch
jobs:
  build: { runs-on: ubuntu-latest, steps: [{ run: echo "> built" }] }
  deploy:
    needs: build
    environment: { name: production, url: "https://example.invalid" }
    runs-on: ubuntu-latest
    steps: [{ run: echo "> deployed" }]
`;

  it('lets a job in once a reviewer has approved it, and the run says who', async () => {
    const place = await given({ deploy });
    hub.guard(place.name, { name: 'production', reviewers: ['grace'] });
    const run = only(await place.actions.dispatch('deploy.yml'));
    // Nobody else's word is taken.
    await assert.rejects(place.actions.review(run, 'eve'), /no pending deployment requests/u);
    assert.equal(place.repository.runs.get(run.id)?.status, 'waiting');
    await place.actions.review(run, 'grace');
    const result = await run.done;
    assert.deepEqual(said(result), ['> built', '> deployed']);
    assert.deepEqual(place.repository.runs.get(run.id)?.approvals, [
      { state: 'approved', comment: '', user: 'grace', environments: ['production'] },
    ]);
  });

  it('fails a job that a reviewer rejects, and ends the wait of one that is cancelled', async () => {
    const place = await given({ deploy });
    hub.guard(place.name, { name: 'production', reviewers: ['grace'] });
    const rejected = only(await place.actions.dispatch('deploy.yml'));
    await place.actions.review(rejected, 'grace', 'rejected');
    const result = await rejected.done;
    assert.deepEqual([result.conclusion, said(result)], ['failure', ['> built']]);
    assert.match(result.annotations[0]?.message ?? '', /was rejected/u);
    const cancelled = only(await place.actions.dispatch('deploy.yml'));
    while (place.repository.runs.get(cancelled.id)?.status !== 'waiting') await setTimeout(10);
    cancelled.cancel();
    assert.equal((await cancelled.done).conclusion, 'cancelled');
  });

  it('takes jobs from its branches alone, and from any where nobody has made it', async () => {
    const place = await given({ deploy });
    await place.repository.git.git('update-ref', 'refs/heads/feature', 'main');
    const result = async (): Promise<RunResult> =>
      only(await place.actions.dispatch('deploy.yml', {}, 'refs/heads/feature')).done;
    assert.equal((await result()).conclusion, 'success');
    hub.guard(place.name, { name: 'production', branches: ['main'] });
    const refused = await result();
    assert.deepEqual([refused.conclusion, said(refused)], ['failure', ['> built']]);
    assert.match(refused.annotations[0]?.message ?? '', /Branch "feature" is not allowed to deploy to production/u);
    assert.equal((await only(await place.actions.dispatch('deploy.yml')).done).conclusion, 'success');
  });
});

it('a token ends with its job', async () => {
  const file = join(folder, 'token');
  const place = await given({
    keep: job(
      `- ${checkout}\n- run: printf %s "$TOKEN" > ${file}\n  env: { TOKEN: "\${{ github.token }}" }`,
      'on: push\n',
    ),
  });
  await place.commit({ 'a.md': 'a' });
  const result = await only(await place.actions.push('refs/heads/main')).done;
  assert.equal(result.conclusion, 'success', result.log);
  const headers = { authorization: `Bearer ${await readFile(file, 'utf8')}` };
  assert.equal((await fetch(`${hub.url}/repos/${place.name}/git/ref/heads/main`, { headers })).status, 401);
});
