import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { baseOfEvent } from '../../src/github/run-place.ts';
import { inTemporaryFolder } from '../support/project.ts';

test('a change is held against the base of its pull request or queue, a push against what it moved from, a new branch against nothing', () =>
  inTemporaryFolder(async (folder) => {
    const [before, after] = ['1'.repeat(40), '2'.repeat(40)];
    const of = async (event: string, payload: object, base = ''): Promise<unknown> => {
      const path = join(folder, 'event.json');
      await writeFile(path, JSON.stringify(payload));
      return baseOfEvent({ GITHUB_EVENT_NAME: event, GITHUB_EVENT_PATH: path, GITHUB_BASE_REF: base });
    };
    const main = { base: 'refs/remotes/origin/main', pushed: false };
    assert.deepEqual(await of('pull_request', { action: 'edited' }, 'main'), main);
    assert.deepEqual(await of('merge_group', { merge_group: { base_sha: before } }), { base: before, pushed: false });
    assert.deepEqual(await of('push', { before, after }), { base: before, pushed: true });
    assert.equal(await of('push', { before: '0'.repeat(40), after }), undefined);
    assert.equal(await of('schedule', {}), undefined);
  }));
