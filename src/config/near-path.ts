import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { nearest } from './suggest.ts';

/**
 * The path that was most probably meant by one that is not there, folder by folder, as the person wrote it.
 * @param path absolute
 * @param written by a person: from here, from a folder above (`../`) or from the root. Of any other address nothing is meant
 * @param taken says of a name whether that kind of file can be meant
 */
export async function nearestPath(path: string, written: string, taken: RegExp): Promise<string | undefined> {
  const start = /^(?:\.{0,2}\/)*/u.exec(written)?.[0] ?? '';
  const names = written.slice(start.length).split('/');
  if (!path.endsWith(`${sep}${names.join(sep)}`)) return undefined;
  let folder = path.slice(0, -names.join(sep).length);
  const meant: string[] = [];
  for (const [index, name] of names.entries()) {
    const isFile = index === names.length - 1;
    const near = existsSync(join(folder, name)) ? name : await nearestIn(folder, name, isFile ? taken : /(?:)/u);
    if (near === undefined) return undefined;
    meant.push(near);
    folder = join(folder, near);
  }
  return start + meant.join('/');
}

/** A slip of the pen, or the same name with another ending. */
async function nearestIn(folder: string, name: string, taken: RegExp): Promise<string | undefined> {
  const there = (await readdir(folder).catch(() => [])).filter((each) => taken.test(each));
  const stem = stemOf(name);
  return nearest(name, there) ?? there.find((each) => stemOf(each) === stem);
}

function stemOf(name: string): string {
  return name.replace(/(?<=.)\..*$/u, '');
}
