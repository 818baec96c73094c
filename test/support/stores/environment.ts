import { join } from 'node:path';
import { inTemporaryFolder } from '../project.ts';

const names = /^(?:AWS_|GOOGLE_|CLOUDSDK_|STORAGE_|HF_|OCI_|MLFLOW_|DOCKER_CONFIG|CONTENDER_CACHE)/u;

/** Run `work` in a new folder, with these variables in place of all that stores and their clients read. */
export function withVariables<T>(
  variables: Readonly<Record<string, string>>,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    const before = { ...process.env };
    for (const name of Object.keys(before).filter((each) => names.test(each))) delete process.env[name];
    Object.assign(process.env, { CONTENDER_CACHE: join(folder, 'cache'), DOCKER_CONFIG: folder, ...variables });
    try {
      return await work(folder);
    } finally {
      for (const name of Object.keys(process.env).filter((each) => !(each in before))) delete process.env[name];
      Object.assign(process.env, before);
    }
  });
}
