import type { RecordedDecision } from '../../evidence/index.ts';
import type { Finding } from '../chain.ts';
import { decisionPath, evidencePath, voidPath } from '../layout.ts';
import { sound, type ModelState } from '../model-state.ts';
import { gtoTags } from '../tags.ts';
import { isBot, isOwnCommit, promotionBranch } from './promotion-branch.ts';
import { recorder } from './refs.ts';
import { blobsAt, modelTrees, readSnapshot, type GitHubBranch } from './snapshot.ts';

/** What a push to the branch of the registry made of a model. */
export interface MergedModel {
  model: string;
  /** Decisions that came with it, or before it and are not tagged yet, oldest first. */
  decisions: RecordedDecision[];
  /** Decisions that are not what Contender wrote, or came by no way of Contender's. */
  findings: Finding[];
}

/** So many of the last merged pull requests of a model are looked at. */
const pullsLookedAt = 30;

/**
 * Hold every decision that a push brought against what Contender wrote: the same bytes must be in a commit of a promotion pull request
 * that GitHub signed for the bot that records, or in one that this bot made on the branch itself. The bot is the one whose token
 * asks. How it was merged is all the same, since merge, squash and rebase keep the bytes of files.
 *
 * @param range the commits the branch was at before (null: it is new) and after the push
 * @throws RegistryError when a chain or manifest is damaged, GitHubError
 */
export async function checkMerged(
  place: GitHubBranch,
  range: { before: string | null; after: string },
): Promise<MergedModel[]> {
  const [past, now] = await Promise.all([
    range.before === null ? null : modelTrees(place, range.before),
    modelTrees(place, range.after),
  ]);
  const [before, after] = [past ?? new Map<string, string>(), now ?? new Map<string, string>()];
  const findings = [...before.keys()]
    .filter((model) => !after.has(model))
    .map((model): MergedModel => ({ model, decisions: [], findings: [gone(place, `models/${model}`)] }));
  const changed = [...after].filter(([model, tree]) => before.get(model) !== tree).map(([model]) => model);
  const checked: MergedModel[] = [];
  for (const model of changed.toSorted()) checked.push(await checkModel(place, range, model));
  return [...findings, ...checked];
}

async function checkModel(
  place: GitHubBranch,
  range: { before: string | null; after: string },
  model: string,
): Promise<MergedModel> {
  const now = sound(await stateAt(place, range.after, model));
  const past = range.before === null ? null : await stateAt(place, range.before, model);
  const findings: Finding[] = [];
  const off = madeVoid(past, now);
  for (const { path, oid } of past?.files.values() ?? []) {
    if (path.endsWith('/manifest.json') || now.files.get(path)?.oid === oid || off.has(path)) continue;
    findings.push(gone(place, path));
  }
  const tagged = await lastTagged(place, model, now);
  // What stands in the place of a decision that was made void is new.
  const known = now.links.filter(({ sha256 }, index) => sha256 === past?.links[index]?.sha256).length;
  const decisions = now.links
    .map(({ decision }) => decision)
    .filter(({ seq }) => seq > (tagged === null ? known : Math.min(known, tagged)));
  findings.push(...(await strangers(place, range.after, now, decisions)));
  return { model, decisions, findings };
}

/** Files of decisions that are void now, and of the evidence of these. */
function madeVoid(past: ModelState | null, now: ModelState): Set<string> {
  const off = (past?.links ?? []).filter((link) => now.files.has(voidPath(link.decision.model, link.sha256)));
  return new Set(
    off.flatMap(({ decision: { model, seq, evidence } }) => [
      decisionPath(model, seq),
      ...evidence.map(({ sha256 }) => evidencePath(model, sha256)),
    ]),
  );
}

async function stateAt(place: GitHubBranch, commit: string, model: string): Promise<ModelState> {
  const found = await readSnapshot(place, model, commit);
  return found?.state ?? { links: [], manifest: null, findings: [], files: new Map() };
}

/**
 * The last decision that has a tag of its version: it was checked before it was tagged. Null: the model has no tags. What was
 * refused in an earlier push is thus looked at again, and a later one does not bring it in.
 */
async function lastTagged({ github }: GitHubBranch, model: string, { links }: ModelState): Promise<number | null> {
  const refs = await github.list('GET /repos/{owner}/{repo}/git/matching-refs/{ref}', { ref: `tags/${model}@v` });
  const there = new Set(refs.map(({ ref }) => ref.replace('refs/tags/', '')));
  return gtoTags(model, links).findLast(({ name }) => there.has(name))?.seq ?? null;
}

/** Decisions whose bytes no commit of Contender's has. */
async function strangers(
  place: GitHubBranch,
  after: string,
  { files }: ModelState,
  decisions: readonly RecordedDecision[],
): Promise<Finding[]> {
  const [first] = decisions;
  if (first === undefined) return [];
  const { model } = first;
  const open = new Map(
    decisions.map(({ seq }) => {
      const path = decisionPath(model, seq);
      return [`${place.folder}/${path}`, { oid: files.get(path)?.oid ?? '', pull: null as number | null }];
    }),
  );
  const login = await recorder(place.github);
  for (const pull of await mergedPulls(place, model, login)) {
    if (open.size === 0) break;
    for (const commit of await ownCommits(place, pull)) {
      for (const [path, oid] of await blobsAt(place, commit, [...open.keys()])) {
        const wanted = open.get(path);
        if (wanted === undefined || oid === null) continue;
        if (oid === wanted.oid) open.delete(path);
        else wanted.pull ??= pull.number;
      }
    }
  }
  const findings: Finding[] = [];
  for (const [path, { pull }] of open) {
    const { github } = place;
    const [commit] = await github.request('GET /repos/{owner}/{repo}/commits', { sha: after, path, per_page: 1 });
    if (pull === null && commit !== undefined && (await isOwnCommit(github, commit, login))) continue;
    findings.push({
      path,
      found:
        pull === null
          ? `commit ${commit?.sha.slice(0, 12) ?? 'none'} added a decision, but is neither a commit of Contender nor the merge of a promotion pull request`
          : `the merged decision differs from the one that Contender wrote in pull request ${pull}: it was edited before the merge`,
      expected: `the decision of a commit that GitHub signed for ${login ?? 'Contender'}`,
      remedy: `Find out who changed it, and take it off (contender registry void), or roll back where contender registry verify finds no fault with it. Then decide again: contender gate${login === undefined ? '' : '. If another app records decisions, pass the token of that app to this step'}`,
    });
  }
  return findings;
}

/** Pull requests of the model's promotion branch that the bot made and people merged, the last first. */
async function mergedPulls(
  { github, branch }: GitHubBranch,
  model: string,
  login: string | undefined,
): Promise<{ number: number; login: string }[]> {
  const head = promotionBranch(model);
  const found = await github.list(
    'GET /repos/{owner}/{repo}/pulls',
    { state: 'closed', base: branch, head: `${github.owner}:${head}`, sort: 'updated', direction: 'desc' },
    pullsLookedAt,
  );
  return found.flatMap(({ number, merged_at: merged, user, head: from }) =>
    merged !== null &&
    user !== null &&
    isBot(user, login) &&
    from.ref === head &&
    from.repo?.full_name === github.repository
      ? [{ number, login: user.login }]
      : [],
  );
}

async function ownCommits({ github }: GitHubBranch, pull: { number: number; login: string }): Promise<string[]> {
  const commits = await github.list('GET /repos/{owner}/{repo}/pulls/{pull_number}/commits', {
    pull_number: pull.number,
  });
  const own: string[] = [];
  for (const commit of commits) if (await isOwnCommit(github, commit, pull.login)) own.push(commit.sha);
  return own.toReversed();
}

function gone({ folder }: GitHubBranch, path: string): Finding {
  return {
    path: `${folder}/${path}`,
    found: 'a recorded file was removed or changed',
    expected: 'the original file: the registry is append-only',
    remedy: 'Revert the commit that changed it',
  };
}
