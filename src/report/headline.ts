import { deciding, standing, type Result } from './standing.ts';

/**
 * One sentence: the verdict, then the numbers that decided it, in the words of the check that did.
 * "Held: recall is 0.9197, 1.4 points below the champion's 0.9337 (bounds -3.5 to +0.7, margin 1.0); about 4,100 more labelled rows would settle it"
 */
export function headline(input: Result): string {
  const { message, others } = deciding(input);
  const more = others === 0 ? '' : ` (and ${others} more ${others === 1 ? 'reason' : 'reasons'})`;
  const { decision } = input;
  // What a person did is told by their name, or in their own words.
  const said = decision === null || decision.action === 'gate' ? continued(message) : ended(message);
  return `${standing(input).word}: ${said}${more}${waiting(input)}${sinceThen(input)}`;
}

/** Where the decision waits: nobody should take it for one that is in force. */
function waiting({ pullRequest }: Result): string {
  if (pullRequest === undefined) return '';
  const { number, open } = pullRequest;
  return open
    ? `; not in force until pull request ${number} is merged`
    : `; not in force, since pull request ${number} was closed without being merged`;
}

/** An earlier act that no longer holds is not shown as if it did. */
function sinceThen({ decision, holdsNow }: Result): string {
  if (holdsNow === undefined || decision === null) return '';
  return `; done before${'seq' in decision ? `, in decision ${decision.seq}` : ''}, and overtaken: ${holdsNow}`;
}

function ended(message: string): string {
  return message.replace(/[.\s]+$/u, '');
}

/** A sentence as the second half of another; what is not an ordinary word keeps its capital. */
function continued(message: string): string {
  return ended(message).replace(/^[A-Z](?=[a-z]*\s)/u, (letter) => letter.toLowerCase());
}
