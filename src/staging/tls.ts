import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { Staging } from '../config/schema.ts';
import { ConfigError } from '../errors.ts';
import type { Service } from './service.ts';

type Files = NonNullable<Extract<Staging, { url: string }>['tls']>;

/**
 * The certificates and the key that `staging.tls` names.
 * @param folder absolute path of the folder of contender.yml
 * @throws ConfigError for a file that cannot be read, or that holds no certificate or no key for it
 */
export async function readTls(files: Files, folder: string): Promise<NonNullable<Service['tls']>> {
  if ((files.certificate === undefined) !== (files.key === undefined)) {
    throw new ConfigError({
      found: files.key === undefined ? 'a certificate without its key' : 'a key without its certificate',
      expected: 'staging.tls.certificate and staging.tls.key, or neither',
      where: 'staging.tls',
    });
  }
  const read = async (name: keyof Files): Promise<Buffer | undefined> => {
    const path = files[name];
    if (path === undefined) return undefined;
    return readFile(resolve(folder, path)).catch((error: NodeJS.ErrnoException) => {
      throw new ConfigError({
        found: `${JSON.stringify(path)} cannot be read (${error.code ?? error.message})`,
        expected: 'a PEM file; the path is relative to the folder of contender.yml',
        where: `staging.tls.${name}`,
      });
    });
  };
  const [ca, cert, key] = [await read('ca'), await read('certificate'), await read('key')];
  const tls = { ca, cert, key };
  try {
    // A file that holds no certificate is passed over otherwise.
    if (ca !== undefined && new X509Certificate(ca).raw.length === 0) throw new Error('no certificate');
    createSecureContext(tls);
  } catch (error) {
    throw new ConfigError({
      found: `the files of staging.tls cannot be used: ${(error as Error).message}`,
      expected: 'certificates in PEM format, and the key of the certificate without a passphrase',
      where: 'staging.tls',
    });
  }
  return tls;
}
