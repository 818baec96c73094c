import { posix } from 'node:path';
import type { ObjectAddress } from '../../object-address.ts';
import { RefusedDownload } from '../download.ts';
import type { OpenedObject } from './opened.ts';
import { refusal } from './refusal.ts';

/*
 * Stores are spoken to over the same `follow` and `download` as every other address, with its limits, retries and refusals: an SDK
 * would bring its own. Only the signature of S3 (AWS Signature Version 4) is taken from a library, aws4fetch: MIT, 11 kB, without
 * dependencies; @smithy/signature-v4 brings three packages and @smithy/core. @huggingface/hub has its own downloads and a
 * WebAssembly module of half a megabyte; google-auth-library and its six packages would serve for one header.
 */

/**
 * Ask a store for an object: which version there is, and where its bytes are.
 * @throws RegistryError when the store has none, or says no
 */
export async function openObject(object: ObjectAddress, signal?: AbortSignal): Promise<OpenedObject> {
  switch (object.store) {
    case 's3':
      return (await import('./s3.ts')).openS3(object, signal);
    case 'gs':
      return (await import('./gs.ts')).openGs(object, signal);
    case 'hf':
      return (await import('./hf.ts')).openHf(object, signal);
    case 'oci':
      return (await import('./oci.ts')).openOci(object, signal);
  }
}

/** The error of a download, as the store means it. @param uri address of the object */
export function explainedRefusal(error: unknown, { object, signedIn }: OpenedObject, uri: string): unknown {
  return error instanceof RefusedDownload ? refusal(object.store, uri, { status: error.status, signedIn }) : error;
}

/** The file at `location`, relative to the folder of another: as it is now in a bucket, of the same commit or manifest elsewhere. */
export function besideObject(object: ObjectAddress, location: string): ObjectAddress {
  const key = posix.join(posix.dirname(object.key ?? ''), location);
  switch (object.store) {
    case 's3':
      return { store: 's3', bucket: object.bucket, key };
    case 'gs':
      return { store: 'gs', bucket: object.bucket, key };
    default:
      return { ...object, key };
  }
}
