import { access, constants } from 'node:fs/promises';
import { mendable } from '../../errors.ts';
import { oneLine } from '../../report/escape.ts';
import type { GitHubAccess } from '../../github/access.ts';
import type { WorkspaceInput } from '../workspace.ts';

export type DoctorInput = Pick<WorkspaceInput, 'root' | 'config' | 'out' | 'log' | 'signal'> & { github: GitHubAccess };

export interface Finding {
  area: 'machine' | 'clone' | 'configuration' | 'GitHub';
  /** What was looked at. */
  name: string;
  /** `problem`: something that is configured will not work. `note`: it may matter, or nobody could tell. */
  status: 'ok' | 'note' | 'problem';
  found: string;
  /** What to do, of all that is not ok. */
  remedy?: string;
}

/** @param remedy what to do, where it is not ok */
export type Findings = (name: string, status: Finding['status'], found: string, remedy?: string) => void;

export function collect(area: Finding['area'], into: Finding[]): Findings {
  return (name, status, found, remedy) => {
    into.push({
      area,
      name,
      status,
      found: oneLine(found, 500),
      ...(remedy === undefined || status === 'ok' ? {} : { remedy: oneLine(remedy, 500) }),
    });
  };
}

/** Look, and tell what a person can mend of what the look throws. */
export async function telling(tell: Findings, name: string, look: () => unknown): Promise<void> {
  try {
    await look();
  } catch (error) {
    tellFault(tell, name, error);
  }
}

/** What a look threw, as a finding: a fault that a person can mend. Anything else is a bug of ours and is thrown on. */
export function tellFault(tell: Findings, name: string, error: unknown, status: Finding['status'] = 'problem'): null {
  const known = mendable(error);
  if (known === null) throw error;
  const { found, expected, where, remedy } = known.fault;
  const text = `${where === undefined ? '' : `${where}: `}${found}${expected === undefined ? '' : `; expected ${expected}`}`;
  tell(name, status, text, remedy ?? 'Correct this and run again');
  return null;
}

/** Tell, as a problem, that this user may not write in a folder. @param so what follows from it */
export async function requireWritable(tell: Findings, name: string, folder: string, so: string): Promise<void> {
  try {
    await access(folder, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    tell(
      name,
      'problem',
      `${folder} cannot be written to (${code}): ${so}`,
      'Give this user write permission, or run as the user who owns it',
    );
  }
}
