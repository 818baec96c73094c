import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runContext } from '../../src/github/context.ts';

const payload = { repository: { default_branch: 'main' } };

describe('the context of a run', () => {
  test('on a laptop knows nothing and records', () => {
    assert.deepEqual(runContext({}), {
      source: {},
      actor: undefined,
      mayRecord: true,
      recordsByDefault: true,
      withheld: undefined,
    });
  });

  test('of a push says who, where and which run, and records', () => {
    const env = {
      GITHUB_EVENT_NAME: 'push',
      GITHUB_REF: 'refs/heads/main',
      GITHUB_SHA: 'a'.repeat(40),
      GITHUB_REPOSITORY: 'ada/spam',
      GITHUB_RUN_ID: '7',
      GITHUB_RUN_ATTEMPT: '2',
      GITHUB_ACTOR: 'ada',
    };
    const context = runContext(env, payload);
    assert.deepEqual(context.source, {
      repository: 'ada/spam',
      sha: 'a'.repeat(40),
      ref: 'refs/heads/main',
      run: '7',
      attempt: '2',
      event: 'push',
    });
    assert.equal(context.actor, 'ada');
    assert.equal(context.recordsByDefault, true);
  });

  test('of any kind of pull request never records, and keeps its number', () => {
    for (const event of ['pull_request', 'pull_request_target', 'pull_request_review']) {
      assert.equal(runContext({ GITHUB_EVENT_NAME: event }).mayRecord, false, event);
    }
    const merged = runContext({ GITHUB_EVENT_NAME: 'workflow_run', GITHUB_REF: 'refs/pull/12/merge' });
    assert.equal(merged.mayRecord, false);
    assert.equal(merged.source.pullRequest, 12);
  });

  test('of another branch or a tag may record, and does not by itself, saying why', () => {
    for (const ref of ['refs/heads/feature', 'refs/tags/main', undefined]) {
      for (const event of ['push', 'workflow_dispatch']) {
        const env = { GITHUB_EVENT_NAME: event, ...(ref === undefined ? {} : { GITHUB_REF: ref }) };
        const { mayRecord, recordsByDefault, withheld } = runContext(env, payload);
        assert.deepEqual([mayRecord, recordsByDefault], [true, false], `${event} of ${ref}`);
        assert.match(
          withheld ?? '',
          new RegExp(`${ref ?? 'no branch'}, and only runs of the default branch, main,`, 'u'),
        );
      }
    }
    const unknown = runContext({ GITHUB_EVENT_NAME: 'push', GITHUB_REF: 'refs/heads/main' });
    assert.equal(unknown.recordsByDefault, false, 'a default branch that is not known is no branch');
    assert.match(unknown.withheld ?? '', /which the event does not name/u);
  });

  test('of events that know the default branch alone need not be told which it is', () => {
    for (const event of ['schedule', 'repository_dispatch']) {
      assert.equal(runContext({ GITHUB_EVENT_NAME: event, GITHUB_REF: 'refs/heads/trunk' }).recordsByDefault, true);
    }
  });

  test('of an unusual event records only when told to', () => {
    const context = runContext({ GITHUB_EVENT_NAME: 'merge_group' });
    assert.deepEqual([context.mayRecord, context.recordsByDefault], [true, false]);
  });
});
