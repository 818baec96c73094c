import type Docker from 'dockerode';
import type { Staging } from '../config/schema.ts';
import { StagingError } from '../errors.ts';
import { connectEngine } from './engine.ts';
import { healthy } from './health.ts';
import { exitOf, observer, tail } from './image.ts';
import type { Service } from './service.ts';
import type { StagingTarget } from './target.ts';

type ComposeStaging = Extract<Staging, { compose: string }>;

/**
 * Use a service that Docker Compose runs on this machine, found by its labels: nothing is started or stopped, but its memory, CPU and log
 * are seen, which a URL does not give.
 * @throws StagingError when there is no such container, or more than one
 */
export async function useCompose(input: {
  staging: ComposeStaging;
  service: Service;
  signal?: AbortSignal | undefined;
}): Promise<StagingTarget> {
  const { staging, service, signal } = input;
  const engine = await connectEngine();
  const container = engine.getContainer(await containerOf(engine, staging));
  const info = await container.inspect();
  const url = addressOf(info, staging);
  const logs = () => tail(container);
  const metadata = await healthy({
    what: `The service ${JSON.stringify(staging.compose)} of Docker Compose`,
    url,
    service,
    staging,
    signal,
    external: true,
    ended: async () => exitOf(await container.inspect()),
    logs,
  });
  const { NanoCpus: nanoCpus = 0, Memory: memory = 0 } = info.HostConfig;
  return {
    kind: 'compose',
    url,
    service,
    metadata,
    startedInMs: null,
    limits: { cpus: nanoCpus > 0 ? nanoCpus / 1e9 : null, memoryBytes: memory > 0 ? memory : null },
    observe: observer(container),
    logs,
    stop: () => Promise.resolve(),
  };
}

async function containerOf(engine: Docker, { compose, project }: ComposeStaging): Promise<string> {
  const label = [
    `com.docker.compose.service=${compose}`,
    ...(project === undefined ? [] : [`com.docker.compose.project=${project}`]),
  ];
  const found = await engine.listContainers({ filters: { label } });
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return only.Id;
  const projects = [...new Set(found.map(({ Labels: labels }) => labels['com.docker.compose.project'] ?? '?'))];
  const several = projects.length > 1 ? ` in the projects ${projects.join(', ')}` : '';
  throw new StagingError(
    {
      found: `${only === undefined ? 'No container' : `${found.length} containers`} of the service ${JSON.stringify(compose)} run${only === undefined ? 's' : ''}${several}`,
      expected: 'one',
      where: 'staging.compose',
      remedy:
        only === undefined
          ? 'Start it in an earlier step: docker compose up --detach --wait'
          : projects.length > 1
            ? 'Name one of them: staging.project'
            : 'Test a single replica, or test the load balancer in front of them with staging: { url }',
    },
    true,
  );
}

/** A published port of this machine, else that of the container in its network. */
function addressOf(info: Docker.ContainerInspectInfo, { compose, port }: ComposeStaging): string {
  const exposed = Object.keys(info.NetworkSettings.Ports).filter((name) => name.endsWith('/tcp'));
  const wanted = port === undefined ? exposed : [`${port}/tcp`];
  const [name, ...others] = wanted;
  if (name === undefined || others.length > 0) {
    throw new StagingError({
      found: `The service ${JSON.stringify(compose)} exposes ${exposed.length === 0 ? 'no port' : exposed.join(', ')}`,
      expected: 'the port that the service listens on',
      where: 'staging.port',
    });
  }
  const published = info.NetworkSettings.Ports[name]?.find(({ HostIp: ip }) => !ip.includes(':'));
  if (published !== undefined) {
    const host = published.HostIp === '0.0.0.0' || published.HostIp === '' ? '127.0.0.1' : published.HostIp;
    return `http://${host}:${published.HostPort}`;
  }
  const address = Object.values(info.NetworkSettings.Networks)
    .map(({ IPAddress: ip }) => ip)
    .find((ip) => ip !== '');
  if (address !== undefined) return `http://${address}:${name.replace('/tcp', '')}`;
  throw new StagingError({
    found: `Port ${name} of the service ${JSON.stringify(compose)} is not published, and the container has no network`,
    expected: 'a port that this machine can reach',
    where: 'staging.port',
    remedy: `Publish it: ports: ["127.0.0.1::${name.replace('/tcp', '')}"]`,
  });
}
