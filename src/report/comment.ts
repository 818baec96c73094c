import { markdownCode, markdownText } from './escape.ts';
import { renderMarkdown, reportHeading } from './markdown.ts';
import type { ReportInput } from './standing.ts';

export interface CommentPlace {
  /** The commit that was judged. */
  commit: string;
  runUrl: string;
  /** The run belongs to people who may not write to this repository: what it says is only their word. */
  untrusted?: boolean;
}

/** The report as a comment of a pull request, in at most `limit` UTF-8 bytes, with the commit and the run it is of. */
export function renderComment(input: ReportInput, place: CommentPlace, limit: number): string {
  const { untrusted = false, runUrl } = place;
  // Where strangers say that they were judged is nothing to lead people to.
  const linked = { ...input, server: untrusted ? null : /^https?:\/\/[^/]+/u.exec(runUrl)?.[0] };
  return withFooter((room) => renderMarkdown(linked, { limit: room, untrusted }), place, limit);
}

/** The same for a run that ended before it could decide. */
export function renderFaultComment(model: string, message: string, place: CommentPlace, limit: number): string {
  const heading = reportHeading(model, { word: 'Error', mood: 'bad' }, place.untrusted ?? false);
  return withFooter(() => `${heading}\n\n${markdownText(message, 4000)}\n`, place, limit);
}

function withFooter(body: (limit: number) => string, { commit, runUrl }: CommentPlace, limit: number): string {
  const repository = /^(?<address>.+)\/actions\/runs\//u.exec(runUrl)?.groups?.['address'];
  const judged =
    repository === undefined ? markdownCode(commit) : link(markdownCode(commit), `${repository}/commit/${commit}`);
  const footer = `\n<sub>Commit ${judged} · ${link('workflow run', runUrl)}</sub>\n`;
  return body(limit - Buffer.byteLength(footer)) + footer;
}

function link(text: string, address: string): string {
  return `<a href="${encodeURI(address)}">${text}</a>`;
}
