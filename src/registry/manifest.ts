import type { Static } from 'typebox';
import { Type } from '../forms.ts';
import { Artifact, Sha256 } from '../evidence/evidence.ts';
import type { RecordedDecision, RegistryHistory, Version } from '../evidence/decision.ts';

const manifestSchemaId = 'contender/manifest/v1';

const Alias = Type.Object({
  version: Type.String(),
  seq: Type.Integer({ minimum: 1, description: 'the decision that made it so' }),
});

export const Manifest = Type.Object(
  {
    schema: Type.Literal(manifestSchemaId),
    model: Type.String(),
    versions: Type.Array(
      Type.Object({
        version: Type.String(),
        artifacts: Type.Array(Artifact),
        seq: Type.Integer({ minimum: 1, description: 'the decision that first promoted it' }),
        replaced: Type.Union([Type.String(), Type.Null()], { description: 'the champion it replaced then' }),
        status: Type.Enum(['active', 'deprecated']),
      }),
      { description: 'every version ever promoted, oldest first' },
    ),
    aliases: Type.Record(Type.String(), Alias, {
      description: 'champion; previous: the version to go back to; and the environments of the team',
    }),
    head: Type.Object(
      { seq: Type.Integer({ minimum: 1 }), sha256: Sha256 },
      { description: 'the last decision and the sha256 of its bytes' },
    ),
  },
  { description: 'Derived from the decisions: it can be rebuilt from them at any time' },
);
export type Manifest = Static<typeof Manifest>;

/** A decision and the sha256 of the bytes it is kept in. */
export interface ChainLink {
  decision: RecordedDecision;
  sha256: string;
}

/** The manifest that follows from a chain of decisions; null for the empty chain. Pure. */
export function manifestOf(links: readonly ChainLink[]): Manifest | null {
  return links.reduce<Manifest | null>(extendManifest, null);
}

/** The manifest after one more decision. Pure. */
export function extendManifest(manifest: Manifest | null, link: ChainLink): Manifest {
  const { decision, sha256 } = link;
  const before: Manifest = manifest ?? {
    schema: manifestSchemaId,
    model: decision.model,
    versions: [],
    aliases: {},
    head: { seq: decision.seq, sha256 },
  };
  const next = { ...before, head: { seq: decision.seq, sha256 } };
  if (decision.action === 'deprecate') return { ...next, versions: withDeprecated(before.versions, decision) };
  if (decision.action === 'assign') return { ...next, aliases: withEnvironment(before.aliases, decision) };
  if (decision.action === 'unassign') return { ...next, aliases: withoutEnvironment(before.aliases, decision) };
  if (decision.outcome !== 'promote' || decision.to === null) return next;
  const { version, artifacts } = decision.to;
  const known = before.versions.find((each) => each.version === version);
  const { champion: outgoing, previous: _previous, ...environments } = before.aliases;
  // What a rollback withdrew is not what the next one should bring back.
  const previous =
    decision.action === 'rollback' ? before.versions.find((each) => each.version === known?.replaced) : outgoing;
  return {
    ...next,
    versions:
      known === undefined
        ? [
            ...before.versions,
            { version, artifacts, seq: decision.seq, replaced: outgoing?.version ?? null, status: 'active' as const },
          ]
        : before.versions,
    aliases: {
      ...environments,
      champion: { version, seq: decision.seq },
      ...(previous === undefined ? {} : { previous: { version: previous.version, seq: previous.seq } }),
    },
  };
}

/** What a decision may know of a model: its champion, its versions, its past, and how often each evaluation set was used. Pure. */
export function viewOf(manifest: Manifest | null, decisions: readonly RecordedDecision[]): RegistryHistory {
  const uses = new Map<string, number>();
  for (const { action, datasets } of decisions) {
    const sha256 = datasets['evaluation']?.sha256;
    // An act of a person looks at no new numbers.
    if (action === 'gate' && sha256 !== undefined) uses.set(sha256, (uses.get(sha256) ?? 0) + 1);
  }
  return {
    champion: championOf(manifest),
    championSeq: manifest?.aliases['champion']?.seq ?? 0,
    versions: manifest?.versions.map((each) => each.version) ?? [],
    decisionsByDataset: Object.fromEntries(uses),
    registered: manifest?.versions ?? [],
    aliases: manifest?.aliases ?? {},
    decisions,
  };
}

/** The same of a chain with its manifest. */
export function viewOfChain(chain: { manifest: Manifest | null; links: readonly ChainLink[] }): RegistryHistory {
  return viewOf(
    chain.manifest,
    chain.links.map(({ decision }) => decision),
  );
}

export function championOf(manifest: Manifest | null): Version | null {
  return versionOf(manifest, manifest?.aliases['champion']?.version);
}

export function versionOf(manifest: Manifest | null, version: string | undefined): Version | null {
  const found = manifest?.versions.find((each) => each.version === version);
  return found === undefined ? null : { version: found.version, artifacts: found.artifacts };
}

function withEnvironment(
  aliases: Manifest['aliases'],
  { environment, candidate, seq }: RecordedDecision,
): Manifest['aliases'] {
  if (environment === undefined || candidate === null) return aliases;
  return { ...aliases, [environment]: { version: candidate.version, seq } };
}

function withoutEnvironment(aliases: Manifest['aliases'], { environment = '' }: RecordedDecision): Manifest['aliases'] {
  const { [environment]: _emptied, ...others } = aliases;
  return others;
}

function withDeprecated(versions: Manifest['versions'], decision: RecordedDecision): Manifest['versions'] {
  return versions.map((each) =>
    each.version === decision.candidate?.version ? { ...each, status: 'deprecated' as const } : each,
  );
}
