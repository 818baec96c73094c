import { labelColumns, roleOf } from './columns.ts';
import { addressFault, howToFetch } from './elsewhere.ts';
import type { Problem } from './explain.ts';
import type { Config, Model, Environment } from './schema.ts';
import { nearest } from './suggest.ts';

/** What the stages there are say of a configuration. */
export interface StageRules {
  /** Kinds of evidence that they make. */
  kinds: readonly string[];
  /** What is wrong with the keys of a model that are theirs; pointers start at the model. */
  problems(model: Model): Problem[];
}

/** What no key of a configuration shows alone: columns, thresholds and gates that do not go with the task. */
export function inconsistencies({ models, registry }: Config, { kinds, problems }: StageRules): Problem[] {
  const ofModels = Object.entries(models).flatMap(([name, model]) =>
    [
      ...elsewhereProblems(model),
      ...columnsProblems(model),
      ...featuresProblems(model),
      ...kindsProblems('/policy/required_evidence', kinds, model.policy.required_evidence),
      ...readingProblems(model),
      ...approvalsProblems(model),
      ...problems(model),
    ].map(({ pointer, ...problem }) => ({ pointer: `/models/${name}${pointer}`, ...problem })),
  );
  return [...ofModels, ...environmentProblems(registry?.environments ?? {}, kinds)];
}

/** An environment that follows none there is could never be entered. */
function environmentProblems(environments: Readonly<Record<string, Environment>>, kinds: readonly string[]): Problem[] {
  return Object.entries(environments).flatMap(([name, { after, evidence }]) => {
    const pointer = `/registry/environments/${name}`;
    const others = Object.keys(environments).filter((each) => each !== name);
    const ofEvidence = kindsProblems(`${pointer}/evidence`, kinds, evidence);
    if (after === undefined || others.includes(after)) return ofEvidence;
    return [{ pointer: `${pointer}/after`, message: unknown('environment', after, others) }, ...ofEvidence];
  });
}

function kindsProblems(pointer: string, kinds: readonly string[], named: readonly string[] = []): Problem[] {
  return named.flatMap((kind, index) =>
    kinds.includes(kind) ? [] : [{ pointer: `${pointer}/${index}`, message: unknown('kind of evidence', kind, kinds) }],
  );
}

function unknown(what: string, found: string, allowed: readonly string[]): string {
  const near = nearest(found, allowed);
  const meant = near === undefined ? '' : ` Did you mean ${JSON.stringify(near)}?`;
  return `unknown ${what} ${JSON.stringify(found)}.${meant} Expected ${allowed.length === 0 ? 'another one, but none exists' : `one of: ${allowed.join(', ')}`}`;
}

/** A model that is fed what it is to predict looks perfect; an id, a weight or a group says nothing that holds for other rows. */
function featuresProblems({ columns }: Model): Problem[] {
  return (columns.features ?? []).flatMap((feature, index) => {
    const role = roleOf(feature, columns);
    if (role === null) return [];
    const named = [columns[role]].flat().includes(feature)
      ? ''
      : ` (as ${JSON.stringify([columns[role]].flat()[0])} is)`;
    const expected =
      role === 'label' ? 'a column whose value is known at prediction time' : `a column other than the ${role}`;
    return [
      {
        pointer: `/columns/features/${index}`,
        message: `${JSON.stringify(feature)} is the ${role}${named}. Expected ${expected}`,
      },
    ];
  });
}

/** Files that must be fetched first are named with the command that does. */
function elsewhereProblems({ candidate, champion, data }: Model): Problem[] {
  const pathOf = (reference: typeof champion): unknown =>
    typeof reference === 'object' ? ('uri' in reference ? reference.uri : reference.predictions) : reference;
  const named: [string, string, unknown, typeof addressFault][] = [
    ...[candidate].flat().map((each): (typeof named)[number] => ['', 'candidate', pathOf(each), addressFault]),
    ['', 'champion', pathOf(champion), addressFault],
    ...Object.entries(data).map(([key, value]): (typeof named)[number] => [
      '/data',
      key,
      value,
      ['evaluation', 'reference', 'current'].includes(key) ? addressFault : howToFetch,
    ]),
  ];
  return named.flatMap(([pointer, key, path, faultIn]) => {
    const fetched = typeof path === 'string' ? faultIn(path) : null;
    if (fetched === null) return [];
    return [{ pointer, key, message: `${key} is ${JSON.stringify(path)}: ${fetched.found}. ${fetched.remedy}` }];
  });
}

function columnsProblems({ task, columns }: Model): Problem[] {
  const pointer = '/columns';
  const many = typeof columns.label !== 'string';
  // Rows may each be a cluster, and queries too; what is to be predicted, and how much a row counts, is nothing else.
  for (const own of ['label', 'weight'] as const) {
    for (const key of ['id', 'weight', 'cluster', 'group'] as const) {
      const name = columns[key];
      if (key === own || typeof name !== 'string' || ![columns[own]].flat().includes(name)) continue;
      return [
        { pointer, key, message: `${key} is ${JSON.stringify(name)}, which is the ${own}. Expected another column` },
      ];
    }
  }
  if (task === 'multilabel-classification' && !many) {
    return [
      { pointer, key: 'label', message: `label is one column. Expected for ${task}: a list of columns of 0 and 1` },
    ];
  }
  if (task !== 'multilabel-classification' && many) {
    return [{ pointer, key: 'label', message: `label is a list. Expected for ${task}: one column` }];
  }
  if (task === 'ranking' && (columns.group ?? null) === null) {
    return [
      { pointer, message: 'the key "group" is missing: the column of the query that a row belongs to, for ranking' },
    ];
  }
  return [];
}

/** What a reference says of its scores that does not go with the task; values of a regression have no threshold, and are no logits. */
function readingProblems({ task, columns, candidate, champion }: Model): Problem[] {
  const labels = labelColumns(columns).length;
  const named = [...[candidate].flat().map((each) => ['candidate', each] as const), ['champion', champion] as const];
  return named.flatMap(([role, reference]) => {
    if (typeof reference !== 'object') return [];
    const pointer = `/${role}`;
    if (task === 'regression' || task === 'ranking') {
      const { transform = 'none' } = 'uri' in reference ? reference : {};
      const idle = [
        ...(reference.threshold === undefined ? [] : ['threshold']),
        ...(transform === 'none' ? [] : ['transform']),
      ];
      return idle.map((key) => ({
        pointer,
        key,
        message: `${key} has no effect on the values of task: ${task}. Remove it`,
      }));
    }
    if (typeof reference.threshold !== 'object') return [];
    const problem = { pointer, key: 'threshold' };
    if (task !== 'multilabel-classification') {
      return [{ ...problem, message: `threshold is a list. Expected for ${task}: a number` }];
    }
    const { length } = reference.threshold;
    return length === labels
      ? []
      : [{ ...problem, message: `there are ${length} thresholds. Expected ${labels}, one for each of columns.label` }];
  });
}

/** A policy that nobody can satisfy is a mistake. Logins are the same in upper and lower case. */
function approvalsProblems({ policy: { approvals } }: Model): Problem[] {
  if (approvals === undefined) return [];
  const people = new Set(approvals.from.map((login) => login.toLowerCase())).size;
  const { required = 1 } = approvals;
  if (people >= required) return [];
  const message = `${required} approvals are required and ${people === 1 ? 'one person' : `${people} people`} may give them`;
  return [{ pointer: '/policy/approvals', key: 'required', message }];
}
