import { RegistryError } from '../errors.ts';
import type { Finding } from './chain.ts';
import { extendManifest, type ChainLink, type Manifest } from './manifest.ts';

/*
 * Git tags as GTO reads them (github.com/iterative/gto), made from the chain alone: the same chain gives the same tags, whoever
 * makes them and whenever. `name@v1.2.0` registers a version, `name@v1.2.0!` takes it back, `name#stage#7` puts the version
 * whose commit it points at into a stage and `name#stage!#8` takes it out again. The number counts the assignments of the
 * model, over all its stages. GTO orders events by the tagger's time, and of several versions in one stage shows the highest: so times
 * rise strictly in the order of the chain, and a version that is replaced is taken out.
 */
export interface RegistryTag {
  name: string;
  /** The decision that calls for it. */
  seq: number;
  /** The decision at whose commit it points: the one that first promoted the version. */
  target: number;
  message: string;
  /** Of the tagger, in seconds since 1970. */
  time: number;
}

/** A tag as it is in a repository. */
export interface FoundTag {
  name: string;
  /** What it points at in the end; null when that is no commit. */
  commit: string | null;
  /** Empty for a tag without an object of its own, which GTO does not see. */
  message: string;
}

/** The tag of a version, and of its release. */
export function versionTag(model: string, version: string): string {
  return `${model}@v${version}`;
}

/** Every tag that a chain calls for, in its order. Pure. */
export function gtoTags(model: string, links: readonly ChainLink[]): RegistryTag[] {
  const tags: RegistryTag[] = [];
  let manifest: Manifest | null = null;
  let count = 0;
  let last = 0;
  const takenOut = (version: string, stage: string): string => `Take ${model} v${version} out of ${stage}`;
  for (const link of links) {
    const { decision, sha256 } = link;
    const before: Manifest | null = manifest;
    const after = extendManifest(before, link);
    manifest = after;
    const add = (name: string, version: string, deed: string): void => {
      const target = after.versions.find((each) => each.version === version)?.seq;
      // A version that never was: the chain is damaged, and says so elsewhere.
      if (target === undefined) return;
      last = Math.max(Math.floor(Date.parse(decision.time) / 1000) || 0, last + 1);
      const message = `${deed}\n\nContender-Decision: ${model}#${decision.seq}\nContender-Sha256: ${sha256}\n`;
      tags.push({ name, seq: decision.seq, target, message, time: last });
    };
    for (const { version } of after.versions.slice(before?.versions.length ?? 0)) {
      add(versionTag(model, version), version, `Register ${model} v${version}`);
    }
    if (decision.action === 'deprecate' && decision.candidate !== null) {
      const { version } = decision.candidate;
      add(`${versionTag(model, version)}!`, version, `Deprecate ${model} v${version}`);
    }
    if (decision.action === 'unassign' && decision.environment !== undefined) {
      const outgoing = before?.aliases[decision.environment]?.version;
      if (outgoing !== undefined)
        add(`${model}#${decision.environment}!#${++count}`, outgoing, takenOut(outgoing, decision.environment));
    }
    for (const [stage, { version, seq }] of Object.entries(after.aliases)) {
      if (stage === 'previous' || seq !== decision.seq) continue;
      const outgoing = before?.aliases[stage]?.version;
      if (outgoing === version) continue;
      if (outgoing !== undefined) add(`${model}#${stage}!#${++count}`, outgoing, takenOut(outgoing, stage));
      add(`${model}#${stage}#${++count}`, version, `Put ${model} v${version} into ${stage}`);
    }
  }
  return tags;
}

/** The decision that a tag was made from, as its message says; null for a tag of somebody else. */
export function decisionOf(message: string): { model: string; seq: number; sha256: string } | null {
  const { model, seq, sha256 } =
    /^Contender-Decision: (?<model>[A-Za-z0-9_-]{1,100})#(?<seq>[1-9][0-9]{0,8})\nContender-Sha256: (?<sha256>[0-9a-f]{64})$/mu.exec(
      message,
    )?.groups ?? {};
  return model === undefined || sha256 === undefined ? null : { model, seq: Number(seq), sha256 };
}

/** Whether a tag that was found is the one that the chain calls for. */
export function isTag(found: FoundTag, wanted: RegistryTag): boolean {
  return found.name === wanted.name && found.message.trim() === wanted.message.trim();
}

/** The decision that a tag was made from, if it is of this model and its chain does not have it. */
export function lostDecision(
  { message }: FoundTag,
  model: string,
  links: readonly ChainLink[],
): { seq: number } | undefined {
  const made = decisionOf(message);
  return made?.model === model && links[made.seq - 1]?.sha256 !== made.sha256 ? made : undefined;
}

/**
 * @param links the chain with the decision that is to be recorded
 * @throws RegistryError when a tag that it will call for is there already, and another; or one of a decision that the chain lost
 */
export function refuseTaken(
  model: string,
  links: readonly ChainLink[],
  wanted: readonly RegistryTag[],
  found: readonly FoundTag[],
): void {
  for (const tag of found) {
    const lost = lostDecision(tag, model, links);
    if (lost === undefined) continue;
    const { name } = tag;
    throw new RegistryError({
      found: `the tag ${name} was made from decision ${lost.seq} of ${model}, which is not in the registry: its branch was deleted or reset`,
      expected: 'the history from which its tags were created',
      where: `refs/tags/${name}`,
      remedy: `Nothing was recorded. The history up to that tag is in git log '${name}': restore the branch from it. If it was reset on purpose, delete the tags that contender registry verify lists`,
    });
  }
  for (const tag of wanted) {
    if (tag.name.endsWith('.lock')) {
      throw new RegistryError({
        found: `git does not allow a tag named ${tag.name}`,
        remedy: 'Choose another version',
      });
    }
    const there = found.find((each) => each.name === tag.name);
    if (there === undefined || isTag(there, tag)) continue;
    throw new RegistryError({
      found: `the tag ${tag.name} already exists, and does not belong to this registry`,
      expected: 'a tag name that is not in use',
      where: `refs/tags/${tag.name}`,
      remedy: `Choose another version, or see who made the tag (git show '${tag.name}') and delete it`,
    });
  }
}

export function noTags(): RegistryError {
  return new RegistryError({
    found: 'this registry has no tags',
    expected: 'registry.tags: gto',
    remedy: 'Set it in contender.yml',
  });
}

/**
 * What the tags of a repository say against its chains: tags that are missing or were edited, and tags made from decisions that are not
 * there any more, so that the history was rewritten or cut off. Tags of others are left alone. Pure.
 *
 * @param input.chains by model
 * @param input.required whether every tag must be there
 * @param input.commitOf the commit that added a decision; undefined when that cannot be known
 */
export function tagFindings(input: {
  chains: ReadonlyMap<string, readonly ChainLink[]>;
  found: readonly FoundTag[];
  required: boolean;
  commitOf: (model: string, seq: number) => string | undefined;
  /** The sha256 of decisions that were made void. */
  voided?: ReadonlySet<string>;
}): Finding[] {
  const findings: Finding[] = [];
  const report = (name: string, found: string, expected: string, remedy: string): void => {
    findings.push({ path: `refs/tags/${name}`, found, expected, remedy });
  };
  const byName = new Map(input.found.map((tag) => [tag.name, tag]));
  const wantedNames = new Set<string>();
  const remake = (name: string): string =>
    `Find out who changed it; then delete it here (git tag -d '${name}') and on the remote (git push origin ':refs/tags/${name}'), and create it again: contender registry tag`;
  for (const [model, links] of input.chains) {
    for (const wanted of gtoTags(model, links)) {
      wantedNames.add(wanted.name);
      const tag = byName.get(wanted.name);
      // Without an object of its own a tag is none of ours: releases make such, where versions are not tagged.
      if (!input.required && (tag === undefined || tag.message === '')) continue;
      if (tag === undefined) {
        report(
          wanted.name,
          'no such tag',
          `a tag of decision ${wanted.seq}`,
          'Fetch the tags (git fetch --tags), or create the missing tags: contender registry tag',
        );
        continue;
      }
      const commit = input.commitOf(model, wanted.target);
      if (!isTag(tag, wanted)) {
        // Of a decision that is gone: told below.
        if (tag.message === '') {
          report(
            wanted.name,
            'a lightweight tag, which GTO ignores',
            `the one of decision ${wanted.seq}`,
            `Fetch it (git fetch --force origin 'refs/tags/${wanted.name}:refs/tags/${wanted.name}'): a checkout of a tag may replace it. If it is the same on the remote, delete it here (git tag -d '${wanted.name}') and there (git push origin ':refs/tags/${wanted.name}'), and create it again: contender registry tag. If it has a release, GitHub makes that a draft, and contender release publishes it again`,
          );
        } else if (isOfTheChain(tag))
          report(wanted.name, 'another tag', `the one of decision ${wanted.seq}`, remake(wanted.name));
      } else if (commit !== undefined && commit !== tag.commit) {
        report(
          wanted.name,
          `a tag on ${tag.commit ?? 'no commit'}`,
          `one on ${commit}, which recorded decision ${wanted.target}`,
          remake(wanted.name),
        );
      }
    }
  }
  for (const tag of input.found) {
    const made = decisionOf(tag.message);
    if (made === null) continue;
    const link = input.chains.get(made.model)?.[made.seq - 1];
    if (input.voided?.has(made.sha256)) {
      report(
        tag.name,
        `made from decision ${made.seq} of ${made.model}, which is void`,
        'no such tag',
        `Delete it here (git tag -d '${tag.name}') and on the remote (git push origin ':refs/tags/${tag.name}')`,
      );
    } else if (link?.sha256 !== made.sha256) {
      report(
        tag.name,
        `made from decision ${made.seq} of ${made.model} with sha256 ${made.sha256.slice(0, 12)}, ${link === undefined ? 'which the chain does not have' : `but the chain has ${link.sha256.slice(0, 12)}`}`,
        'the decision it was made from',
        `If this branch is only behind, update it. Otherwise its history was rewritten or cut off: the recorded decisions are in the history of the tag, git log '${tag.name}'`,
      );
    } else if (!wantedNames.has(tag.name)) {
      report(
        tag.name,
        'a tag that does not belong to any decision',
        'no such tag',
        `Delete it: git tag -d '${tag.name}'`,
      );
    }
  }
  return findings;

  function isOfTheChain(tag: FoundTag): boolean {
    const made = decisionOf(tag.message);
    return made === null || input.chains.get(made.model)?.[made.seq - 1]?.sha256 === made.sha256;
  }
}
