import type { DatasetSource } from '../data/dataset.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { UsageError } from '../errors.ts';
import { objectAddress, objectForms, objectStore } from '../object-address.ts';
import { fetchData } from '../registry/fetch-artifact.ts';
import { withoutQuery } from '../registry/hops.ts';
import { inside, type Workspace } from './workspace.ts';

/** Data at an address, which its digest identifies. */
export interface DataAddress {
  address: string;
  sha256: string;
}

/** The address that is named in place of a path; null for a path. @throws UsageError for one without a digest */
export function dataAddress(uri: string, where: string): DataAddress | null {
  const store = objectStore(uri);
  if (store === null && !/^https?:\/\//iu.test(uri)) return null;
  const { address = uri, sha256 } = /^(?<address>.*)#sha256=(?<sha256>[0-9a-f]{64})$/su.exec(uri)?.groups ?? {};
  const isOne = store === null ? URL.canParse(address) : objectAddress(address) !== null;
  if (isOne && sha256 !== undefined) return { address, sha256 };
  const shown = store === null && isOne ? withoutQuery(new URL(address)) : address;
  throw new UsageError({
    found: isOne ? `the address ${shown} without a digest` : 'this is not an address',
    expected:
      store === null
        ? 'https://.../rows.parquet#sha256=<64 characters of 0-9 and a-f>'
        : `${objectForms[store]}, with #sha256=<64 characters of 0-9 and a-f>`,
    where,
    remedy: "Add the digest of the file, as 'sha256sum' prints it: the content at an address may change",
  });
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
  const asked = { name, csv, partitions };
  const address = dataAddress(uri, `models.${workspace.model}.${key}`);
  if (address === null) return { ...asked, uri, path: await inside(workspace, uri, key) };
  // For a machine that keeps no downloads.
  const folder = await temporaryFolder('workspace');
  return { ...asked, ...(await fetchData(workspace.repository, address.address, address.sha256, folder, workspace)) };
}
