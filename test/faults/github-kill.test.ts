import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Registry } from '../../src/registry/registry.ts';
import { repositoryName, withGitHub } from '../github/with-github.ts';
import { model, requested, type ActKind } from '../registry/github-acts.ts';
import { registryOn } from '../registry/github-store.ts';
import type { Fault, GitHubStandIn, SeenRequest } from '../support/github-api/server.ts';

const program = fileURLToPath(new URL('../registry/github-process.js', import.meta.url));

const writes = ({ method, name }: SeenRequest): boolean => method !== 'GET' && !name.startsWith('graphql query');
/** Requests at which the process is killed: every one of the common acts; the writes alone where there are many. */
const acts: { kind: ActKind; tags?: 'gto'; at(request: SeenRequest): boolean; atLeast: number }[] = [
  { kind: 'promotion', at: () => true, atLeast: 4 },
  { kind: 'rollback', at: () => true, atLeast: 4 },
  { kind: 'large promotion', at: writes, atLeast: 4 },
  // A blob, a tree, a commit, three tags or two, and the branch with all of them.
  { kind: 'promotion', tags: 'gto', at: writes, atLeast: 7 },
  { kind: 'rollback', tags: 'gto', at: writes, atLeast: 5 },
];
const cuts: [string, Fault][] = [
  ['after it is carried out, before the answer', 'hang-after'],
  ['before it is carried out', 'hang'],
];
/** Both cuts of every act, and not of the common ones alone: CONTENDER_EVERY_STEP=1. */
const everyStep = process.env['CONTENDER_EVERY_STEP'] !== undefined;

for (const { kind, tags, at, atLeast } of acts) {
  describe(`a ${kind} through the API${tags === undefined ? '' : ', with its tags'}`, () => {
    for (const [when, fault] of everyStep || at !== writes ? cuts : cuts.slice(0, 1)) {
      test(`killed at any request ${when} leaves the old or the new registry, and the next run completes it, once`, () =>
        withGitHub(async (server) => {
          const registry = registryOn(server, { tags });
          await registry.record(requested('promotion', 'first'));
          let killed = true;
          let step = 0;
          for (; killed; step++) {
            await registry.record(requested('promotion', `standing-${step}`));
            const before = await registry.log(model);
            const name = `${kind} ${step}`;
            killed = await killedAt(server, { kind, name, tags, at, step, fault });
            const between = await registry.log(model);
            assert.deepEqual(await registry.verify(), []);
            await registryOn(server, { tags }).record(requested(kind, name));
            const now = await registry.log(model);
            // What was there stays, and the act is on top of it exactly once, whether or not the killed process recorded it.
            assert.deepEqual(now.slice(0, before.length), before);
            assert.deepEqual(now.slice(0, between.length), between);
            assert.equal(now.length, before.length + 1, `${name}: once`);
            assert.equal(
              await championOf(registry),
              kind === 'rollback' ? before.at(-1)?.from?.version : now.at(-1)?.to?.version,
            );
            assert.deepEqual(await registry.verify(), []);
            const { git } = server.repository(repositoryName);
            assert.equal(
              await git.git('rev-list', '--count', 'main'),
              String(now.length + 1),
              'a commit for a decision',
            );
          }
          assert.ok(step > atLeast, `only ${step - 1} requests were met`);
        }));
    }
  });
}

async function championOf(registry: Registry): Promise<string | undefined> {
  return (await registry.view(model)).champion?.version;
}

/** Run a writer that is killed at its request number `step` of those meant. Returns whether there was such a request. */
async function killedAt(
  server: GitHubStandIn,
  input: {
    kind: ActKind;
    name: string;
    tags: 'gto' | undefined;
    at: (request: SeenRequest) => boolean;
    step: number;
    fault: Fault;
  },
): Promise<boolean> {
  const { kind, name, tags = '', at, step, fault } = input;
  const child = spawn(process.execPath, [program, server.url, server.token(), kind, name, tags], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const gone = new Promise((done) => child.on('close', done));
  let seen = 0;
  server.failBy((request) => {
    if (!at(request) || seen++ !== step) return null;
    // The server goes on with the request; the process never hears of it.
    setTimeout(() => child.kill('SIGKILL'), 50);
    return fault;
  });
  await gone;
  server.failBy(null);
  if (child.signalCode === null) assert.equal(child.exitCode, 0);
  return child.signalCode === 'SIGKILL';
}
