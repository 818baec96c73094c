/* Makes a release as a process of its own, so that it can be killed. Arguments: address, token, repository. */
import { openGitHub } from '../../src/github/client.ts';
import { makeRelease } from '../../src/github/release.ts';
import { silentLog } from '../../src/log.ts';
import { sampleRelease } from './sample-release.ts';

const [apiUrl = '', token = '', repository = ''] = process.argv.slice(2);
const github = openGitHub({ repository, token, apiUrl, log: silentLog });
process.stdout.write(JSON.stringify(await makeRelease(github, sampleRelease())));
