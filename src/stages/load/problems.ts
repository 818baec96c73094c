import { serviceSettings } from '../../config/staging.ts';
import type { Model, Problem } from '../../config/index.ts';
import { loadSettings, type Load } from './schema.ts';

/** What no key shows alone; pointers start at the model. */
export function problems(model: Model): Problem[] {
  return [...stagingProblems(model), ...profileProblems(model)];
}

function stagingProblems({ staging }: Model): Problem[] {
  if (staging === undefined) return [];
  const { protocol, request, answer, path, inputs, outputs } = serviceSettings(staging);
  const speaks = protocol ?? (request === undefined ? 'open-inference' : 'json');
  const found: Problem[] = [];
  const refuse = (wrong: boolean, key: string, message: string): void => {
    if (wrong) found.push({ pointer: '/staging', key, message });
  };
  if (speaks === 'open-inference') {
    const own = 'the open-inference protocol';
    refuse(request !== undefined, 'request', `${own} defines the request. Expected protocol: json, or no request`);
    refuse(answer !== undefined, 'answer', `${own} defines the answer. Expected protocol: json, or no answer`);
    return found;
  }
  if (speaks === 'json') {
    const where = 'Expected staging.answer: {scores: pointer} or {label: pointer}';
    refuse(request === undefined, 'protocol', 'json needs the body of a request. Expected staging.request');
    refuse(answer === undefined, 'protocol', `json needs to know where the answers are. ${where}`);
    refuse(path === undefined, 'protocol', 'json needs the path of the predictions. Expected staging.path');
  }
  const declared = `declared tensors are for the open-inference protocol, and this is ${speaks}`;
  refuse((inputs ?? outputs) !== undefined, inputs === undefined ? 'outputs' : 'inputs', declared);
  return found;
}

/** What a summary of another tool cannot tell. */
function summaryProblems(load: Load): Problem[] {
  const told = ['p50_ms', 'p90_ms', 'p95_ms', 'p99_ms', 'p99_9_ms', 'max_ms', 'error_rate', 'throughput'];
  const message = 'this is not possible with a summary of k6 or Locust, which replaces the load test of Contender';
  return [
    ...(['profile', 'compare', 'sizing'] as const).flatMap((key) =>
      load[key] === undefined ? [] : [{ pointer: '/load', key, message }],
    ),
    ...Object.keys(load.slo).flatMap((key) => (told.includes(key) ? [] : [{ pointer: '/load/slo', key, message }])),
  ];
}

/** What nobody watches while other machines send the load. */
function partsProblems({ slo, compare, sizing }: Load): Problem[] {
  const untold = ['capacity', 'memory', 'cpu', 'cold_start', 'memory_growth'];
  const message = 'this is not possible with a load test in parts';
  return [
    ...Object.entries({ compare, sizing }).flatMap(([key, value]) =>
      value === undefined ? [] : [{ pointer: '/load', key, message }],
    ),
    ...Object.keys(slo).flatMap((key) => (untold.includes(key) ? [{ pointer: '/load/slo', key, message }] : [])),
  ];
}

function profileProblems(model: Model): Problem[] {
  const load = loadSettings(model);
  if (load === undefined) return [];
  const list = Array.isArray(load.profile);
  const profiles = Array.isArray(load.profile) ? load.profile : load.profile === undefined ? [] : [load.profile];
  const kinds = profiles.map(({ kind = 'constant' }) => kind);
  const has = (...wanted: string[]): boolean => kinds.some((kind) => wanted.includes(kind));
  const needs = (key: keyof typeof load.slo, ok: boolean, what: string): Problem[] =>
    load.slo[key] === undefined || ok
      ? []
      : [{ pointer: '/load/slo', key, message: `${key} needs a profile of kind ${what}, but there is none` }];
  if (load.summary !== undefined) return summaryProblems(load);
  return [
    ...(load.parts === undefined ? [] : partsProblems(load)),
    ...profiles.flatMap((profile, index): Problem[] => {
      const pointer = list ? `/load/profile/${index}` : '/load/profile';
      if (profile.kind !== 'steps') return [];
      const { from, to, step, factor } = profile;
      if (from > to)
        return [{ pointer, key: 'to', message: `the steps go from ${from} up to ${to}. Expected a higher rate` }];
      const message = 'step and factor both set how the rate rises. Expected one of them';
      return step === undefined || factor === undefined ? [] : [{ pointer, key: 'factor', message }];
    }),
    ...needs('capacity', has('ramp', 'steps', 'capacity'), 'ramp, steps or capacity'),
    ...needs('recovery', has('spike'), 'spike'),
    ...needs('memory_growth', has('soak'), 'soak'),
    ...needs('latency_growth', has('soak'), 'soak'),
  ];
}
