import type { Static, TObject } from 'typebox';
import { Closed, List, Matching, Optional, Part, Text, Type } from '../forms.ts';
import type { Path, Problem } from '../config/index.ts';
import { milliseconds } from '../config/units.ts';

/* What a rollout and a switch share: where the share of the traffic is set, where it is seen how both versions do, and what is harm. */

export const Time = Matching('^[0-9]+(?:\\.[0-9]+)?(s|m|h|d)$', 'such as 30s, 10m, 2h');
const Name = Type.String({ minLength: 1, maxLength: 200 });
const Command = List(Type.String(), 'program and arguments, run without a shell', { minItems: 1 });
const Url = Type.String({ pattern: '^https?://' });
const TokenVariable = Matching(
  '^[A-Z][A-Z0-9_]*$',
  'environment variable with the token that is sent as `Authorization: Bearer`',
);

/** Where the share of the traffic is set. */
export const Weights = Type.Union([
  Part('`contender serve` with two models', { server: Url, token: Type.Optional(TokenVariable) }),
  Part('Istio, Gateway API, KServe and whatever else is delivered from git', {
    yaml: Text('a file of a git repository, from the top of it'),
    repository: Optional.Text('folder of the clone (default: the workspace)'),
    candidate: Text('path of the weight, such as spec.http.0.route.1.weight; quotes keep the dots of a key'),
    champion: Optional.Text('path of the weight of the champion, which is written as 100 less the other'),
    branch: Optional.Text('default: the one that is checked out'),
    push: Optional.Matching('^[A-Za-z0-9][A-Za-z0-9._-]*$', 'the remote to push to (default origin)'),
  }),
  Part('any program; read prints the weight', {
    read: Command,
    write: List(Type.String(), 'the same, with {weight} for the share of the candidate and {rest} for 100 less that', {
      minItems: 1,
    }),
  }),
  Part('any HTTP service', {
    url: Matching('^https?://', 'GET gives {"weight": N}, PUT takes it'),
    token: Type.Optional(TokenVariable),
  }),
  Part('split_clients of nginx, or a map of HAProxy: see docs/rollout.md', {
    proxy: Type.Enum(['nginx', 'haproxy']),
    file: Text(
      'a file of its own, which the configuration of the proxy includes; from the workspace, or an absolute path',
    ),
    reload: Command,
  }),
]);
export type Weights = Static<typeof Weights>;

const EventColumns = Part('where they have other names', {
  time: Type.Optional(Name),
  id: Type.Optional(Name),
  user: Type.Optional(Name),
  arm: Type.Optional(Name),
  version: Type.Optional(Name),
  status: Type.Optional(Name),
  ms: Type.Optional(Name),
  feedback: Type.Optional(Name),
});

/** Where it is seen how the two versions do. */
export const Observe = Type.Union([
  Part('the log of the server that weights names', { server: Type.Literal(true) }),
  Closed({
    log: Text('CSV, JSONL or Parquet: a row for each request, and for each feedback'),
    columns: Type.Optional(EventColumns),
    unit: Optional.Choice(['ms', 's'], 'of the times that answers took (default ms)'),
    arms: Optional.Closed({ champion: Name, candidate: Name }),
  }),
  Closed({
    prometheus: Url,
    token: Type.Optional(TokenVariable),
    arms: Part('what $arm stands for in the queries', { champion: Name, candidate: Name }),
    requests: Text('PromQL of a counter, one series, with $arm in it'),
    failures: Type.Record(Type.String(), Type.String({ minLength: 1 }), { description: 'the same by guardrail' }),
  }),
]);
export type Observe = Static<typeof Observe>;

export const Guardrail = Closed({
  name: Type.String({ pattern: '^[a-z][a-z0-9_]*$', maxLength: 60 }),
  failure: Type.Enum(['error', 'slow', 'feedback', 'mean'], {
    description:
      'error: status 500 or above, or none; slow: took longer than over_ms, or never ended; feedback: somebody said so of the request; mean: no failure, but a number whose mean must not get worse (rollouts, from a log)',
  }),
  over_ms: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
  feedback: Type.Optional(Name),
  value: Optional.Text('of a mean: the column of the log (default ms)', { maxLength: 200 }),
  worse: Optional.Choice(['higher', 'lower'], 'of a mean, which way it must not go (default higher)'),
  max_ratio: Optional.Number(
    "tolerated failure rate or mean of the candidate, as a multiple of the champion's (default 1); where lower is worse the champion's, as a multiple of the candidate's",
    { minimum: 1 },
  ),
  prove_below: Optional.Number(
    'before everybody gets the candidate, the ratio must be shown to be below this (default: no proof is asked for)',
    { exclusiveMinimum: 1 },
  ),
});
export type Guardrail = Static<typeof Guardrail>;

/** How traffic is set and watched, whatever is done with it. */
export const trafficKeys = {
  poll: Type.Optional(Time),
  no_data: Type.Optional(Time),
  expires: Type.Optional(Time),
  weights: Weights,
  observe: Observe,
  guardrails: Type.Array(Guardrail, { minItems: 1 }),
};
export type Traffic = Static<TObject<typeof trafficKeys>> & { min_requests: number };

/** Where the configuration asks for a guardrail, or names the source of the data; undefined for any other check. */
export function trafficPlace(section: string, settings: Traffic | undefined, name: string): Path | undefined {
  const index = (settings?.guardrails ?? []).findIndex((each) => each.name === name);
  if (index !== -1) return [section, 'guardrails', index];
  return name === 'data' ? [section, 'observe'] : undefined;
}

/** The variables of nginx, and names that say it. */
const inSeconds = /^(?:request|upstream_[a-z]+)_time$|(?:^|[_.-])(?:s|secs?|seconds?)$/iu;

/** What a schema cannot say of them. @param section the key of the model they stand under */
export function trafficProblems(section: string, { weights, observe, guardrails, poll, expires }: Traffic): Problem[] {
  const found: Problem[] = [];
  const problem = (pointer: string, key: string, message: string): void => {
    found.push({ pointer: `/${section}/${pointer}`, key, message });
  };
  const every = poll ?? '1m';
  if (milliseconds(expires ?? '15m') < 3 * milliseconds(every)) {
    const message = `a weight is renewed at each poll (${every}): expires must be at least three times as long`;
    problem('expires', 'expires', message);
  }
  if ('server' in observe && !('server' in weights)) {
    problem('observe', 'observe', 'observe: {server: true} needs weights: {server: URL}');
  }
  const { columns: { ms = '' } = {}, unit } = 'log' in observe ? observe : {};
  if (unit === undefined && inSeconds.test(ms) && guardrails.some(({ failure }) => failure === 'slow')) {
    problem(
      'observe/columns/ms',
      'ms',
      `${ms} is a name of times in seconds: say which they are, observe.unit: s or ms`,
    );
  }
  for (const [index, { name, failure, over_ms, feedback, value, worse }] of guardrails.entries()) {
    const at = (key: string, message: string): void => problem(`guardrails/${index}/${key}`, key, message);
    if (guardrails.findIndex((each) => each.name === name) !== index) at('name', `there are two guardrails ${name}`);
    if (failure === 'mean' && (section !== 'rollout' || 'prometheus' in observe))
      at('failure', 'means are judged in a rollout, and from a log: counters say nothing of how far values spread');
    if (failure !== 'mean' && (value ?? worse) !== undefined) at('failure', 'value and worse are of failure: mean');
    if ('prometheus' in observe) {
      const query = Object.hasOwn(observe.failures, name) ? observe.failures[name] : undefined;
      if (query === undefined) at('name', `observe.failures has no query for ${name}`);
      continue;
    }
    if (failure === 'slow' && over_ms === undefined) at('over_ms', 'slow needs over_ms');
    if (failure === 'feedback' && feedback === undefined) at('feedback', 'feedback needs the word that is logged');
  }
  if ('prometheus' in observe) {
    for (const [name, query] of Object.entries({ requests: observe.requests, ...observe.failures })) {
      if (query.includes('$arm')) continue;
      problem('observe', name, `the query of ${name} has no $arm, so both versions would get the same number`);
    }
  }
  return found;
}
