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
  'name of the environment variable with the token that is sent as `Authorization: Bearer`',
);

/** Where the share of the traffic is set. */
export const Weights = Type.Union([
  Part('`contender serve` with two models', { server: Url, token: Type.Optional(TokenVariable) }),
  Part('Istio, Gateway API, KServe and anything else that is deployed from git', {
    yaml: Text('path of a file, relative to the root of its git repository'),
    repository: Optional.Text('folder of the clone (default: the workspace)'),
    candidate: Text('path of the weight, such as spec.http.0.route.1.weight; quote a key that contains dots'),
    champion: Optional.Text(
      'path of the weight of the champion, which is set to 100 minus the weight of the candidate',
    ),
    branch: Optional.Text('branch to push to (default: the one that is checked out)'),
    push: Optional.Matching('^[A-Za-z0-9][A-Za-z0-9._-]*$', 'remote to push to (default origin)'),
  }),
  Part('program and arguments that print the weight', {
    read: Command,
    write: List(
      Type.String(),
      'program and arguments that set the weight; {weight} is replaced by the share of the candidate and {rest} by 100 minus it',
      {
        minItems: 1,
      },
    ),
  }),
  Part('any HTTP service', {
    url: Matching('^https?://', 'address where GET returns {"weight": N} and PUT sets it'),
    token: Type.Optional(TokenVariable),
  }),
  Part('split_clients of nginx, or a map of HAProxy: see docs/rollout.md', {
    proxy: Type.Enum(['nginx', 'haproxy']),
    file: Text(
      'separate file that the configuration of the proxy includes; relative to the workspace, or an absolute path',
    ),
    reload: Command,
  }),
]);
export type Weights = Static<typeof Weights>;

const EventColumns = Part('names of the columns, if they differ from the defaults', {
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
  Part('read the log of the server in weights', { server: Type.Literal(true) }),
  Closed({
    log: Text('CSV, JSONL or Parquet with one row for each request and each feedback'),
    columns: Type.Optional(EventColumns),
    unit: Optional.Choice(['ms', 's'], 'unit of the response times (default ms)'),
    arms: Optional.Closed({ champion: Name, candidate: Name }),
  }),
  Closed({
    prometheus: Url,
    token: Type.Optional(TokenVariable),
    arms: Part('values of $arm in the queries', { champion: Name, candidate: Name }),
    requests: Text('PromQL of a counter with one series, containing $arm'),
    failures: Type.Record(Type.String(), Type.String({ minLength: 1 }), {
      description: 'PromQL of a counter for each guardrail',
    }),
  }),
]);
export type Observe = Static<typeof Observe>;

export const Guardrail = Closed({
  name: Type.String({ pattern: '^[a-z][a-z0-9_]*$', maxLength: 60 }),
  failure: Type.Enum(['error', 'slow', 'feedback', 'mean'], {
    description:
      'error: status 500 or above, or no answer; slow: took longer than over_ms, or never ended; feedback: the request got this feedback; mean: not a failure, but a number whose mean must not get worse (only rollouts with a log)',
  }),
  over_ms: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
  feedback: Type.Optional(Name),
  value: Optional.Text('for mean: column of the log (default ms)', { maxLength: 200 }),
  worse: Optional.Choice(['higher', 'lower'], 'for mean: direction that is worse (default higher)'),
  max_ratio: Optional.Number(
    "largest tolerated ratio of the failure rate or mean of the candidate to the champion's (default 1); if lower is worse, of the champion's to the candidate's",
    { minimum: 1 },
  ),
  prove_below: Optional.Number(
    'before the candidate gets all traffic, the ratio must be shown to be below this (default: no proof required)',
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
      `${ms} is usually a time in seconds: state the unit with observe.unit: s or ms`,
    );
  }
  for (const [index, { name, failure, over_ms, feedback, value, worse }] of guardrails.entries()) {
    const at = (key: string, message: string): void => problem(`guardrails/${index}/${key}`, key, message);
    if (guardrails.findIndex((each) => each.name === name) !== index) at('name', `there are two guardrails ${name}`);
    if (failure === 'mean' && (section !== 'rollout' || 'prometheus' in observe))
      at('failure', 'mean is available only in a rollout with a log: counters do not show the spread of values');
    if (failure !== 'mean' && (value ?? worse) !== undefined)
      at('failure', 'value and worse are allowed only with failure: mean');
    if ('prometheus' in observe) {
      const query = Object.hasOwn(observe.failures, name) ? observe.failures[name] : undefined;
      if (query === undefined) at('name', `observe.failures has no query for ${name}`);
      continue;
    }
    if (failure === 'slow' && over_ms === undefined) at('over_ms', 'failure: slow needs over_ms');
    if (failure === 'feedback' && feedback === undefined) at('feedback', 'feedback needs the name that is logged');
  }
  if ('prometheus' in observe) {
    for (const [name, query] of Object.entries({ requests: observe.requests, ...observe.failures })) {
      if (query.includes('$arm')) continue;
      problem('observe', name, `the query of ${name} has no $arm, so both versions would get the same number`);
    }
  }
  return found;
}
