import Docker from 'dockerode';
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { inTemporaryFolder, projectRoot } from './project.ts';

const run = promisify(execFile);

/** Image with this machine's node and nothing else. */
export const baseImage = 'contender-test/node:local';

/**
 * A running Docker Engine, started if need be. Where there is none the test is skipped with the reason, or fails when
 * CONTENDER_REQUIRE_DOCKER=1.
 */
export async function dockerOrSkip(t: TestContext): Promise<Docker | null> {
  const engine = new Docker();
  const reason = await engine.ping().then(
    () => null,
    () => startEngine(),
  );
  if (reason === null) return engine;
  assert.notEqual(process.env['CONTENDER_REQUIRE_DOCKER'], '1', `Docker is required here: ${reason}`);
  t.skip(reason);
  return null;
}

/** Import an image of this machine's node with the libraries it loads, once. */
export async function importBaseImage(engine: Docker): Promise<string> {
  const present = await engine
    .getImage(baseImage)
    .inspect()
    .then(
      () => true,
      () => false,
    );
  if (present) return baseImage;
  await inTemporaryFolder(async (folder) => {
    const root = join(folder, 'root');
    const add = async (source: string, target: string) => {
      await mkdir(dirname(join(root, target)), { recursive: true });
      await cp(source, join(root, target), { dereference: true });
    };
    await add(process.execPath, '/usr/local/bin/node');
    // onnxruntime needs no library that node does not load, but for librt.
    const { stdout } = await run('ldd', [process.execPath]);
    const libraries = [...stdout.matchAll(/(\/\S+)/gu)].map(([path]) => path);
    const libc = libraries.find((path) => path.includes('libc.so'));
    if (libc !== undefined) libraries.push(join(dirname(libc), 'librt.so.1'));
    for (const library of libraries) await add(library, library);
    await mkdir(join(root, 'etc'), { recursive: true });
    await mkdir(join(root, 'tmp'), { mode: 0o1777 });
    await writeFile(join(root, 'etc/passwd'), 'root:x:0:0::/:/sbin/nologin\nnode:x:1000:1000::/tmp:/sbin/nologin\n');
    await writeFile(join(root, 'etc/group'), 'root:x:0:\nnode:x:1000:\n');
    const archive = join(folder, 'root.tar');
    await run('tar', ['-cf', archive, '-C', root, '--owner=0', '--group=0', '.']);
    const [repo, tag] = baseImage.split(':');
    const imported = await engine.importImage(archive, { repo, tag, changes: 'ENV PATH=/usr/local/bin' });
    await finished(engine, imported);
  });
  return baseImage;
}

/** Build an image from a folder that holds a Dockerfile, with the builder every engine has. */
export async function buildImage(
  engine: Docker,
  folder: string,
  tag: string,
  buildargs: Record<string, string>,
): Promise<void> {
  await inTemporaryFolder(async (temporary) => {
    const archive = join(temporary, 'context.tar');
    await run('tar', ['-cf', archive, '-C', folder, '.']);
    await finished(engine, await engine.buildImage(archive, { t: tag, buildargs }));
  });
}

/** Wait for what the engine does, and throw what it says went wrong. */
export async function finished(engine: Docker, stream: NodeJS.ReadableStream): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    engine.modem.followProgress(stream, (error, output: { error?: string }[]) => {
      const failed = error ?? output.find((line) => line.error !== undefined)?.error ?? null;
      if (failed === null) resolve();
      else reject(failed instanceof Error ? failed : new Error(failed));
    });
  });
}

/** Null when an engine answers afterwards, else why not. */
async function startEngine(): Promise<string | null> {
  try {
    await run('bash', [join(projectRoot, 'scripts/docker-engine.sh'), '--no-install']);
    return null;
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error);
    return said.split('\n').at(-1)?.replace('docker-engine: ', '') ?? 'no Docker Engine answers';
  }
}
