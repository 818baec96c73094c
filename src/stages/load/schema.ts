import { Type, type Static } from 'typebox';
import { Bytes, Duration, strict } from '../../config/forms.ts';
import type { Model } from '../../config/schema.ts';

const Rate = (description: string) => Type.Number({ exclusiveMinimum: 0, maximum: 100000, description });
const ratePerSecond = 'requests per second';

/** What every profile may say. */
const common = {
  name: Type.Optional(
    Type.String({
      pattern: '^[a-z][a-z0-9-]{0,30}$',
      description: 'stands in the ids of its checks where there are several profiles (default: its kind)',
    }),
  ),
  arrivals: Type.Optional(Type.Enum(['constant', 'poisson'])),
  warmup: Type.Optional(Duration),
  connections: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, description: 'how many may be open at once; opened as they are needed' }),
  ),
  rows_per_request: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  timeout: Type.Optional(Duration),
};

const kind = <K extends string>(name: K, description: string) => Type.Literal(name, { description });

const Constant = Type.Object(
  {
    kind: Type.Optional(Type.Literal('constant', { description: 'requests at a constant rate (the default)' })),
    rate: Rate(ratePerSecond),
    duration: Duration,
    ...common,
  },
  strict,
);

const Others = [
  Type.Object(
    {
      kind: kind('smoke', 'a little load: 5 requests a second for 15 s, unless said otherwise'),
      rate: Type.Optional(Rate(ratePerSecond)),
      duration: Type.Optional(Duration),
      ...common,
    },
    strict,
  ),
  Type.Object(
    {
      kind: kind('closed', 'so many users, each of whom asks again when answered'),
      users: Type.Integer({ minimum: 1, maximum: 1000 }),
      duration: Duration,
      ...common,
    },
    strict,
  ),
  Type.Object(
    {
      kind: kind('ramp', 'a rate that rises evenly until the objectives are missed'),
      from: Type.Optional(Rate('requests per second at the start (default: a tenth of the end)')),
      to: Rate('requests per second at the end'),
      duration: Duration,
      ...common,
    },
    strict,
  ),
  Type.Object(
    {
      kind: kind('steps', 'a rate that rises in steps until the objectives are missed'),
      from: Rate('requests per second of the first step'),
      to: Rate('requests per second that no step exceeds'),
      step: Type.Optional(Rate('requests per second from step to step')),
      factor: Type.Optional(
        Type.Number({
          exclusiveMinimum: 1,
          maximum: 10,
          description: 'from step to step, in place of step (default 1.5)',
        }),
      ),
      each: Type.Optional({ ...Duration, description: 'length of a step (default 10s)' }),
      ...common,
    },
    strict,
  ),
  Type.Object(
    {
      kind: kind('spike', 'a sudden rise of a base rate, and what follows it'),
      base: Rate('requests per second before and after'),
      factor: Type.Optional(
        Type.Number({ exclusiveMinimum: 1, maximum: 1000, description: 'of the spike (default 10)' }),
      ),
      before: Type.Optional({ ...Duration, description: 'length of the base before (default 10s)' }),
      length: Type.Optional({ ...Duration, description: 'of the spike (default 10s)' }),
      after: Type.Optional({ ...Duration, description: 'length of the base after, to recover in (default 30s)' }),
      ...common,
    },
    strict,
  ),
  Type.Object(
    {
      kind: kind('soak', 'a constant rate for long: do latency or memory grow?'),
      rate: Rate(ratePerSecond),
      duration: Duration,
      ...common,
    },
    strict,
  ),
  Type.Object(
    {
      kind: kind('stages', 'stretches of your own'),
      stages: Type.Array(
        Type.Object(
          {
            rate: Type.Number({
              minimum: 0,
              maximum: 100000,
              description: 'requests per second that the stage ends at, and rises or falls to evenly',
            }),
            duration: Duration,
            jump: Type.Optional(Type.Boolean({ description: 'it is held from the start of the stage' })),
          },
          strict,
        ),
        { minItems: 1, maxItems: 1000 },
      ),
      ...common,
    },
    strict,
  ),
  Type.Object(
    {
      kind: kind('replay', 'the traffic of a file'),
      file: Type.String({
        minLength: 1,
        description:
          'lines with the time of a request each (ISO 8601, or seconds), or with a time and the requests per second from then on',
      }),
      speed: Type.Optional(
        Type.Number({ exclusiveMinimum: 0, maximum: 100000, description: 'how much faster than it was (default 1)' }),
      ),
      scale: Type.Optional(
        Type.Number({ exclusiveMinimum: 0, maximum: 1000, description: 'how many times the requests (default 1)' }),
      ),
      ...common,
    },
    strict,
  ),
  Type.Object(
    {
      kind: kind('capacity', 'search for the highest rate within the objectives'),
      to: Type.Optional(Rate('requests per second that are not exceeded (default 100000)')),
      window: Type.Optional({ ...Duration, description: 'length of a measurement (default 4s)' }),
      budget: Type.Optional({ ...Duration, description: 'length of the search (default 180s)' }),
      ...common,
    },
    strict,
  ),
] as const;

const Profile = Type.Union([Constant, ...Others]);
export type ProfileSettings = Static<typeof Profile>;

const Milliseconds = Type.Optional(Type.Number({ exclusiveMinimum: 0 }));

export const Load = Type.Object(
  {
    profile: Type.Optional(
      Type.Union([
        Constant,
        ...Others,
        Type.Array(Profile, { minItems: 1, maxItems: 20, description: 'one after the other' }),
      ]),
    ),
    summary: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'file with what k6 or Locust say of a load that they sent to the candidate, in place of a load of ours',
      }),
    ),
    parts: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        maxItems: 100,
        description: 'files that load-test --shard wrote on several machines, in place of a load of this one',
      }),
    ),
    slo: Type.Object(
      {
        p50_ms: Milliseconds,
        p90_ms: Milliseconds,
        p95_ms: Milliseconds,
        p99_ms: Milliseconds,
        p99_9_ms: Milliseconds,
        max_ms: Milliseconds,
        error_rate: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
        throughput: Type.Optional(
          Type.Number({
            minimum: 0,
            maximum: 1,
            description: 'minimum delivered share of the offered rate (default 0.98)',
          }),
        ),
        accuracy: Type.Optional(
          Type.Union([Type.Literal('parity'), Type.Number({ minimum: 0, maximum: 1 })], {
            description: 'parity: answers must equal the offline predictions; a number: minimum accuracy under load',
          }),
        ),
        capacity: Type.Optional(Rate('least requests per second within the objectives (ramp, steps and capacity)')),
        recovery: Type.Optional({ ...Duration, description: 'how long after a spike the objectives may be missed' }),
        memory: Type.Optional({ ...Bytes, description: 'most memory, such as 512MiB' }),
        cpu: Type.Optional(Type.Number({ exclusiveMinimum: 0, description: 'most CPU, in cores, on average' })),
        cold_start: Type.Optional({ ...Duration, description: 'from its start until it is healthy' }),
        memory_growth: Type.Optional({
          ...Bytes,
          description: 'most growth of memory a minute in a soak (default 4MiB)',
        }),
        latency_growth: Type.Optional(
          Type.Number({
            minimum: 0,
            description: 'most growth of the median latency over a soak, as a share of it (default 0.5)',
          }),
        ),
      },
      strict,
    ),
    compare: Type.Optional(
      Type.Object(
        {
          max_ratio: Type.Number({
            exclusiveMinimum: 0,
            description: 'most of p50, p95 and p99 of the candidate over those of the champion, such as 1.2',
          }),
          percentiles: Type.Optional(
            Type.Array(Type.Enum(['p50', 'p95', 'p99']), {
              minItems: 1,
              description: 'which are held to it (default p50 and p95)',
            }),
          ),
          rate: Type.Optional(Rate('requests per second of each (default: of the first profile that has a rate)')),
          duration: Type.Optional({
            ...Duration,
            description: 'of both together (default 60s), once more where it is not settled',
          }),
          design: Type.Optional(
            Type.Enum(['live', 'blocks'], {
              description:
                'live: each request goes to one of both at random; blocks: they take turns (ABBA), for servers that disturb each other',
            }),
          ),
          champion: Type.Optional(
            Type.Object(
              {
                url: Type.Optional(Type.String({ pattern: '^https?://' })),
                image: Type.Optional(Type.String({ minLength: 1 })),
              },
              {
                ...strict,
                description: 'what serves the champion, where the same staging target cannot serve its model',
              },
            ),
          ),
        },
        { ...strict, description: 'candidate against champion, both under load at the same time' },
      ),
    ),
    sizing: Type.Optional(
      Type.Object(
        {
          target_rps: Type.Optional(Rate('requests per second to be served by all replicas')),
          replicas: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: 1000,
              description: 'how many answer behind the address that is tested (default 1)',
            }),
          ),
          headroom: Type.Optional(
            Type.Number({
              minimum: 0,
              maximum: 0.9,
              description: 'share of the capacity that is kept free (default 0.3)',
            }),
          ),
          price_per_hour: Type.Optional(
            Type.Number({ exclusiveMinimum: 0, description: 'of one replica, in any currency' }),
          ),
        },
        { ...strict, description: 'advice on replicas, from the measured capacity' },
      ),
    ),
  },
  strict,
);
export type Load = Static<typeof Load>;
export type Slo = Load['slo'];

/** What a model asks of the stage. */
export function loadSettings(model: Model & { load?: Load }): Load | undefined {
  return model.load;
}
