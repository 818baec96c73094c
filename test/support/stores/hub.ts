import { createHash } from 'node:crypto';
import { json, withServer } from './serve.ts';
import { serve } from './s3.ts';

/** A Hugging Face Hub: repositories with commits and branches, gated or not; large files are served by another host. */
export interface HubStandIn {
  endpoint: string;
  /** A commit on top of main with these files; returns its id. */
  commit(repository: string, files: Readonly<Record<string, Uint8Array>>): string;
  seen: string[];
  /** Absent: anybody may read. */
  token?: string;
  behaviour: { truncated?: number };
}

export function withHub<T>(work: (hub: HubStandIn) => Promise<T>): Promise<T> {
  const commits = new Map<string, Readonly<Record<string, Uint8Array>>>();
  const branches = new Map<string, string>();
  const hub: HubStandIn = {
    endpoint: '',
    seen: [],
    behaviour: {},
    commit(repository, files) {
      const id = createHash('sha1').update(`${repository}${commits.size}`).digest('hex');
      commits.set(`${repository}@${id}`, files);
      branches.set(`${repository}@main`, id);
      return id;
    },
  };
  return withServer(
    (request, response, [, other]) => {
      const { url = '', headers } = request;
      const path = url.split('?')[0] ?? '';
      const authorization = headers.authorization ?? 'none';
      hub.seen.push(`${headers.host?.split(':')[0]} ${path} ${authorization.split(' ')[0]}`);
      const fail = (status: number, code: string): void => json(response, status, {}, { 'x-error-code': code });
      if (path.startsWith('/cdn/')) {
        const [, , , repository = '', id = '', file = ''] = path.split('/').map(decodeURIComponent);
        const bytes = commits.get(`${repository}@${id}`)?.[file] ?? Buffer.alloc(0);
        return serve(Buffer.from(bytes), {}, request, response, hub.behaviour);
      }
      const sent = hub.token === undefined || authorization === `Bearer ${hub.token}`;
      if (!sent) return fail(401, authorization === 'none' ? 'RepoNotFound' : 'InvalidToken');
      const api = /^\/api\/(models|datasets)\/([^/]+\/[^/]+)\/revision\/([^/]+)$/u.exec(path);
      if (api !== null) {
        const [, kind, name, encoded = ''] = api;
        const repository = kind === 'models' ? name : `${kind}/${name}`;
        const revision = decodeURIComponent(encoded);
        const id = commits.has(`${repository}@${revision}`) ? revision : branches.get(`${repository}@${revision}`);
        return id === undefined ? fail(404, 'RevisionNotFound') : json(response, 200, { id: name, sha: id });
      }
      const [, repository = '', id = '', encoded = ''] =
        /^\/((?:datasets\/)?[^/]+\/[^/]+)\/resolve\/([0-9a-f]{40})\/(.+)$/u.exec(path) ?? [];
      const file = encoded.split('/').map(decodeURIComponent).join('/');
      if (commits.get(`${repository}@${id}`)?.[file] === undefined) return fail(404, 'EntryNotFound');
      const place = [repository, id, file].map(encodeURIComponent).join('/');
      response.writeHead(302, { location: `${other}/cdn/xet/${place}`, 'x-repo-commit': id }).end();
    },
    ([site]) => {
      hub.endpoint = site;
      return work(hub);
    },
  );
}
