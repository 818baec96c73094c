import type { Static } from 'typebox';
import { Closed, List, Matching, Optional, Text, Type } from '../forms.ts';
import { Bytes, Duration, strict } from './forms.ts';

/* Where a model is served while it is tested, and how it is asked there. */

const Tensors = (what: string) =>
  Optional.List(
    Closed({
      name: Type.String({ minLength: 1 }),
      datatype: Text('datatype of the Open Inference Protocol, such as FP32'),
      shape: List(Type.Integer({ minimum: -1 }), 'shape with the rows first; -1 means any size'),
    }),
    `${what} of the served model, if its server does not report them`,
    { minItems: 1 },
  );

const Pointer = (description: string) => Matching('^(/.*)?$', description);

export const protocols = ['open-inference', 'kserve-v1', 'mlflow', 'tensorflow-serving', 'torchserve', 'json'] as const;
export type ProtocolName = (typeof protocols)[number];

const service = {
  protocol: Optional.Choice(protocols, 'protocol of the server (default: json if request is set, else open-inference)'),
  path: Optional.Matching('^/', 'path for predictions (default: that of the protocol)'),
  health: Optional.Matching('^/', 'path that answers 2xx when ready (default: of the protocol)'),
  request: Type.Optional(
    Type.Unknown({
      description:
        'body of a request: JSON in which "{{column}}" is replaced by the value of a row, "{{$features}}" by a list of all features, "{{$record}}" by an object of all features, and {"$each": form} by a list with the form for every row',
    }),
  ),
  answer: Type.Optional(
    Type.Object(
      {
        scores: Type.Optional(
          Pointer(
            'JSON pointer to the score, the scores in the order of the classes, or an object of them by class; * matches each row',
          ),
        ),
        label: Type.Optional(Pointer('JSON pointer to the predicted class; * matches each row')),
      },
      { ...strict, minProperties: 1 },
    ),
  ),
  inputs: Tensors('inputs'),
  outputs: Tensors('outputs'),
  headers: Type.Optional(
    Type.Record(Type.String({ pattern: '^[A-Za-z0-9-]+$' }), Type.String({ pattern: '^[\\x20-\\x7e]*$' }), {
      description:
        'additional headers of each request; put a secret into CONTENDER_TARGET_TOKEN (input target-token) instead',
    }),
  ),
  gzip: Optional.Flag(
    'compress requests with gzip and ask for compressed answers (compressed answers are always accepted)',
  ),
  start_timeout: Type.Optional(Duration),
};

export const Staging = Type.Union([
  Closed({
    target: Type.Literal('builtin', {
      description: 'the built-in server; for another server set image, url, compose or command instead of target',
    }),
    port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 })),
  }),
  Closed({
    image: Matching('^\\S+$', 'a local image, or one that the Docker Engine can pull'),
    port: Optional.Integer('port inside the container (default 8080)', { minimum: 1, maximum: 65535 }),
    memory: Type.Optional(Bytes),
    cpus: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    env: Type.Optional(Type.Record(Type.String(), Type.String())),
    command: Type.Optional(Type.Array(Type.String())),
    mount_model: Optional.Matching('^/', 'absolute path in the container at which the candidate is mounted, read-only'),
    ...service,
  }),
  Closed({
    url: Type.String({ pattern: '^https?://' }),
    tls: Optional.Part('TLS files; paths relative to the folder of contender.yml', {
      ca: Optional.Text('file with the CA certificates to trust instead of the default ones (PEM)'),
      certificate: Optional.Text('file with the client certificate (PEM)'),
      key: Optional.Text('file with the private key of the client certificate (PEM); do not commit it'),
    }),
    ...service,
  }),
  Closed({
    compose: Text('name of a service that already runs on this machine in Docker Compose'),
    project: Optional.Text('Docker Compose project, if several have a service of that name'),
    port: Optional.Integer('port inside the container (default: the only exposed port)', {
      minimum: 1,
      maximum: 65535,
    }),
    ...service,
  }),
  Closed({
    command: List(
      Type.String({ minLength: 1 }),
      'program and arguments that serve the candidate on 127.0.0.1; {port} and {model} are replaced by the port and the path of the model, which are also in the variables PORT and CONTENDER_MODEL',
      { minItems: 1 },
    ),
    port: Optional.Integer('port that the command listens on (default: a free port)', { minimum: 1, maximum: 65535 }),
    directory: Optional.Text('folder in which the command runs (default: that of contender.yml)'),
    env: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }), Type.String(), {
        description:
          'environment variables of the command, in addition to PATH, HOME and similar ones; other variables are not passed on',
      }),
    ),
    stop_timeout: Optional.Matching(
      '^[0-9]+(?:\\.[0-9]+)?(ms|s)$',
      'time that the command may take to stop (default 5s)',
    ),
    ...service,
  }),
]);
export type Staging = Static<typeof Staging>;

/** How a server is asked, whoever runs it. */
export type ServiceSettings = Omit<Extract<Staging, { url: string }>, 'url'>;

export function serviceSettings(staging: Staging): ServiceSettings {
  return 'target' in staging ? {} : staging;
}
