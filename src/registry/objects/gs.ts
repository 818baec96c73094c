import { objectUri, type ObjectAddress } from '../../object-address.ts';
import { ask, jsonOf } from './ask.ts';
import { googleToken } from './google-token.ts';
import { encoded, endpoint, variable, type OpenedObject } from './opened.ts';
import { refusal } from './refusal.ts';

/**
 * Open an object of Google Cloud Storage by its JSON API ("Objects: get"): the generation that it has now. Without credentials
 * (`googleToken`) it is asked for as anybody. STORAGE_EMULATOR_HOST names another server, as for Google's own clients.
 * @throws RegistryError, UsageError
 */
export async function openGs(
  object: Extract<ObjectAddress, { store: 'gs' }>,
  signal?: AbortSignal,
): Promise<OpenedObject> {
  const named = variable('STORAGE_EMULATOR_HOST') ?? 'https://storage.googleapis.com';
  const origin = endpoint(/^https?:\/\//u.test(named) ? named : `http://${named}`, 'STORAGE_EMULATOR_HOST');
  const token = await googleToken(signal);
  const signedIn = token !== null;
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  const urlOf = (generation: string | undefined, query: Record<string, string>): URL => {
    const url = new URL(`/storage/v1/b/${encoded(object.bucket)}/o/${encoded(object.key)}`, origin);
    url.search = new URLSearchParams({ ...query, ...(generation === undefined ? {} : { generation }) }).toString();
    return url;
  };
  const reply = await ask({ url: urlOf(object.generation, { fields: 'generation,size' }), headers }, { signal });
  const { generation } = jsonOf(reply);
  if (reply.status !== 200 || typeof generation !== 'string' || !/^[0-9]{1,20}$/u.test(generation)) {
    throw refusal('gs', objectUri(object), { status: reply.status, signedIn });
  }
  return {
    address: { url: urlOf(generation, { alt: 'media' }), headers },
    object: { ...object, generation },
    signedIn,
  };
}
