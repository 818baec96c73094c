/*
 * A writer of its own over GitHub's API, for tests that kill it: records one decision and prints the result as a line of JSON.
 * Arguments: address of the API, token, the act (see github-acts.ts), its kind and its name,
 * and `gto` where it is to be tagged.
 */
import { openGitHub } from '../../src/github/client.ts';
import { silentLog } from '../../src/log.ts';
import { openGitHubRegistry } from '../../src/registry/github-registry.ts';
import { repositoryName } from '../github/repository-name.ts';
import { requested, type ActKind } from './github-acts.ts';

const [apiUrl = '', token = '', kind = '', name = '', tags = ''] = process.argv.slice(2);
const registry = openGitHubRegistry({
  github: openGitHub({ repository: repositoryName, apiUrl, token, log: silentLog }),
  token,
  path: 'registry',
  branch: 'main',
  ...(tags === 'gto' ? { tags } : {}),
  log: silentLog,
});
const { status, commit } = await registry.record(requested(kind as ActKind, name));
process.stdout.write(`${JSON.stringify({ status, commit })}\n`);
