import { rmSync } from 'node:fs';
import type { DatasetSource } from '../data/dataset.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { UsageError } from '../errors.ts';
import { fetchData } from '../registry/fetch-artifact.ts';
import { withoutQuery } from '../registry/hops.ts';
import { inside, type Workspace } from './workspace.ts';

/** Data at an address, which its digest identifies. */
export interface DataAddress {
  url: URL;
  sha256: string;
}

/** The address that is named in place of a path; null for a path. @throws UsageError for one without a digest */
export function dataAddress(uri: string, where: string): DataAddress | null {
  if (!/^https?:\/\//iu.test(uri)) return null;
  const url = URL.canParse(uri) ? new URL(uri) : null;
  const sha256 = /^#sha256=([0-9a-f]{64})$/u.exec(url?.hash ?? '')?.[1];
  if (url === null || sha256 === undefined) {
    throw new UsageError({
      found: url === null ? 'this is no address' : `the address ${withoutQuery(url)} without a digest`,
      expected: 'https://.../rows.parquet#sha256=<64 characters of 0-9 and a-f>',
      where,
      remedy: "Add the digest of the file, as 'sha256sum' prints it: what is at an address may change",
    });
  }
  url.hash = '';
  return { url, sha256 };
}

/**
 * Where data lie that the configuration names: a file, or a folder or wildcard of files, inside the workspace; or at an address, from
 * which they are downloaded and verified.
 * @throws UsageError, RegistryError
 */
export async function configuredData(
  workspace: Workspace,
  name: string,
  uri: string,
  key: string,
): Promise<DatasetSource> {
  const { csv, partitions } = workspace.modelConfig.data;
  const asked = { name, ...(csv === undefined ? {} : { csv }), ...(partitions === undefined ? {} : { partitions }) };
  const address = dataAddress(uri, `models.${workspace.model}.${key}`);
  if (address === null) return { ...asked, uri, path: await inside(workspace, uri, key) };
  const { url, sha256 } = address;
  // For a machine that keeps no downloads.
  const folder = await temporaryFolder('workspace');
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return { ...asked, uri: withoutQuery(url), path: await fetchData(workspace.root, url, sha256, folder, workspace) };
}
