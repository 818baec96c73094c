import { GitHubError } from '../../errors.ts';
import type { Approval, RecordedDecision } from '../../evidence/index.ts';
import type { GitHub } from '../../github/client.ts';
import type { Finding } from '../../registry/chain.ts';
import type { MadeDecision } from '../../registry/verify.ts';

/** What is wrong with the people that decisions name, and what whoever reads them should know. */
export interface PeopleFound {
  findings: Finding[];
  notes: string[];
}

/**
 * Look up each approval that decisions rest on where it says it was given. Acts rest on a person's word, which nobody can look up: so
 * it is told where another than that person made them.
 *
 * @param github null: there is no token to ask with
 * @throws GitHubError
 */
export async function verifyPeople(made: readonly MadeDecision[], github: GitHub | null): Promise<PeopleFound> {
  const notes = made.flatMap(({ decision }) => onAnothersWord(decision));
  const given = made.flatMap(({ path, decision }) => approvalsOf(decision).map((approval) => ({ path, approval })));
  const unplaced = given.filter(({ approval }) => approval.source === undefined);
  const findings = unplaced.map(({ path, approval }) => notGiven(path, approval));
  const placed = given.filter(({ approval }) => approval.source !== undefined);
  if (placed.length === 0) return { findings, notes };
  if (github === null) return { findings, notes: [...notes, 'Approvals were not looked up (no token).'] };
  const { wasGiven } = await import('../../github/approvals.ts');
  try {
    for (const { path, approval } of placed) {
      if (!(await wasGiven(github, approval))) findings.push(notGiven(path, approval));
    }
  } catch (error) {
    if (!(error instanceof GitHubError) || error.kind !== 'permission') throw error;
    const remedy = 'Give the job pull-requests: read and actions: read';
    notes.push(`Approvals were not looked up: ${error.fault.found}. ${remedy}.`);
  }
  return { findings, notes };
}

/** Those that let a candidate in, without the word of the person who acts. */
function approvalsOf({ action, approvals }: RecordedDecision): Approval[] {
  return action === 'gate' ? approvals : action === 'override' ? approvals.slice(1) : [];
}

function onAnothersWord({ model, seq, action, actor, approvals: [word] }: RecordedDecision): string[] {
  const own = word === undefined || word.by.toLowerCase() === actor.toLowerCase();
  return action === 'gate' || own
    ? []
    : [`Decision ${seq} of ${model} (${action}) names ${word.by} as the responsible person, but ${actor} made it.`];
}

function notGiven(path: string, { by, at, source }: Approval): Finding {
  return {
    path,
    found: `an approval of ${by}, ${source === undefined ? 'which does not say where it was given' : `${source}, of ${at}, which GitHub does not have`}`,
    expected: 'an approval that GitHub has',
    remedy: 'Remove the decision, and let Contender record its own: contender gate',
  };
}
