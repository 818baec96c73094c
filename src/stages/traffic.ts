import { Type, type Static } from 'typebox';
import { strict } from '../config/forms.ts';
import type { Problem } from '../config/index.ts';
import { milliseconds } from '../config/units.ts';

/* What a rollout and a switch share: where the share of the traffic is set, where it is seen how both versions do, and what is harm. */

export const Time = Type.String({ pattern: '^[0-9]+(?:\\.[0-9]+)?(s|m|h|d)$', description: 'such as 30s, 10m, 2h' });
const Name = Type.String({ minLength: 1, maxLength: 200 });
const Command = Type.Array(Type.String(), { minItems: 1, description: 'program and arguments, run without a shell' });
const Url = Type.String({ pattern: '^https?://' });
const TokenVariable = Type.String({
  pattern: '^[A-Z][A-Z0-9_]*$',
  description: 'environment variable with the token that is sent as `Authorization: Bearer`',
});

/** Where the share of the traffic is set. */
export const Weights = Type.Union([
  Type.Object(
    { server: Url, token: Type.Optional(TokenVariable) },
    { ...strict, description: '`contender serve` with two models' },
  ),
  Type.Object(
    {
      yaml: Type.String({ minLength: 1, description: 'a file of a git repository, from the top of it' }),
      repository: Type.Optional(
        Type.String({ minLength: 1, description: 'folder of the clone (default: the workspace)' }),
      ),
      candidate: Type.String({
        minLength: 1,
        description: 'path of the weight, such as spec.http.0.route.1.weight; quotes keep the dots of a key',
      }),
      champion: Type.Optional(
        Type.String({
          minLength: 1,
          description: 'path of the weight of the champion, which is written as 100 less the other',
        }),
      ),
      branch: Type.Optional(Type.String({ minLength: 1, description: 'default: the one that is checked out' })),
      push: Type.Optional(
        Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$', description: 'the remote to push to (default origin)' }),
      ),
    },
    { ...strict, description: 'Istio, Gateway API, KServe and whatever else is delivered from git' },
  ),
  Type.Object(
    {
      read: Command,
      write: Type.Array(Type.String(), {
        minItems: 1,
        description: 'the same, with {weight} for the share of the candidate and {rest} for 100 less that',
      }),
    },
    { ...strict, description: 'any program; read prints the weight' },
  ),
  Type.Object(
    {
      url: Type.String({ pattern: '^https?://', description: 'GET gives {"weight": N}, PUT takes it' }),
      token: Type.Optional(TokenVariable),
    },
    { ...strict, description: 'any HTTP service' },
  ),
  Type.Object(
    {
      proxy: Type.Enum(['nginx', 'haproxy']),
      file: Type.String({
        minLength: 1,
        description:
          'a file of its own, which the configuration of the proxy includes; from the workspace, or an absolute path',
      }),
      reload: Command,
    },
    { ...strict, description: 'split_clients of nginx, or a map of HAProxy: see docs/rollout.md' },
  ),
]);
export type Weights = Static<typeof Weights>;

const EventColumns = Type.Object(
  {
    time: Type.Optional(Name),
    id: Type.Optional(Name),
    user: Type.Optional(Name),
    arm: Type.Optional(Name),
    version: Type.Optional(Name),
    status: Type.Optional(Name),
    ms: Type.Optional(Name),
    feedback: Type.Optional(Name),
  },
  { ...strict, description: 'where they have other names' },
);

/** Where it is seen how the two versions do. */
export const Observe = Type.Union([
  Type.Object({ server: Type.Literal(true) }, { ...strict, description: 'the log of the server that weights names' }),
  Type.Object(
    {
      log: Type.String({
        minLength: 1,
        description: 'CSV, JSONL or Parquet: a row for each request, and for each feedback',
      }),
      columns: Type.Optional(EventColumns),
      arms: Type.Optional(Type.Object({ champion: Name, candidate: Name }, strict)),
    },
    strict,
  ),
  Type.Object(
    {
      prometheus: Url,
      token: Type.Optional(TokenVariable),
      arms: Type.Object(
        { champion: Name, candidate: Name },
        { ...strict, description: 'what $arm stands for in the queries' },
      ),
      requests: Type.String({ minLength: 1, description: 'PromQL of a counter, one series, with $arm in it' }),
      failures: Type.Record(Type.String(), Type.String({ minLength: 1 }), {
        description: 'the same by guardrail',
      }),
    },
    strict,
  ),
]);
export type Observe = Static<typeof Observe>;

export const Guardrail = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z][a-z0-9_]*$', maxLength: 60 }),
    failure: Type.Enum(['error', 'slow', 'feedback', 'mean'], {
      description:
        'error: status 500 or above, or none; slow: took longer than over_ms, or never ended; feedback: somebody said so of the request; mean: no failure, but a number whose mean must not get worse (rollouts, from a log)',
    }),
    over_ms: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    feedback: Type.Optional(Name),
    value: Type.Optional(
      Type.String({ minLength: 1, maxLength: 200, description: 'of a mean: the column of the log (default ms)' }),
    ),
    worse: Type.Optional(
      Type.Enum(['higher', 'lower'], { description: 'of a mean, which way it must not go (default higher)' }),
    ),
    max_ratio: Type.Optional(
      Type.Number({
        minimum: 1,
        description:
          "tolerated failure rate or mean of the candidate, as a multiple of the champion's (default 1); where lower is worse the champion's, as a multiple of the candidate's",
      }),
    ),
    prove_below: Type.Optional(
      Type.Number({
        exclusiveMinimum: 1,
        description:
          'before everybody gets the candidate, the ratio must be shown to be below this (default: no proof is asked for)',
      }),
    ),
  },
  strict,
);
export type Guardrail = Static<typeof Guardrail>;

/** How traffic is set and watched, whatever is done with it. */
export interface Traffic {
  min_requests: number;
  poll?: string;
  no_data?: string;
  expires?: string;
  weights: Weights;
  observe: Observe;
  guardrails: Guardrail[];
}

export const trafficKeys = {
  poll: Type.Optional(Time),
  no_data: Type.Optional(Time),
  expires: Type.Optional(Time),
  weights: Weights,
  observe: Observe,
  guardrails: Type.Array(Guardrail, { minItems: 1 }),
};

/** What a schema cannot say of them. @param section the key of the model they stand under */
export function trafficProblems(section: string, { weights, observe, guardrails, poll, expires }: Traffic): Problem[] {
  const found: Problem[] = [];
  const problem = (pointer: string, key: string, message: string): void => {
    found.push({ pointer: `/${section}/${pointer}`, key, message });
  };
  if (milliseconds(expires ?? '15m') < 3 * milliseconds(poll ?? '1m')) {
    problem('expires', 'expires', 'a weight is renewed at each poll: expires must be at least three times as long');
  }
  if ('server' in observe && !('server' in weights)) {
    problem('observe', 'observe', 'observe: {server: true} needs weights: {server: URL}');
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
