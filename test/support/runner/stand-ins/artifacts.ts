import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { inDays, newId, type RepositoryState } from '../../github-api/state.ts';
import type { StandIn, StandInStep } from '../action-source.ts';
import { findFiles, matchesFilter } from '../globs.ts';
import { unzip, zip } from '../zip.ts';

/** actions/upload-artifact v6: one immutable zip of a name in an attempt of a run, where the API shows it. */
export function uploadArtifact(repository: RepositoryState): StandIn {
  return {
    inputs: {
      name: 'artifact',
      path: '',
      'if-no-files-found': 'warn',
      'retention-days': '0',
      'compression-level': '6',
      overwrite: 'false',
      'include-hidden-files': 'false',
    },
    async main(step) {
      const name = step.input('name');
      const { files, root } = filesOf(step);
      if (files.length === 0) {
        const message = `No files were found with the provided path: ${step.input('path')}. No artifacts will be uploaded.`;
        const action = step.input('if-no-files-found');
        if (action === 'error') throw new Error(message);
        step.log(action === 'warn' ? `::warning::${message}` : message);
        return;
      }
      const run = Number(step.env['GITHUB_RUN_ID']);
      const attempt = Number(step.env['GITHUB_RUN_ATTEMPT']);
      for (const [id, artifact] of repository.artifacts) {
        if (artifact.run !== run || artifact.attempt !== attempt || artifact.name !== name) continue;
        if (step.input('overwrite') !== 'true') {
          throw new Error(
            `Failed to CreateArtifact: Received non-retryable error: Failed request: (409) Conflict: an artifact with this name already exists on the workflow run`,
          );
        }
        repository.artifacts.delete(id);
      }
      const entries = new Map<string, Buffer>();
      for (const file of files) entries.set(relative(root, file), await readFile(file));
      const id = newId();
      const bytes = zip(entries);
      const expires = inDays(Number(step.input('retention-days')) || 90);
      repository.artifacts.set(id, { id, name, bytes, expired: false, expires, run, attempt });
      step.output('artifact-id', String(id));
      step.output('artifact-digest', createHash('sha256').update(bytes).digest('hex'));
      const { GITHUB_SERVER_URL: site = '', GITHUB_REPOSITORY: full = '' } = step.env;
      step.output('artifact-url', `${site}/${full}/actions/runs/${run}/artifacts/${id}`);
      step.log(`Artifact ${name} has been successfully uploaded! ${entries.size} files, id ${id}`);
    },
  };
}

/** actions/download-artifact v7: of this run, or through the API of another with a token that may read it. Of one name the latest. */
export function downloadArtifact(repository: RepositoryState): StandIn {
  return {
    inputs: {
      name: '',
      'artifact-ids': '',
      path: '',
      pattern: '',
      'merge-multiple': 'false',
      'github-token': '',
      repository: '=github.repository',
      'run-id': '=github.run_id',
    },
    async main(step) {
      const folder = resolve(step.job.folders.workspace, step.input('path'));
      const name = step.input('name');
      const ids = step.input('artifact-ids').split(',').filter(Boolean);
      const pattern = step.input('pattern') || '*';
      const all = step.input('github-token') === '' ? own() : await others();
      const latest = new Map(all.toSorted((a, b) => a.id - b.id).map((each) => [each.name, each])).values();
      const found = (ids.length > 0 ? all : [...latest]).filter((each) =>
        ids.length > 0
          ? ids.includes(String(each.id))
          : name === ''
            ? matchesFilter([pattern], each.name)
            : each.name === name,
      );
      if (found.length === 0 && name !== '')
        throw new Error(`Unable to download artifact(s): Artifact not found for name: ${name}`);
      // What is asked for by name alone lies directly in the folder.
      const direct = name !== '' || ids.length === 1 || step.input('merge-multiple') === 'true';
      for (const artifact of found) {
        const place = direct ? folder : join(folder, artifact.name);
        for (const [path, bytes] of unzip(await artifact.bytes())) {
          await mkdir(dirname(join(place, path)), { recursive: true });
          await writeFile(join(place, path), bytes);
        }
        step.log(`Artifact ${artifact.name} was downloaded to ${place}`);
      }
      step.output('download-path', folder);

      function own(): Found[] {
        const run = Number(step.env['GITHUB_RUN_ID']);
        return [...repository.artifacts.values()]
          .filter((each) => each.run === run)
          .map((each) => ({ id: each.id, name: each.name, bytes: () => Promise.resolve(each.bytes) }));
      }

      async function others(): Promise<Found[]> {
        const headers = { authorization: `Bearer ${step.input('github-token')}` };
        const api = `${step.env['GITHUB_API_URL'] ?? ''}/repos/${step.input('repository')}/actions`;
        const answer = await fetch(`${api}/runs/${step.input('run-id')}/artifacts?per_page=100`, { headers });
        const body = (await answer.json()) as { message?: string; artifacts?: { id: number; name: string }[] };
        if (body.artifacts === undefined)
          throw new Error(`Unable to download artifact(s): ${body.message ?? answer.status}`);
        return body.artifacts.map(({ id, name: called }) => ({
          id,
          name: called,
          bytes: async () => {
            const archive = await fetch(`${api}/artifacts/${id}/zip`, { headers });
            if (!archive.ok) throw new Error(`Unable to download artifact(s): ${archive.status}`);
            return Buffer.from(await archive.arrayBuffer());
          },
        }));
      }
    },
  };
}

interface Found {
  id: number;
  name: string;
  bytes(): Promise<Buffer>;
}

/** The files that match, and the folder their names are kept below. */
function filesOf(step: StandInStep): { files: string[]; root: string } {
  const { workspace } = step.job.folders;
  const patterns = step
    .input('path')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const hidden = step.input('include-hidden-files') === 'true';
  const files = findFiles(
    workspace,
    patterns.map((each) => absolute(each, workspace)),
  ).filter(
    (file) =>
      hidden ||
      !relative(workspace, file)
        .split('/')
        .some((part) => part.startsWith('.')),
  );
  const searched = patterns.filter((each) => !each.startsWith('!')).map((each) => searchPath(resolve(workspace, each)));
  const only = searched.length === 1 ? (searched[0] ?? workspace) : common(searched);
  return { files, root: files.length === 1 && files[0] === only ? dirname(only) : only };
}

function absolute(pattern: string, workspace: string): string {
  return pattern.startsWith('!') ? `!${resolve(workspace, pattern.slice(1))}` : resolve(workspace, pattern);
}

/** The part of a pattern before its first wildcard. */
function searchPath(pattern: string): string {
  const parts = pattern.split('/');
  const wild = parts.findIndex((part) => /[*?[]/u.test(part));
  return wild < 0 ? pattern : parts.slice(0, wild).join('/');
}

function common(paths: readonly string[]): string {
  const [first = '/', ...others] = paths;
  const shared = first.split('/').filter((part, index, parts) => {
    const prefix = parts.slice(0, index + 1).join('/');
    return others.every((other) => other === prefix || other.startsWith(`${prefix}/`));
  });
  const path = shared.join('/');
  return paths.includes(path) && basename(path).includes('.') ? dirname(path) : path;
}
