import type { Static } from 'typebox';
import { Closed, List, Matching, Optional, Text, Type } from '../forms.ts';
import { Bytes, Duration, strict } from './forms.ts';

/* Where a model is served while it is tested, and how it is asked there. */

const Tensors = (what: string) =>
  Optional.List(
    Closed({
      name: Type.String({ minLength: 1 }),
      datatype: Text('of the Open Inference Protocol, such as FP32'),
      shape: List(Type.Integer({ minimum: -1 }), 'the rows first; -1 is any size'),
    }),
    `${what} of the served model, where its server does not tell them`,
    { minItems: 1 },
  );

const Pointer = (description: string) => Matching('^(/.*)?$', description);

export const protocols = ['open-inference', 'kserve-v1', 'mlflow', 'tensorflow-serving', 'torchserve', 'json'] as const;
export type ProtocolName = (typeof protocols)[number];

const service = {
  protocol: Optional.Choice(
    protocols,
    'what the server speaks (default: json where there is a request, else open-inference)',
  ),
  path: Optional.Matching('^/', 'path of the predictions (default: of the protocol)'),
  health: Optional.Matching('^/', 'path that answers 2xx when ready (default: of the protocol)'),
  request: Type.Optional(
    Type.Unknown({
      description:
        'body of a request: JSON in which "{{column}}" stands for the cell of a row, "{{$features}}" for all features as a list, "{{$record}}" as an object, and {"$each": form} for a list with the form for every row',
    }),
  ),
  answer: Type.Optional(
    Type.Object(
      {
        scores: Type.Optional(
          Pointer(
            'JSON pointer to the score, the scores in the order of the classes, or an object of them by class; * stands for each row',
          ),
        ),
        label: Type.Optional(Pointer('JSON pointer to the predicted class; * stands for each row')),
      },
      { ...strict, minProperties: 1 },
    ),
  ),
  inputs: Tensors('inputs'),
  outputs: Tensors('outputs'),
  headers: Type.Optional(
    Type.Record(Type.String({ pattern: '^[A-Za-z0-9-]+$' }), Type.String({ pattern: '^[\\x20-\\x7e]*$' }), {
      description: 'further headers of each request; a secret belongs into CONTENDER_TARGET_TOKEN (input target-token)',
    }),
  ),
  gzip: Optional.Flag('send bodies packed, and take answers packed (answers that come packed are read anyway)'),
  start_timeout: Type.Optional(Duration),
};

export const Staging = Type.Union([
  Closed({
    target: Type.Literal('builtin', {
      description: 'the server of Contender; another one is named by image, url, compose or command in place of target',
    }),
    port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 })),
  }),
  Closed({
    image: Matching('^\\S+$', 'a local image or one the Docker Engine can pull'),
    port: Optional.Integer('inside the container (default 8080)', { minimum: 1, maximum: 65535 }),
    memory: Type.Optional(Bytes),
    cpus: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    env: Type.Optional(Type.Record(Type.String(), Type.String())),
    command: Type.Optional(Type.Array(Type.String())),
    mount_model: Optional.Matching('^/', 'absolute path in the container at which the candidate is mounted, read-only'),
    ...service,
  }),
  Closed({
    url: Type.String({ pattern: '^https?://' }),
    tls: Optional.Part('files of the encryption; paths from the folder of contender.yml', {
      ca: Optional.Text('file with the certificates to trust in place of the usual ones (PEM)'),
      certificate: Optional.Text('file with the certificate of the client (PEM)'),
      key: Optional.Text('file with its private key (PEM), which belongs into no repository'),
    }),
    ...service,
  }),
  Closed({
    compose: Text('name of a service that Docker Compose runs on this machine already'),
    project: Optional.Text('of Docker Compose, where several have a service of that name'),
    port: Optional.Integer('inside the container (default: the only one it exposes)', { minimum: 1, maximum: 65535 }),
    ...service,
  }),
  Closed({
    command: List(
      Type.String({ minLength: 1 }),
      'program and arguments that serve the candidate on 127.0.0.1; {port} and {model} stand for its port and the path of the model, as do PORT and CONTENDER_MODEL in its environment',
      { minItems: 1 },
    ),
    port: Optional.Integer('where it listens (default: a free port)', { minimum: 1, maximum: 65535 }),
    directory: Optional.Text('folder it runs in (default: that of contender.yml)'),
    env: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }), Type.String(), {
        description: 'its environment, beside PATH, HOME and the like; nothing else of ours reaches it',
      }),
    ),
    stop_timeout: Optional.Matching('^[0-9]+(?:\\.[0-9]+)?(ms|s)$', 'how long it may take to end (default 5s)'),
    ...service,
  }),
]);
export type Staging = Static<typeof Staging>;

/** How a server is asked, whoever runs it. */
export type ServiceSettings = Omit<Extract<Staging, { url: string }>, 'url'>;

export function serviceSettings(staging: Staging): ServiceSettings {
  return 'target' in staging ? {} : staging;
}
