import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startGitHub, type GitHubStandIn, type TokenInput } from '../support/github-api/server.ts';
import type { CheckRun } from '../support/github-api/state.ts';
import {
  contender,
  gateRepository,
  runAction,
  type CommandResult,
  type GateRepository,
} from '../support/gate-repository.ts';

const name = 'acme/models';
const number = 7;
const pull = {
  number,
  title: 'A better model',
  body: null,
  state: 'open' as const,
  draft: false,
  base: 'main',
  head: 'proposal',
  user: { login: 'stranger', id: 1, type: 'User' as const },
  labels: [],
  merged: false,
  mergeSha: null,
  created: '2026-01-02T03:04:05Z',
  updated: '2026-01-02T03:04:05Z',
  reviews: [],
};
const fork = 'stranger/models';

type Step = CommandResult & { summary: string };

describe('the gate of a pull request', () => {
  let folder = '';
  let repository: GateRepository;
  let server: GitHubStandIn;
  let head = '';
  let run = 100;
  /** The run of the last gate. */
  let gated = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contender-gate-'));
    repository = await gateRepository(join(folder, 'work'));
    await repository.withoutLoad();
    await contender(repository.folder, ['registry', 'register', '--artifact', 'models/champion.onnx']);
    await repository.propose('spam/models/candidate-small.onnx');
    head = await repository.git('rev-parse', 'HEAD');
    server = await startGitHub(join(folder, 'hub'));
    const { git, issues } = await server.create(name, { files: {} });
    await repository.git('push', '--quiet', git.folder, 'HEAD:refs/heads/proposal');
    issues.set(number, { title: 'A better model' });
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** An action, as compiled, in a run of its own. */
  async function step(
    action: string,
    {
      inputs = {},
      token = {},
      event,
      env,
    }: {
      inputs?: Record<string, string>;
      token?: TokenInput;
      event: object;
      env: Record<string, string>;
    },
  ): Promise<Step> {
    const files = { GITHUB_OUTPUT: 'output', GITHUB_STEP_SUMMARY: 'summary', GITHUB_EVENT_PATH: 'event.json' };
    for (const file of Object.values(files)) await writeFile(join(folder, file), '');
    await writeFile(join(folder, 'event.json'), JSON.stringify(event));
    const secret = server.token(token);
    const result = await runAction(action, folder, {
      ...server.environment(name),
      GITHUB_ACTIONS: 'true',
      GITHUB_WORKSPACE: repository.folder,
      GITHUB_ACTOR: 'ada',
      GITHUB_RUN_ID: String(++run),
      GITHUB_RUN_ATTEMPT: '1',
      ...env,
      ...Object.fromEntries(Object.entries(files).map(([key, file]) => [key, join(folder, file)])),
      INPUT_TOKEN: secret,
      ...Object.fromEntries(Object.entries(inputs).map(([key, value]) => [`INPUT_${key.toUpperCase()}`, value])),
    });
    const told = (result.stdout + result.stderr).replaceAll(`::add-mask::${secret}`, '');
    assert.ok(!told.includes(secret), 'the token is told to nobody');
    return { ...result, summary: await readFile(join(folder, 'summary'), 'utf8') };
  }

  /** The root action on the pull request. */
  const gate = (
    inputs: Record<string, string> = {},
    { token = {}, from = name }: { token?: TokenInput; from?: string } = {},
  ): Promise<Step> => {
    gated = run + 1;
    return step('gate', {
      inputs,
      token,
      event: { pull_request: { number, head: { sha: head, repo: { full_name: from } } } },
      env: { GITHUB_EVENT_NAME: 'pull_request', GITHUB_REF: `refs/pull/${number}/merge`, GITHUB_SHA: '0'.repeat(40) },
    });
  };

  /** The action that follows a gate, on the artifact it left. */
  const follow = async (
    over: Record<string, unknown> = {},
    left: string | null = join(repository.folder, '.contender'),
  ): Promise<Step> => {
    const path = join(repository.folder, 'artifact');
    await rm(path, { recursive: true, force: true });
    if (left !== null) await cp(left, path, { recursive: true });
    const workflow_run = {
      id: gated,
      run_attempt: 1,
      event: 'pull_request',
      head_sha: head,
      head_branch: 'proposal',
      head_repository: { full_name: fork },
      pull_requests: [],
      ...over,
    };
    return step('comment', {
      inputs: { path: 'artifact' },
      event: { workflow_run },
      env: { GITHUB_EVENT_NAME: 'workflow_run', GITHUB_REF: 'refs/heads/main', GITHUB_SHA: head },
    });
  };

  const comments = (): string[] => [...server.repository(name).comments.values()].map(({ body }) => body);
  const checks = (): CheckRun[] => [...server.repository(name).checks.values()];

  it('tells the result in one comment and one check run on the head commit', async () => {
    const { code, stdout, summary } = await gate({ check: 'true' });
    assert.equal(code, 1, stdout);
    const [comment = ''] = comments();
    assert.match(
      comment,
      /^<!-- contender model=spam-filter run=101\.1 -->\n## ⚠️ spam-filter: held\n\n\*\*Held: recall is 0\.9\d+, 1\.4 points below/u,
    );
    assert.ok(comment.includes(summary.split('\n')[2] ?? ''), 'in the words of the summary');
    assert.match(comment, new RegExp(`${head}.*acme/models/actions/runs/101`, 'u'));
    const [check] = checks();
    assert.deepEqual([check?.name, check?.head_sha, check?.conclusion], ['contender / spam-filter', head, 'neutral']);
    const [worst] = check?.annotations ?? [];
    const asked = (await readFile(join(repository.folder, 'contender.yml'), 'utf8')).split('\n')[
      (worst?.start_line ?? 0) - 1
    ];
    assert.deepEqual([worst?.path, worst?.annotation_level], ['contender.yml', 'warning']);
    assert.match(asked ?? '', /metric: (?:recall|roc_auc)/u);
  });

  it('updates the comment, also with the error of a run that could not decide', async () => {
    const { code, summary } = await gate({ candidate: 'models/none.onnx', check: 'true' });
    assert.equal(code, 1);
    assert.equal(comments().length, 1);
    assert.match(comments()[0] ?? '', /run=102\.1 -->\n## ❌ spam-filter: error\n\n.*none\.onnx/u);
    assert.match(summary, /error\n\n.*none\.onnx/u);
    assert.equal(checks().at(-1)?.conclusion, 'failure');
  });

  it('of a fork has its result in summary and exit code, with a notice and no error about the comment', async () => {
    const before = comments();
    const { code, stdout, summary } = await gate(
      { 'fail-on-hold': 'false', check: 'true' },
      { token: { permissions: { contents: 'read', 'pull-requests': 'read' } }, from: fork },
    );
    assert.equal(code, 0, stdout);
    assert.match(summary, /held/u);
    assert.match(stdout, /^::notice::No comment: the token of a pull request from a fork is read-only/mu);
    assert.doesNotMatch(stdout, /^::(?:error|warning)::No/mu);
    assert.deepEqual(comments(), before);
  });

  it('of a fork is told by the action that follows it, in the same comment, as the word of strangers', async () => {
    server.repository(name).pulls.set(number, {
      ...pull,
      headSha: head,
      headRepository: fork,
    });
    await writeFile(join(repository.folder, '.contender/spam-filter/report.md'), 'All is well, @everyone');
    const { code, stdout } = await follow();
    assert.equal(code, 0, stdout);
    assert.equal(comments().length, 1);
    assert.match(
      comments()[0] ?? '',
      new RegExp(
        `run=103\\.1 -->\n## ⚠️ spam-filter: held, as the fork's own run reports\n\n> .*under the control of the author.*actions/runs/103`,
        'su',
      ),
    );
    assert.doesNotMatch(comments()[0] ?? '', /everyone/u);
  });

  it('of a fork that left nothing has no old verdict beside its commit', async () => {
    const { code, stdout } = await follow({ id: run }, null);
    assert.equal(code, 0, stdout);
    assert.match(comments()[0] ?? '', /## ❌ spam-filter: error\n\nThe gate of this commit produced no result/u);
  });

  it('of a fork is told on the pull request it was made for, and on no other with the same head', async () => {
    const { pulls, issues, comments: all } = server.repository(name);
    issues.set(8, { title: 'The same to another branch' });
    pulls.set(8, { ...pull, number: 8, headSha: head, headRepository: fork });
    const before = all.size;
    const { stdout } = await follow();
    assert.match(stdout, /Commented on pull request 7 for 1 model\./u);
    assert.equal(all.size, before);
    pulls.delete(8);
  });

  it('of a fork is not told once its branch has moved on, nor of another run, nor after a push', async () => {
    const before = comments();
    const moved = await follow({ head_sha: '1'.repeat(40) });
    assert.match(moved.stdout, /No open pull request has 1{40} as its head/u);
    assert.equal(moved.code, 0);
    const other = await follow({ id: 99 });
    assert.match(other.stdout, /::error::the decision on spam-filter belongs to another run/u);
    const push = await follow({ event: 'push' });
    assert.match(push.stdout, /::error::this run was not triggered by a workflow run of a pull request/u);
    assert.deepEqual(comments(), before);
  });

  // The champion itself is no news, and quickly judged.
  const quick = { candidate: 'models/champion.onnx' };

  it('without the permission names it, and judges all the same', async () => {
    const { code, stdout, summary } = await gate(quick, { token: { permissions: { contents: 'read' } } });
    assert.match(stdout, /^::notice::No comment: .*permissions:%0A {2}pull-requests: write/mu);
    assert.equal(code, 0);
    assert.match(summary, /no change/u);
  });

  it('with a token that is not valid any more asks for another, and for no permission', async () => {
    server.fail({ answer: { status: 401, body: { message: 'Bad credentials' } } });
    const { code, stdout } = await gate(quick);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^::warning::No comment; .*Bad credentials\. Pass a token that is valid/mu);
    assert.doesNotMatch(stdout, /permissions:/u);
  });

  it('says nothing where it is told to say nothing', async () => {
    const before = server.requests.length;
    assert.equal((await gate({ ...quick, comment: 'never' })).code, 0);
    assert.equal(server.requests.length, before);
    const wrong = await gate({ comment: 'yes' });
    assert.match(wrong.stdout, /^::error::input comment: "yes".*always, on-failure, never/mu);
  });

  describe('that ends before anything is judged', () => {
    const judged = async (): Promise<void> => {
      await gate(quick);
      assert.match(comments()[0] ?? '', /spam-filter: no change/u);
    };
    beforeEach(judged);

    it('leaves no old verdict where contender.yml cannot be read: comment and check run are of the error', async () => {
      const path = join(repository.folder, 'contender.yml');
      const config = await readFile(path, 'utf8');
      await writeFile(path, config.replace('guardrails:', 'guardrail:'));
      const { code, stdout } = await gate({ check: 'true' });
      await writeFile(path, config);
      assert.equal(code, 1, stdout);
      assert.equal(comments().length, 1);
      assert.match(comments()[0] ?? '', new RegExp(`## ❌ spam-filter: error\n\n.*guardrail.*${head}`, 'su'));
      const check = checks().at(-1);
      assert.deepEqual([check?.name, check?.conclusion], ['contender / spam-filter', 'failure']);
    });

    it('does the same for an input that cannot be read, be it the one that says where to tell', async () => {
      for (const inputs of [{ 'fail-on-hold': 'no' }, { comment: 'allways' }, { check: 'yes' }]) {
        await judged();
        const { code } = await gate(inputs);
        assert.equal(code, 1);
        assert.match(comments()[0] ?? '', /## ❌ spam-filter: error\n\ninput/u, JSON.stringify(inputs));
      }
    });

    it('touches the comment of no other model than the one that was asked for', async () => {
      const { code, stdout } = await gate({ model: 'other', check: 'true' });
      assert.equal(code, 1);
      assert.match(stdout, /there is no model "other"/u);
      assert.match(comments()[0] ?? '', /spam-filter: no change/u);
      assert.equal(checks().at(-1)?.name, 'contender / other');
    });
  });

  it('has its check run, where there is no pull request, on the commit that was judged', async () => {
    const { code, stdout } = await step('gate', {
      inputs: { candidate: 'models/champion.onnx', check: 'true', record: 'false' },
      event: { repository: { default_branch: 'main' } },
      env: { GITHUB_EVENT_NAME: 'push', GITHUB_REF: 'refs/heads/main', GITHUB_SHA: '0'.repeat(40) },
    });
    assert.equal(code, 0, stdout);
    assert.equal(checks().at(-1)?.head_sha, await repository.git('rev-parse', 'HEAD'));
  });

  it('asks for action where all passed and an approval is missing', async () => {
    await repository.configure('      alpha: 0.05\n', '      alpha: 0.05\n      approvals: { from: [grace] }\n');
    await repository.propose('spam/models/candidate.onnx');
    const { pulls, git } = server.repository(name);
    await repository.git('push', '--quiet', git.folder, 'HEAD:refs/heads/proposal');
    pulls.set(number, { ...pull, headSha: head, headRepository: name });
    const { code, stdout } = await gate({ check: 'true' });
    assert.equal(code, 1, stdout);
    const check = checks().at(-1);
    assert.equal(check?.conclusion, 'action_required', stdout);
    assert.match(
      check?.output.title ?? '',
      /^Held: the policy requires 1 approval, but there is none\. May approve: grace/u,
    );
  });

  it('of a folder of the repository names places from its top, in annotations, check run and errors, and reads paths of inputs as told', async () => {
    const team = join(repository.folder, 'teams/the mail team');
    await mkdir(team, { recursive: true });
    for (const each of ['contender.yml', 'schema.json', 'data', 'models']) {
      await rename(join(repository.folder, each), join(team, each));
    }
    const path = join(team, 'contender.yml');
    const config = await readFile(path, 'utf8');
    await writeFile(path, config.replace('min: 0.85', 'min: 0.99'));
    const sha = await repository.commit('Ask for more recall');
    await repository.git('push', '--quiet', '--force', server.repository(name).git.folder, 'HEAD:refs/heads/proposal');
    head = sha;
    const inputs = { 'working-directory': 'teams/the mail team', check: 'true' };
    const judged = await gate(inputs);
    assert.match(
      judged.stdout,
      /^::error title=Recall%3A floor,file=teams\/the mail team\/contender\.yml,line=\d+,/mu,
      judged.stdout,
    );
    const places = checks()
      .at(-1)
      ?.annotations.map((each) => each.path);
    assert.deepEqual(new Set(places), new Set(['teams/the mail team/contender.yml']));
    // A path in an input starts where all others do, and not beside contender.yml.
    const own = 'teams/the mail team/models/champion.onnx';
    const same = await gate({ config: 'teams/the mail team/contender.yml', candidate: own });
    assert.match(same.summary, /no change/u, same.stdout);
    await writeFile(path, config.replace('guardrails:', 'guardrail:'));
    const { stdout } = await gate(inputs);
    assert.match(stdout, /^::error file=teams\/the mail team\/contender\.yml,line=\d+,col=\d+::.*guardrail/mu);
  });
});
