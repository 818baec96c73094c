import type { Stats } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { openingFault } from '../errors.ts';

/** What to throw of a file, by what was found. @param cause where it cannot be looked at */
export type FileFault = (found: string, cause?: NodeJS.ErrnoException) => Error;

/** What there is to know of a file before it is opened: a pipe would be waited for without end. */
export async function fileInfo(path: string, fault: FileFault): Promise<Stats> {
  const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw fault(openingFault(cause), cause);
  });
  if (!info.isFile()) throw fault(info.isDirectory() ? 'this is a folder' : 'this is not a file');
  return info;
}

/** A file that is read whole. @param largest in bytes, whole MiB */
export async function readBounded(path: string, largest: number, fault: FileFault): Promise<Buffer> {
  const { size } = await fileInfo(path, fault);
  if (size > largest) throw fault(`the file has ${size} bytes, more than ${largest / 2 ** 20} MiB`);
  return readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw fault(openingFault(cause), cause);
  });
}

/** The first bytes of a file: so many, or all where there are fewer. */
export async function readHead(path: string, most: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(most), 0, most, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
