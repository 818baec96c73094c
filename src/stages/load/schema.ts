import type { Static } from 'typebox';
import { Closed, List, Optional, Text, Type } from '../../forms.ts';
import { Bytes, Duration } from '../../config/forms.ts';
import { settingsAt } from '../../config/schema.ts';

const Rate = (description: string) => Type.Number({ exclusiveMinimum: 0, maximum: 100000, description });
const ratePerSecond = 'requests per second';

/** What every profile may say. */
const common = {
  name: Optional.Matching(
    '^[a-z][a-z0-9-]{0,30}$',
    'stands in the ids of its checks where there are several profiles (default: its kind)',
  ),
  arrivals: Type.Optional(Type.Enum(['constant', 'poisson'])),
  warmup: Type.Optional(Duration),
  connections: Optional.Integer('how many may be open at once; opened as they are needed', {
    minimum: 1,
    maximum: 1000,
  }),
  rows_per_request: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  timeout: Type.Optional(Duration),
};

const kind = <K extends string>(name: K, description: string) => Type.Literal(name, { description });

const Constant = Closed({
  kind: Type.Optional(Type.Literal('constant', { description: 'requests at a constant rate (the default)' })),
  rate: Rate(ratePerSecond),
  duration: Duration,
  ...common,
});

const Others = [
  Closed({
    kind: kind('smoke', 'a little load: 5 requests a second for 15 s, unless said otherwise'),
    rate: Type.Optional(Rate(ratePerSecond)),
    duration: Type.Optional(Duration),
    ...common,
  }),
  Closed({
    kind: kind('closed', 'so many users, each of whom asks again when answered'),
    users: Type.Integer({ minimum: 1, maximum: 1000 }),
    duration: Duration,
    ...common,
  }),
  Closed({
    kind: kind('ramp', 'a rate that rises evenly until the objectives are missed'),
    from: Type.Optional(Rate('requests per second at the start (default: a tenth of the end)')),
    to: Rate('requests per second at the end'),
    duration: Duration,
    ...common,
  }),
  Closed({
    kind: kind('steps', 'a rate that rises in steps until the objectives are missed'),
    from: Rate('requests per second of the first step'),
    to: Rate('requests per second that no step exceeds'),
    step: Type.Optional(Rate('requests per second from step to step')),
    factor: Optional.Number('from step to step, in place of step (default 1.5)', { exclusiveMinimum: 1, maximum: 10 }),
    each: Type.Optional({ ...Duration, description: 'length of a step (default 10s)' }),
    ...common,
  }),
  Closed({
    kind: kind('spike', 'a sudden rise of a base rate, and what follows it'),
    base: Rate('requests per second before and after'),
    factor: Optional.Number('of the spike (default 10)', { exclusiveMinimum: 1, maximum: 1000 }),
    before: Type.Optional({ ...Duration, description: 'length of the base before (default 10s)' }),
    length: Type.Optional({ ...Duration, description: 'of the spike (default 10s)' }),
    after: Type.Optional({ ...Duration, description: 'length of the base after, to recover in (default 30s)' }),
    ...common,
  }),
  Closed({
    kind: kind('soak', 'a constant rate for long: do latency or memory grow?'),
    rate: Rate(ratePerSecond),
    duration: Duration,
    ...common,
  }),
  Closed({
    kind: kind('stages', 'stretches of your own'),
    stages: Type.Array(
      Closed({
        rate: Type.Number({
          minimum: 0,
          maximum: 100000,
          description: 'requests per second that the stage ends at, and rises or falls to evenly',
        }),
        duration: Duration,
        jump: Optional.Flag('it is held from the start of the stage'),
      }),
      { minItems: 1, maxItems: 1000 },
    ),
    ...common,
  }),
  Closed({
    kind: kind('replay', 'the traffic of a file'),
    file: Text(
      'lines with the time of a request each (ISO 8601, or seconds), or with a time and the requests per second from then on',
    ),
    speed: Optional.Number('how much faster than it was (default 1)', { exclusiveMinimum: 0, maximum: 100000 }),
    scale: Optional.Number('how many times the requests (default 1)', { exclusiveMinimum: 0, maximum: 1000 }),
    ...common,
  }),
  Closed({
    kind: kind('capacity', 'search for the highest rate within the objectives'),
    to: Type.Optional(Rate('requests per second that are not exceeded (default 100000)')),
    window: Type.Optional({ ...Duration, description: 'length of a measurement (default 4s)' }),
    budget: Type.Optional({ ...Duration, description: 'length of the search (default 180s)' }),
    ...common,
  }),
] as const;

const Profile = Type.Union([Constant, ...Others]);
export type ProfileSettings = Static<typeof Profile>;

const Milliseconds = Type.Optional(Type.Number({ exclusiveMinimum: 0 }));

export const Load = Closed({
  profile: Type.Optional(
    Type.Union([Constant, ...Others, List(Profile, 'one after the other', { minItems: 1, maxItems: 20 })]),
  ),
  summary: Optional.Text(
    'file with what k6 or Locust say of a load that they sent to the candidate, in place of a load of ours',
  ),
  parts: Optional.List(
    Type.String({ minLength: 1 }),
    'files that load-test --shard wrote on several machines, in place of a load of this one',
    { minItems: 1, maxItems: 100 },
  ),
  slo: Closed({
    p50_ms: Milliseconds,
    p90_ms: Milliseconds,
    p95_ms: Milliseconds,
    p99_ms: Milliseconds,
    p99_9_ms: Milliseconds,
    max_ms: Milliseconds,
    error_rate: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
    throughput: Optional.Number('minimum delivered share of the offered rate (default 0.98)', {
      minimum: 0,
      maximum: 1,
    }),
    accuracy: Optional.OneOf(
      [Type.Literal('parity'), Type.Number({ minimum: 0, maximum: 1 })],
      'parity: answers must equal the offline predictions; a number: minimum accuracy under load',
    ),
    capacity: Type.Optional(Rate('least requests per second within the objectives (ramp, steps and capacity)')),
    recovery: Type.Optional({ ...Duration, description: 'how long after a spike the objectives may be missed' }),
    memory: Type.Optional({ ...Bytes, description: 'most memory, such as 512MiB' }),
    cpu: Optional.Number('most CPU, in cores, on average', { exclusiveMinimum: 0 }),
    cold_start: Type.Optional({ ...Duration, description: 'from its start until it is healthy' }),
    memory_growth: Type.Optional({
      ...Bytes,
      description: 'most growth of memory a minute in a soak (default 4MiB)',
    }),
    latency_growth: Optional.Number('most growth of the median latency over a soak, as a share of it (default 0.5)', {
      minimum: 0,
    }),
  }),
  compare: Optional.Part('candidate against champion, both under load at the same time', {
    max_ratio: Type.Number({
      exclusiveMinimum: 0,
      description: 'most of p50, p95 and p99 of the candidate over those of the champion, such as 1.2',
    }),
    percentiles: Optional.List(Type.Enum(['p50', 'p95', 'p99']), 'which are held to it (default p50 and p95)', {
      minItems: 1,
    }),
    rate: Type.Optional(Rate('requests per second of each (default: of the first profile that has a rate)')),
    duration: Type.Optional({
      ...Duration,
      description: 'of both together (default 60s), once more where it is not settled',
    }),
    design: Optional.Choice(
      ['live', 'blocks'],
      'live: each request goes to one of both at random; blocks: they take turns (ABBA), for servers that disturb each other',
    ),
    champion: Optional.Part('what serves the champion, where the same staging target cannot serve its model', {
      url: Type.Optional(Type.String({ pattern: '^https?://' })),
      image: Type.Optional(Type.String({ minLength: 1 })),
    }),
  }),
  sizing: Optional.Part('advice on replicas, from the measured capacity', {
    target_rps: Type.Optional(Rate('requests per second to be served by all replicas')),
    replicas: Optional.Integer('how many answer behind the address that is tested (default 1)', {
      minimum: 1,
      maximum: 1000,
    }),
    headroom: Optional.Number('share of the capacity that is kept free (default 0.3)', { minimum: 0, maximum: 0.9 }),
    price_per_hour: Optional.Number('of one replica, in any currency', { exclusiveMinimum: 0 }),
  }),
});
export type Load = Static<typeof Load>;
export type Slo = Load['slo'];

export const loadSettings = settingsAt<Load>('load');
