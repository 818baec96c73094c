import { Type, type Static } from 'typebox';
import { strict } from '../../config/forms.ts';
import type { Model } from '../../config/schema.ts';

const Time = Type.String({ pattern: '^[0-9]+(?:\\.[0-9]+)?(s|m|h|d)$', description: 'such as 30s, 10m, 2h' });
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
    failure: Type.Enum(['error', 'slow', 'feedback'], {
      description:
        'error: status 500 or above, or none; slow: took longer than over_ms, or never ended; feedback: somebody said so of the request',
    }),
    over_ms: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    feedback: Type.Optional(Name),
    max_ratio: Type.Optional(
      Type.Number({
        minimum: 1,
        description: "tolerated failure rate of the candidate, as a multiple of the champion's (default 1)",
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

export const Rollout = Type.Object(
  {
    steps: Type.Array(Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 100 }), {
      minItems: 1,
      description: 'percent of the traffic, rising. 100 follows when the candidate is promoted',
    }),
    step_time: Time,
    max_step_time: Time,
    min_requests: Type.Integer({ minimum: 1, description: 'of the candidate, at each step' }),
    poll: Type.Optional(Time),
    no_data: Type.Optional(Time),
    expires: Type.Optional(Time),
    weights: Weights,
    observe: Observe,
    guardrails: Type.Array(Guardrail, { minItems: 1 }),
  },
  strict,
);
export type Rollout = Static<typeof Rollout>;

/** What a model asks of the stage. */
export function rolloutSettings(model: Model & { rollout?: Rollout }): Rollout | undefined {
  return model.rollout;
}
