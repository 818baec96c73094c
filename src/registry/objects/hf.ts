import { isPinned, objectUri, type ObjectAddress } from '../../object-address.ts';
import { ask, jsonOf } from './ask.ts';
import { credential, encoded, encodedPath, endpoint, variable, type OpenedObject } from './opened.ts';
import { refusal } from './refusal.ts';

/**
 * Open a file of the Hugging Face Hub: the commit that its revision (default: main) has now. HF_TOKEN is sent to the Hub alone, not to
 * the servers that it sends downloads on to. HF_ENDPOINT names another Hub, as for Hugging Face's own clients.
 * @throws RegistryError, UsageError
 */
export async function openHf(
  object: Extract<ObjectAddress, { store: 'hf' }>,
  signal?: AbortSignal,
): Promise<OpenedObject> {
  const hub = endpoint(variable('HF_ENDPOINT') ?? 'https://huggingface.co', 'HF_ENDPOINT').href.replace(/\/+$/u, '');
  const { kind, repository, revision = 'main', key } = object;
  const token = credential('HF_TOKEN');
  const signedIn = token !== null;
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  let commit: unknown = revision;
  if (!isPinned(object)) {
    const url = new URL(`${hub}/api/${kind}/${repository}/revision/${encoded(revision)}?expand=sha`);
    const reply = await ask({ url, headers }, { signal });
    commit = jsonOf(reply)['sha'];
    if (reply.status !== 200 || typeof commit !== 'string' || !/^[0-9a-f]{40}$/u.test(commit)) {
      const code = reply.headers.get('x-error-code') ?? undefined;
      throw refusal('hf', objectUri(object), { status: reply.status, code, signedIn });
    }
  }
  const pinned = { ...object, revision: commit as string };
  const folder = kind === 'models' ? '' : `${kind}/`;
  const url = new URL(`${hub}/${folder}${repository}/resolve/${pinned.revision}/${encodedPath(key)}`);
  return { address: { url, headers }, object: pinned, signedIn };
}
