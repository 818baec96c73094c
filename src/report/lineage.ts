import type { Artifact, Decision, Source, Version } from '../evidence/index.ts';
import { approvalText, uncommittedText } from './published.ts';
import { reuseOf, reuseText } from './reuse.ts';
import { codeCell, textCell, type Cell, type Section } from './section.ts';
import type { ReportInput, Server } from './standing.ts';
import { counted } from '../wording.ts';

/** What was judged, on what, by whom: everything by its digest. */
export function lineage(input: ReportInput): Section {
  const { decision, evidence } = input;
  const policy = (decision ?? evidence[0])?.policy.sha256;
  const rows = [
    ...(decision === null
      ? subjects(input)
      : [...version('Candidate', decision.candidate), ...champion(input, decision.from)]),
    ...datasets(input),
    ...(policy === undefined ? [] : [row('Policy', textCell(''), codeCell(policy))]),
    ...(decision?.evidence ?? []).map((each) =>
      row(`Evidence ${each.kind}`, textCell(each.verdict), codeCell(each.sha256)),
    ),
    ...(decision === null ? [] : deed(decision, input.server)),
    ...(evidence[0] === undefined
      ? []
      : [row('Tool', textCell(`${evidence[0].tool.name} ${evidence[0].tool.version}`))]),
  ];
  return { title: 'Lineage', columns: ['What', 'Which', 'Digest'], rows, collapsed: true, importance: 5 };
}

function row(name: string, which: Cell, digest: Cell = textCell('')): Cell[] {
  return [textCell(name), which, digest];
}

function artifact(name: string, { role, uri, sha256 }: Artifact): Cell[] {
  return row(role === 'model' ? name : `${name} (${role})`, codeCell(uri), codeCell(sha256));
}

function version(name: string, version: Version | null): Cell[][] {
  if (version === null) return [row(name, textCell('none'))];
  const title = version.version === 'candidate' ? name : `${name}, version ${version.version}`;
  return version.artifacts.map((each) => artifact(title, each));
}

/** The champion of the registry, or the one that the configuration names while the registry has none. */
function champion(input: ReportInput, from: Version | null): Cell[][] {
  const named = input.evidence.find(({ subjects: { champion: each } }) => each !== undefined)?.subjects.champion;
  return from === null && named !== undefined
    ? [artifact('Champion, as configured', named)]
    : version('Champion', from);
}

/** Of evidence that nothing was decided on. */
function subjects({ evidence }: ReportInput): Cell[][] {
  const { candidate, champion } = evidence.find((each) => each.subjects.candidate !== undefined)?.subjects ?? {};
  return [
    ...(candidate === undefined ? [] : [artifact('Candidate', candidate)]),
    ...(champion === undefined ? [] : [artifact('Champion', champion)]),
  ];
}

function datasets({ decision, evidence }: ReportInput): Cell[][] {
  const known =
    decision === null
      ? evidence.flatMap((each) => Object.entries(each.subjects.datasets))
      : Object.entries(decision.datasets);
  const reuse = reuseOf(evidence);
  return [...new Map(known)].map(([name, { uri, rows, sha256 }]) => {
    const used = name === 'evaluation' && reuse !== null ? `, ${reuseText(reuse)}` : '';
    return row(`Dataset ${name}`, textCell(`${uri}, ${counted(rows, 'rows')}${used}`), codeCell(sha256));
  });
}

function deed(decision: Decision, server: Server): Cell[][] {
  const { repository, sha, ref, event, run, pullRequest } = decision.source;
  const request = pullRequest === undefined ? undefined : `pull request ${pullRequest}`;
  const where = [repository, ref, event, request, uncommittedText(decision.source)];
  const text = where.filter((part) => part !== undefined).join(', ');
  return [
    ...(text === '' && sha === undefined
      ? []
      : [row('Source', textCell(text), codeCell(sha ?? '', commitAddress(decision.source, server)))]),
    ...(run === undefined ? [] : [row('Run', codeCell(run, runAddress(decision.source, server)))]),
    ...decision.approvals.map((approval) => row('Approved', textCell(approvalText(approval)))),
    row('Decided', textCell(`by ${decision.actor} at ${decision.time}`)),
    ...('seq' in decision
      ? [row('Recorded', textCell(`as decision ${String(decision.seq)} of ${decision.model}`))]
      : []),
    ...('seq' in decision && decision.evidence.length > 0
      ? [row('Run again', codeCell(`contender reproduce ${decision.model} ${String(decision.seq)}`))]
      : []),
  ];
}

/*
 * Addresses of pages on GitHub. Parts of them come from a decision, which may be anybody's: what has not the form of a
 * repository, a commit or a run has no address.
 */

/** The page of the commit that was judged. */
function commitAddress({ repository, sha }: Source, server: Server): string | undefined {
  return /^[0-9a-f]{40}$/u.test(sha ?? '') ? pageOf(server, repository, `commit/${sha}`) : undefined;
}

/** The page of the workflow run that judged it. */
function runAddress({ repository, run }: Source, server: Server): string | undefined {
  return /^\d+$/u.test(run ?? '') ? pageOf(server, repository, `actions/runs/${run}`) : undefined;
}

function pageOf(server: Server, repository: string | undefined, path: string): string | undefined {
  if (server === null || repository === undefined || !/^[\w-]+\/[\w.-]+$/u.test(repository)) return undefined;
  return `${server ?? 'https://github.com'}/${repository}/${path}`;
}
