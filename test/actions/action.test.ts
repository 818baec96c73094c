import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { compiled } from '../support/gate-repository.ts';

const source = (path: string): string => pathToFileURL(compiled(path)).href;

/** What an action of this work says, in a process of its own. `context` and the errors are at hand. */
function run(work: string): Promise<{ code: number | null; stdout: string }> {
  const script = `
    import { runAction } from '${source('actions/action.js')}';
    import { UsageError } from '${source('errors.js')}';
    const cancel = async ({ signal }) => {
      const work = setInterval(() => process.kill(process.pid, 'SIGTERM'), 20);
      await new Promise((done) => signal.addEventListener('abort', done));
      clearInterval(work);
      throw signal.reason;
    };
    await runAction(['verdict', 'headline'], async (context) => { ${work} });
  `;
  return new Promise((done) => {
    const env = { PATH: process.env['PATH'] ?? '' };
    const child = execFile(process.execPath, ['--input-type=module', '-e', script], { env }, (_error, stdout) =>
      done({ code: child.exitCode, stdout }),
    );
  });
}

const tell = "context.onFault(async (message) => console.log('PUBLISHED ' + message));";

describe('an action that ends in a fault', () => {
  it('publishes what a person can mend, as it is', async () => {
    const { code, stdout } = await run(`${tell} throw new UsageError({ found: 'a mistake', remedy: 'Fix it' });`);
    assert.equal(code, 1);
    assert.match(stdout, /^::error::a mistake\. Fix it\.$/mu);
    assert.match(stdout, /^PUBLISHED a mistake\. Fix it\.$/mu);
  });

  it('publishes a bug as one, with nothing of what it says, which stays in the log', async () => {
    const { code, stdout } = await run(`${tell} throw new TypeError('of 0xsecret');`);
    assert.equal(code, 1);
    assert.match(stdout, /^::error::This is a bug in Contender, please report it: TypeError: of 0xsecret.*%0A +at /mu);
    assert.match(
      stdout,
      /^PUBLISHED This is a bug in Contender, please report it; the log of the run has the details\.$/mu,
    );
  });

  it('says its own fault where that of publishing comes on top', async () => {
    const { code, stdout } = await run(
      "context.onFault(async () => { throw new Error('lost'); }); throw new UsageError({ found: 'a mistake' });",
    );
    assert.equal(code, 1);
    assert.match(stdout, /^::error::a mistake\.$/mu);
    assert.match(stdout, /^::warning::Could not post the error to GitHub: .*lost/mu);
  });
});

describe('an action that is cancelled', () => {
  const cases: Record<string, [work: string, says: RegExp]> = {
    'before it records': ['', /^::error::Cancelled before the end; nothing was recorded\.$/mu],
    'while it records': [
      "context.onRecord('begun');",
      /^::error::Cancelled while the decision was being recorded: it may or may not be in the registry\. Run the job again: nothing is recorded twice\.$/mu,
    ],
    'after it recorded': [
      "context.onRecord({ status: 'recorded', commit: 'abc' }); context.remaining(['the check run', 'the release']);",
      /^::error::Cancelled after the decision was recorded in commit abc; missing: the check run, the release\. Run the job again: nothing is recorded twice, and missing steps are completed\.$/mu,
    ],
    'when the decision waits': [
      "context.onRecord({ status: 'pending', commit: null, pullRequest: { url: 'https://a/b/pull/3' } });",
      /decision was put into pull request https:\/\/a\/b\/pull\/3\. Run/u,
    ],
  };
  for (const [when, [work, says]] of Object.entries(cases)) {
    it(`${when} says what is recorded and what is missing, and publishes nothing: it has seconds to end`, async () => {
      const { code, stdout } = await run(`${tell} ${work} await cancel(context);`);
      assert.equal(code, 1);
      assert.match(stdout, says);
      assert.doesNotMatch(stdout, /PUBLISHED/u);
    });
  }
});
