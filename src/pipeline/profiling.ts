import { dirname, resolve } from 'node:path';
import { isProfile } from '../config/index.ts';
import { withDataset, type DatasetSource } from '../data/dataset.ts';
import { personalKinds, withoutPersonal } from '../data/personal.ts';
import { UsageError } from '../errors.ts';
import type { Log } from '../log.ts';
import { mergeProfiles } from '../profile/merge.ts';
import { profileDataset } from '../profile/profile-dataset.ts';
import type { Profile } from '../profile/profile.ts';
import { readProfile } from '../profile/read-profile.ts';
import { rangeOf } from './contestants/predict.ts';
import type { Shard } from './typed.ts';
import { configuredData } from './configured-data.ts';
import type { Workspace } from './workspace.ts';
import { requireWritable, writeWhole } from './writing.ts';

/** Rows, or a profile of some. */
export type ProfileInput = Pick<DatasetSource, 'path' | 'uri' | 'csv' | 'partitions'>;

export interface ProfilingOptions {
  /** Only the `index`-th (from 1) of `count` contiguous parts of the rows of the one file. */
  shard: Shard;
  /** Absolute path of the JSON file to write. */
  file?: string | undefined;
  log: Log;
  signal?: AbortSignal | undefined;
}

/** The data that the configuration names, which is profiled where no file is named. */
export async function configuredInput(
  workspace: Workspace,
  of: 'evaluation' | 'reference' | 'current' | undefined,
): Promise<ProfileInput> {
  const { data } = workspace.modelConfig;
  const name = of ?? (data.reference === undefined || isProfile(data.reference) ? 'evaluation' : 'reference');
  const uri = data[name];
  if (uri === undefined || isProfile(uri)) {
    throw new UsageError({
      found: uri === undefined ? `there is no data.${name}` : `data.${name} is ${uri}, which is already a profile`,
      expected: 'a file of rows',
      where: `models.${workspace.model}.data`,
    });
  }
  return configuredData(workspace, name, uri, `data.${name}`);
}

/**
 * One profile of all that is named: files of rows are counted, profiles (`.json`) merged.
 * @throws UsageError, DataError
 */
export async function runProfile(
  inputs: readonly ProfileInput[],
  { shard, file, log, signal }: ProfilingOptions,
): Promise<Profile> {
  const rows = inputs.filter(({ path }) => !isProfile(path));
  if (shard.count > 1 && (inputs.length > 1 || rows.length !== 1)) {
    throw new UsageError({
      found: `--shard ${shard.index}/${shard.count} of ${inputs.length === 1 ? 'a profile' : `${inputs.length} files`}`,
      expected: 'one file of rows',
      remedy: 'If the data is in several files, profile each and merge the profiles',
    });
  }
  if (file !== undefined) {
    if (!isProfile(file)) {
      throw new UsageError({ found: `--file ${JSON.stringify(file)}`, expected: 'a name that ends in .json' });
    }
    if (inputs.some(({ path }) => resolve(path) === resolve(file))) {
      throw new UsageError({
        found: `--file ${JSON.stringify(file)}`,
        expected: 'an output file that is not also an input',
      });
    }
    await requireWritable(dirname(file));
  }
  const profiles: { profile: Profile; uri: string }[] = [];
  for (const input of inputs) {
    signal?.throwIfAborted();
    const profile = isProfile(input.path)
      ? (await readProfile(input.path, input.uri)).profile
      : await profileRows(input, shard, log, signal);
    profiles.push({ profile, uri: input.uri });
  }
  const merged = mergeProfiles(profiles);
  if (file !== undefined) await writeWhole(file, `${JSON.stringify(merged)}\n`);
  return merged;
}

async function profileRows(
  input: ProfileInput,
  shard: Shard,
  log: Log,
  signal: AbortSignal | undefined,
): Promise<Profile> {
  const { uri } = input;
  return withDataset({ ...input, name: 'data' }, { log }, (dataset) =>
    profileDataset(dataset, {
      rows: shard.count === 1 ? { start: 0, count: dataset.rows } : rangeOf(dataset.rows, shard),
      progress: (done, of) => log.progress(`Columns of ${uri} profiled`, done, of),
      signal,
    }),
  );
}

/** A profile as it may stand in a log: the file has the categories as they are, which may be people's addresses. */
export function shownProfile(profile: Profile): Profile {
  const columns = profile.columns.map((column) =>
    column.kind === 'category' && column.categories !== null
      ? {
          ...column,
          categories: column.categories.map(([text, rows]): [string, number] => [
            withoutPersonal(text, personalKinds),
            rows,
          ]),
        }
      : column,
  );
  return { ...profile, columns };
}
