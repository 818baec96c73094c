import { RegistryError } from '../errors.ts';
import { openGitHub } from '../github/client.ts';
import { runPlace } from '../github/run-place.ts';
import { releaseVersion } from '../pipeline/release.ts';
import { openActionWorkspace, runAction, writeSummary } from './action.ts';
import { releaseInputs } from './inputs.ts';

const outputs = ['status', 'headline', 'version', 'tag', 'url'] as const;

await runAction(outputs, async ({ signal, setOutputs }) => {
  const inputs = await releaseInputs(process.env);
  const workspace = await openActionWorkspace(inputs, signal);
  const place = await runPlace(process.env);
  if (place === null) throw new RegistryError({ found: 'this is no workflow run', remedy: 'Run it on GitHub' });
  const { repository, apiUrl } = place;
  const github = openGitHub({ repository, token: inputs.token, apiUrl, log: workspace.log, signal });
  const { version } = inputs;
  const released = await releaseVersion(workspace, { github, version, server: process.env['GITHUB_SERVER_URL'] });
  const headline = `Release ${released.tag}: ${released.action}`;
  setOutputs({
    status: released.action,
    headline,
    version: released.version,
    tag: released.tag,
    url: released.url,
  } satisfies Record<(typeof outputs)[number], string>);
  workspace.log.info(`${headline}. ${released.url}`);
  await writeSummary(`## 📦 ${headline}\n\n${encodeURI(released.url)}\n`);
});
