import { GitHubError } from '../errors.ts';
import type { GitHub } from './client.ts';

/** Every issue that monitoring makes has it: they are found by label and marker, never by search, which lags. */
export const issueLabel = 'contender-monitoring';

export interface TrackedFinding {
  /** Of model, check and slice: no value and no date, so that one finding has one issue. */
  fingerprint: string;
  /** When this time of it began: a finding that recovered and came back is another issue. */
  opened: string;
  open: boolean;
  title: string;
  /** Markdown in at most so many characters. */
  body: (limit: number) => string;
  assignees: readonly string[];
  /** Number of the issue, where it is known: a person may have removed the marker. */
  issue?: number | undefined;
}

export interface TrackedIssue {
  fingerprint: string;
  number: number;
  url: string;
  /** A person closed it while the finding is open: it is left alone until the finding recovers. */
  muted: boolean;
  did: 'created' | 'updated' | 'closed' | 'nothing';
}

interface Issue {
  number: number;
  title: string;
  body: string;
  open: boolean;
  url: string;
}

/** The most characters that GitHub takes of an issue. */
const longest = 65_536;
const end = '<!-- end of what Contender writes; below this line it changes nothing -->';

/**
 * Bring the issues of one model in line with its findings: one open issue for each open finding, edited where something changed,
 * closed once on recovery. What a person wrote below our part stays. Repeating it, late or after a run that was cut off, changes nothing more.
 * @param scope what the fingerprints of the model start with: other issues are left alone
 * @throws GitHubError
 */
export async function trackFindings(
  github: GitHub,
  scope: string,
  findings: readonly TrackedFinding[],
): Promise<TrackedIssue[]> {
  let issues = await ownIssues(github);
  const told: TrackedIssue[] = [];
  for (const finding of findings) {
    const [known, ...others] = await issuesOf(github, issues, finding);
    for (const other of others.filter(({ open }) => open))
      await close(github, other, `Continued in #${known?.number ?? 0}.`);
    if (known !== undefined) {
      told.push(await bringInLine(github, known, finding));
      continue;
    }
    if (!finding.open) continue;
    const created = await create(github, finding);
    // Another run may have made one a moment before: the older one is kept.
    issues = await ownIssues(github);
    const [oldest, ...later] = issues
      .filter(({ open, body }) => open && markerIn(body)?.fingerprint === finding.fingerprint)
      .sort(byNumber);
    for (const other of later) await close(github, other, `Continued in #${oldest?.number ?? 0}.`);
    const kept = oldest ?? created;
    told.push({ fingerprint: finding.fingerprint, number: kept.number, url: kept.url, muted: false, did: 'created' });
  }
  const wanted = new Set(findings.map(({ fingerprint }) => fingerprint));
  for (const issue of issues) {
    const marker = markerIn(issue.body);
    if (!issue.open || marker === null || !marker.fingerprint.startsWith(`${scope}/`) || wanted.has(marker.fingerprint))
      continue;
    await close(github, issue, 'This signal is no longer monitored, or the window that showed it is not recorded.');
    told.push({ fingerprint: marker.fingerprint, number: issue.number, url: issue.url, muted: false, did: 'closed' });
  }
  return told;
}

/** The issue of a finding first: an open one of the same fingerprint, else the one of this very time, closed by a person or by us. */
async function issuesOf(github: GitHub, issues: readonly Issue[], finding: TrackedFinding): Promise<Issue[]> {
  const same = issues.filter(({ body }) => markerIn(body)?.fingerprint === finding.fingerprint).sort(byNumber);
  const open = same.filter((issue) => issue.open);
  if (open.length > 0) return open;
  const own = same.findLast(({ body }) => markerIn(body)?.opened === finding.opened);
  if (own !== undefined) return [own];
  if (finding.issue === undefined) return [];
  // The marker may be gone, and the label with it.
  const kept = await github.find('GET /repos/{owner}/{repo}/issues/{issue_number}', { issue_number: finding.issue });
  return kept === null || kept.pull_request !== undefined ? [] : [issueOf(kept)];
}

async function bringInLine(github: GitHub, issue: Issue, finding: TrackedFinding): Promise<TrackedIssue> {
  const { fingerprint } = finding;
  const said = { fingerprint, number: issue.number, url: issue.url, muted: false };
  if (finding.open && !issue.open) return { ...said, muted: true, did: 'nothing' };
  if (!finding.open && !issue.open) return { ...said, did: 'nothing' };
  const below = partBelow(issue.body);
  const body = textOf(finding, below);
  const state = finding.open ? {} : { state: 'closed' as const, state_reason: 'completed' as const };
  if (finding.open && issue.title === finding.title && issue.body.replaceAll('\r\n', '\n') === body)
    return { ...said, did: 'nothing' };
  await github.find('PATCH /repos/{owner}/{repo}/issues/{issue_number}', {
    issue_number: issue.number,
    title: finding.title,
    body,
    ...state,
  });
  return { ...said, did: finding.open ? 'updated' : 'closed' };
}

async function create(github: GitHub, finding: TrackedFinding): Promise<Issue> {
  try {
    const made = await github.request('POST /repos/{owner}/{repo}/issues', {
      title: finding.title,
      body: textOf(finding, ''),
      labels: [issueLabel],
      assignees: [...finding.assignees],
    });
    return issueOf(made);
  } catch (error) {
    if (!(error instanceof GitHubError) || !error.uncertain) throw error;
    // Nobody knows whether it was made: the listing does.
    const found = (await ownIssues(github)).find(
      ({ open, body }) => open && markerIn(body)?.fingerprint === finding.fingerprint,
    );
    if (found === undefined) throw error;
    return found;
  }
}

async function close(github: GitHub, issue: Issue, why: string): Promise<void> {
  const body = issue.body.includes(end)
    ? issue.body.replace(end, `\n**${why}**\n\n${end}`)
    : `${issue.body}\n\n**${why}**`;
  await github.find('PATCH /repos/{owner}/{repo}/issues/{issue_number}', {
    issue_number: issue.number,
    state: 'closed',
    state_reason: 'not_planned',
    body: body.slice(0, longest),
  });
}

async function ownIssues(github: GitHub): Promise<Issue[]> {
  const found = await github.list('GET /repos/{owner}/{repo}/issues', { labels: issueLabel, state: 'all' }, 2000);
  return found.filter((issue) => issue.pull_request === undefined).map(issueOf);
}

function issueOf(issue: {
  number: number;
  title: string;
  body?: string | null;
  state: string;
  html_url: string;
}): Issue {
  const { number, title, body, state, html_url: url } = issue;
  return { number, title, body: body ?? '', open: state === 'open', url };
}

function textOf({ fingerprint, opened, body }: TrackedFinding, below: string): string {
  const marker = `<!-- contender finding=${fingerprint} opened=${opened} -->\n`;
  const rest = `\n${end}${below}`.slice(0, longest / 2);
  return `${marker}${body(longest - marker.length - rest.length)}${rest}`;
}

function partBelow(body: string): string {
  const at = body.indexOf(end);
  return at < 0 ? '' : body.slice(at + end.length).replaceAll('\r\n', '\n');
}

function markerIn(body: string): { fingerprint: string; opened: string } | null {
  const [, fingerprint, opened] = /<!-- contender finding=(\S+) opened=(\S+) -->/u.exec(body) ?? [];
  return fingerprint === undefined || opened === undefined ? null : { fingerprint, opened };
}

function byNumber(a: Issue, b: Issue): number {
  return a.number - b.number;
}
