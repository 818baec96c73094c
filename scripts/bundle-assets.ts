import { createHash } from 'node:crypto';
import { extname } from 'node:path';

/** What the bundler gives: the program, and by name the other pieces of its code and the files that packages read as they run. */
export interface Bundled {
  code: string;
  assets: Record<string, { source: string | Buffer }>;
}

/** A piece of the program's code (`123.index.js`), or what says how to read it. */
const ofTheBundler = /^(?:\d+\.index\.js|package\.json|licenses\.txt)$/u;

/**
 * The same with each file of a package named by its content, `worker-1a2b3c4d.js`. The bundler calls files of one name
 * worker.js, worker1.js, worker2.js, in the order in which it happens to have read them.
 */
export function namedByContent({ code, assets }: Bundled): Bundled {
  const names = new Map(
    Object.entries(assets)
      .filter(([name]) => !name.includes('/') && !ofTheBundler.test(name))
      .map(([name, { source }]) => [name, contentName(name, source)]),
  );
  const mended = (text: string): string =>
    text.replace(/(__(?:webpack|nccwpck)_require__\.ab \+ )"([^"]+)"/gu, (whole: string, ab: string, name: string) => {
      const changed = names.get(name);
      return changed === undefined ? whole : `${ab}"${changed}"`;
    });
  return {
    code: mended(code),
    assets: Object.fromEntries(
      Object.entries(assets).map(([name, asset]) =>
        ofTheBundler.test(name)
          ? [name, { source: mended(asset.source.toString()) }]
          : [names.get(name) ?? name, asset],
      ),
    ),
  };
}

function contentName(name: string, source: string | Buffer): string {
  const digest = createHash('sha256').update(source).digest('hex').slice(0, 8);
  const extension = extname(name);
  // Without the number that the bundler gave.
  return `${name.slice(0, name.length - extension.length).replace(/\d+$/u, '')}-${digest}${extension}`;
}
