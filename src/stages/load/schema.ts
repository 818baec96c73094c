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
    'name in the ids of its checks if there are several profiles (default: its kind)',
  ),
  arrivals: Type.Optional(Type.Enum(['constant', 'poisson'])),
  warmup: Type.Optional(Duration),
  connections: Optional.Integer('maximum number of open connections; they are opened as needed', {
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
    kind: kind('smoke', 'a short light load (default: 5 requests per second for 15 s)'),
    rate: Type.Optional(Rate(ratePerSecond)),
    duration: Type.Optional(Duration),
    ...common,
  }),
  Closed({
    kind: kind('closed', 'a number of users, each sending the next request after its answer'),
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
    to: Rate('largest rate, in requests per second'),
    step: Type.Optional(Rate('increase per step, in requests per second')),
    factor: Optional.Number('factor per step, instead of step (default 1.5)', { exclusiveMinimum: 1, maximum: 10 }),
    each: Type.Optional({ ...Duration, description: 'length of a step (default 10s)' }),
    ...common,
  }),
  Closed({
    kind: kind('spike', 'a sudden rise of the rate, and the recovery after it'),
    base: Rate('requests per second before and after'),
    factor: Optional.Number('rate of the spike as a multiple of the base rate (default 10)', {
      exclusiveMinimum: 1,
      maximum: 1000,
    }),
    before: Type.Optional({ ...Duration, description: 'time at the base rate before the spike (default 10s)' }),
    length: Type.Optional({ ...Duration, description: 'length of the spike (default 10s)' }),
    after: Type.Optional({
      ...Duration,
      description: 'time at the base rate after the spike, for recovery (default 30s)',
    }),
    ...common,
  }),
  Closed({
    kind: kind('soak', 'a constant rate for a long time, to see whether latency or memory grow'),
    rate: Rate(ratePerSecond),
    duration: Duration,
    ...common,
  }),
  Closed({
    kind: kind('stages', 'your own sequence of stages'),
    stages: Type.Array(
      Closed({
        rate: Type.Number({
          minimum: 0,
          maximum: 100000,
          description: 'requests per second at the end of the stage; the rate changes linearly',
        }),
        duration: Duration,
        jump: Optional.Flag('hold this rate from the start of the stage'),
      }),
      { minItems: 1, maxItems: 1000 },
    ),
    ...common,
  }),
  Closed({
    kind: kind('replay', 'recorded traffic from a file'),
    file: Text(
      'file with one line per request and its time (ISO 8601, or seconds), or with a time and the requests per second from then on',
    ),
    speed: Optional.Number('speed-up factor (default 1)', { exclusiveMinimum: 0, maximum: 100000 }),
    scale: Optional.Number('factor for the number of requests (default 1)', { exclusiveMinimum: 0, maximum: 1000 }),
    ...common,
  }),
  Closed({
    kind: kind('capacity', 'search for the highest rate within the objectives'),
    to: Type.Optional(Rate('largest rate to try, in requests per second (default 100000)')),
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
    Type.Union([
      Constant,
      ...Others,
      List(Profile, 'several profiles, run one after the other', { minItems: 1, maxItems: 20 }),
    ]),
  ),
  summary: Optional.Text('summary file of a k6 or Locust run against the candidate, instead of a load by Contender'),
  parts: Optional.List(
    Type.String({ minLength: 1 }),
    'files written by load-test --shard on several machines, instead of a load from this machine',
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
    throughput: Optional.Number('minimum share of the planned requests that must be answered in time (default 0.98)', {
      minimum: 0,
      maximum: 1,
    }),
    accuracy: Optional.OneOf(
      [Type.Literal('parity'), Type.Number({ minimum: 0, maximum: 1 })],
      'parity: answers must equal the offline predictions; a number: minimum accuracy under load',
    ),
    capacity: Type.Optional(Rate('minimum requests per second within the objectives (ramp, steps and capacity)')),
    recovery: Type.Optional({
      ...Duration,
      description: 'maximum time after a spike until the objectives are met again',
    }),
    memory: Type.Optional({ ...Bytes, description: 'maximum memory, such as 512MiB' }),
    cpu: Optional.Number('maximum average CPU use, in cores', { exclusiveMinimum: 0 }),
    cold_start: Type.Optional({ ...Duration, description: 'maximum time from start until healthy' }),
    memory_growth: Type.Optional({
      ...Bytes,
      description: 'maximum growth of memory per minute in a soak (default 4MiB)',
    }),
    latency_growth: Optional.Number('maximum growth of the median latency over a soak, as a share (default 0.5)', {
      minimum: 0,
    }),
  }),
  compare: Optional.Part('compare latency of candidate and champion, both under load', {
    max_ratio: Type.Number({
      exclusiveMinimum: 0,
      description: 'maximum ratio of p50, p95 and p99 of the candidate to those of the champion, such as 1.2',
    }),
    percentiles: Optional.List(Type.Enum(['p50', 'p95', 'p99']), 'percentiles to compare (default p50 and p95)', {
      minItems: 1,
    }),
    rate: Type.Optional(Rate('requests per second to each (default: the rate of the first profile that has one)')),
    duration: Type.Optional({
      ...Duration,
      description: 'measuring time for both together (default 60s); repeated once if the result is unclear',
    }),
    design: Optional.Choice(
      ['live', 'blocks'],
      'live: each request goes to one of the two at random; blocks: they take turns (ABBA), for servers that disturb each other',
    ),
    champion: Optional.Part('server of the champion, if the staging target cannot also serve the champion', {
      url: Type.Optional(Type.String({ pattern: '^https?://' })),
      image: Type.Optional(Type.String({ minLength: 1 })),
    }),
  }),
  sizing: Optional.Part('advice on the number of replicas, from the measured capacity', {
    target_rps: Type.Optional(Rate('requests per second that all replicas together must serve')),
    replicas: Optional.Integer('number of replicas behind the tested address (default 1)', {
      minimum: 1,
      maximum: 1000,
    }),
    headroom: Optional.Number('share of the capacity that is kept free (default 0.3)', { minimum: 0, maximum: 0.9 }),
    price_per_hour: Optional.Number('price per hour of one replica, in any currency', { exclusiveMinimum: 0 }),
  }),
});
export type Load = Static<typeof Load>;
export type Slo = Load['slo'];

export const loadSettings = settingsAt<Load>('load');
