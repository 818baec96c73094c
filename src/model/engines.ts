import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../errors.ts';

export interface Machine {
  platform: string;
  arch: string;
  /** Of Linux. The engines are built against glibc; musl is what Alpine has. */
  libc: 'glibc' | 'musl' | null;
}

/** DuckDB and ONNX Runtime are native code. @throws UsageError before anything loads them where there is none for this machine */
export function requireEngines(machine: Machine = thisMachine()): void {
  const { platform, arch, libc } = machine;
  if (libc !== 'musl' && isHere(`${platform}-${arch}`)) return;
  throw new UsageError({
    found: `${platform} ${arch}${libc === null ? '' : ` with ${libc}`}: the native packages that read data and run models are not available for this platform`,
    expected: 'linux x64 with glibc',
    remedy:
      'In a workflow use runs-on: ubuntu-latest and no Alpine container; elsewhere install Contender with its optional dependencies',
  });
}

function thisMachine(): Machine {
  const { platform, arch } = process;
  return { platform, arch, libc: platform === 'linux' ? libcHere() : null };
}

function libcHere(): Machine['libc'] {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

/** In a bundle the engines lie beside the code, of one platform; else each platform has a package, which was installed or not. */
function isHere(platform: string): boolean {
  const bundled = join(dirname(fileURLToPath(import.meta.url)), '..', 'bin', 'duckdb');
  if (existsSync(bundled)) return existsSync(join(bundled, platform, 'duckdb.node'));
  try {
    createRequire(import.meta.url).resolve(`@duckdb/node-bindings-${platform}/duckdb.node`);
    return true;
  } catch {
    return false;
  }
}
