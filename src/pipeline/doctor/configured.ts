import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { partsOf } from '../../data/parts.ts';
import { isProfile, type Config, type Model, type ModelReference } from '../../config/index.ts';
import { inspectModel } from '../../model/inspect.ts';
import { isAddress } from '../../object-address.ts';
import { readHead } from '../../data/read-file.ts';
import { stageInputs } from '../configuration.ts';
import { refuseSecret } from '../contestants/resolve.ts';
import { bytes } from '../../report/numbers.ts';
import { tellFault, telling, type Findings } from './finding.ts';

const pointerStart = 'version https://git-lfs.github.com/spec/';
const large = 2 * 1024 ** 3;

/** Every file that the models of a configuration name: there, not a pointer, of what size; and models that a runtime takes. */
export async function lookAtFiles(tell: Findings, config: Config, folder: string): Promise<void> {
  for (const [name, model] of Object.entries(config.models)) {
    for (const key of ['candidate', 'champion'] as const) {
      for (const uri of [model[key]].flat().map(uriOf)) {
        await telling(tell, `${name}: ${key}`, () => refuseSecret(uri, `models.${name}.${key}`));
      }
    }
    for (const { key, path } of filesOf(model)) await lookAt(tell, `${name}: ${key}`, folder, path);
  }
}

function filesOf(model: Model): { key: string; path: string }[] {
  const { evaluation, reference, current } = model.data;
  const data = Object.entries({ evaluation, reference, current }).flatMap(([key, path]) =>
    path === undefined || path === 'registry' || isAddress(path)
      ? []
      : [{ key: `data.${key}${isProfile(path) ? ' (profile)' : ''}`, path }],
  );
  const models = (['candidate', 'champion'] as const).flatMap((key) => {
    return [model[key]].flat().flatMap((each) => {
      const path = pathOf(each);
      return path === null ? [] : [{ key, path }];
    });
  });
  return [...models, ...data, ...stageInputs(model).map(({ file, key }) => ({ key, path: file }))];
}

/** The file of a reference; null for what is fetched from elsewhere or kept by the registry. */
function pathOf(reference: ModelReference | undefined): string | null {
  const uri = uriOf(reference);
  return uri === '' || uri === 'registry' || isAddress(uri) ? null : uri;
}

/** What a reference names; empty where there is none. */
function uriOf(reference: ModelReference | undefined): string {
  if (typeof reference !== 'object') return reference ?? '';
  return 'uri' in reference ? reference.uri : reference.predictions;
}

/** Of several files, those of a folder or that a wildcard matches, the first stands for all. */
async function lookAt(tell: Findings, name: string, folder: string, path: string): Promise<void> {
  const full = resolve(folder, path);
  const isFolder = await stat(full).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder && !/[*?]/u.test(path)) return lookAtFile(tell, name, full, path);
  await telling(tell, name, async () => {
    const parts = await partsOf(full, path);
    const [first] = parts;
    if (first !== undefined) await lookAtFile(tell, `${name} (first of ${parts.length})`, first.path, first.uri);
  });
}

async function lookAtFile(tell: Findings, name: string, full: string, path: string): Promise<void> {
  try {
    const { start, size } = await beginningOf(full);
    if (start.startsWith(pointerStart)) {
      tell(
        name,
        'problem',
        `${path} is a Git LFS pointer, not the file`,
        'Run git lfs pull; in a workflow: actions/checkout with lfs: true',
      );
      return;
    }
    if (size === 0) return tell(name, 'problem', `${path} is empty`, 'Write the file again');
    const problems = /\.onnx$/iu.test(path) ? (await inspectModel(full, path)).problems : [];
    if (problems.length > 0)
      return tell(name, 'problem', `${path}: ${problems.join('; ')}`, 'Export the model again: see docs/models.md');
    tell(
      name,
      size > large ? 'note' : 'ok',
      `${path}, ${bytes(size)}`,
      'Reading it takes time and disk: see contender predict --shard, and docs/profile.md',
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      tell(name, 'problem', `${path} does not exist`, 'Fetch or commit it, or name another file in contender.yml');
    } else tellFault(tell, name, error);
  }
}

async function beginningOf(path: string): Promise<{ start: string; size: number }> {
  const [head, { size }] = await Promise.all([readHead(path, 64), stat(path)]);
  return { start: head.toString('latin1'), size };
}
