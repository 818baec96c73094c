/*
 * A writer of its own, for tests that kill it: asks for the promotion of `b` through a pull request and prints the result.
 * Arguments: address of the API, token.
 */
import { openGitHub } from '../../src/github/client.ts';
import { silentLog } from '../../src/log.ts';
import { openGitHubRegistry } from '../../src/registry/github-registry.ts';
import { repositoryName } from '../github/repository-name.ts';
import { throughPullRequests } from './github-store.ts';
import { evidence, judged } from './sample-decision.ts';

const [apiUrl = '', token = ''] = process.argv.slice(2);
const registry = openGitHubRegistry({
  github: openGitHub({ repository: repositoryName, apiUrl, token, log: silentLog }),
  token,
  path: 'registry',
  branch: 'main',
  log: silentLog,
  pullRequests: throughPullRequests(),
});
const proof = [evidence('b')];
const result = await registry.record({
  model: 'spam-filter',
  decide: judged('spam-filter', 'b', 'promote', proof),
  evidence: proof,
});
process.stdout.write(JSON.stringify(result));
