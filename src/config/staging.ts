import { Type, type Static } from 'typebox';
import { Bytes, Duration, strict } from './forms.ts';

/* Where a model is served while it is tested, and how it is asked there. */

const Tensors = (what: string) =>
  Type.Optional(
    Type.Array(
      Type.Object(
        {
          name: Type.String({ minLength: 1 }),
          datatype: Type.String({ minLength: 1, description: 'of the Open Inference Protocol, such as FP32' }),
          shape: Type.Array(Type.Integer({ minimum: -1 }), { description: 'the rows first; -1 is any size' }),
        },
        strict,
      ),
      { minItems: 1, description: `${what} of the served model, where its server does not tell them` },
    ),
  );

const Pointer = (description: string) => Type.String({ pattern: '^(/.*)?$', description });

export const protocols = ['open-inference', 'kserve-v1', 'mlflow', 'tensorflow-serving', 'torchserve', 'json'] as const;
export type ProtocolName = (typeof protocols)[number];

const service = {
  protocol: Type.Optional(
    Type.Enum([...protocols], {
      description: 'what the server speaks (default: json where there is a request, else open-inference)',
    }),
  ),
  path: Type.Optional(
    Type.String({ pattern: '^/', description: 'path of the predictions (default: of the protocol)' }),
  ),
  health: Type.Optional(
    Type.String({ pattern: '^/', description: 'path that answers 200 when ready (default: of the protocol)' }),
  ),
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
  gzip: Type.Optional(
    Type.Boolean({
      description: 'send bodies packed, and take answers packed (answers that come packed are read anyway)',
    }),
  ),
  start_timeout: Type.Optional(Duration),
};

export const Staging = Type.Union([
  Type.Object(
    {
      target: Type.Literal('builtin', {
        description:
          'the server of Contender; another one is named by image, url, compose or command in place of target',
      }),
      port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 })),
    },
    strict,
  ),
  Type.Object(
    {
      image: Type.String({ minLength: 1, description: 'a local image or one the Docker Engine can pull' }),
      port: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 65535, description: 'inside the container (default 8080)' }),
      ),
      memory: Type.Optional(Bytes),
      cpus: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
      env: Type.Optional(Type.Record(Type.String(), Type.String())),
      command: Type.Optional(Type.Array(Type.String())),
      mount_model: Type.Optional(
        Type.String({ description: 'absolute path in the container at which the candidate is mounted, read-only' }),
      ),
      ...service,
    },
    strict,
  ),
  Type.Object(
    {
      url: Type.String({ pattern: '^https?://' }),
      tls: Type.Optional(
        Type.Object(
          {
            ca: Type.Optional(
              Type.String({
                minLength: 1,
                description: 'file with the certificates to trust in place of the usual ones (PEM)',
              }),
            ),
            certificate: Type.Optional(
              Type.String({ minLength: 1, description: 'file with the certificate of the client (PEM)' }),
            ),
            key: Type.Optional(
              Type.String({
                minLength: 1,
                description: 'file with its private key (PEM), which belongs into no repository',
              }),
            ),
          },
          { ...strict, description: 'files of the encryption; paths from the folder of contender.yml' },
        ),
      ),
      ...service,
    },
    strict,
  ),
  Type.Object(
    {
      compose: Type.String({
        minLength: 1,
        description: 'name of a service that Docker Compose runs on this machine already',
      }),
      project: Type.Optional(
        Type.String({ minLength: 1, description: 'of Docker Compose, where several have a service of that name' }),
      ),
      port: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 65535,
          description: 'inside the container (default: the only one it exposes)',
        }),
      ),
      ...service,
    },
    strict,
  ),
  Type.Object(
    {
      command: Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description:
          'program and arguments that serve the candidate on 127.0.0.1; {port} and {model} stand for its port and the path of the model, as do PORT and CONTENDER_MODEL in its environment',
      }),
      port: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 65535, description: 'where it listens (default: a free port)' }),
      ),
      directory: Type.Optional(
        Type.String({ minLength: 1, description: 'folder it runs in (default: that of contender.yml)' }),
      ),
      env: Type.Optional(
        Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }), Type.String(), {
          description: 'its environment, beside PATH, HOME and the like; nothing else of ours reaches it',
        }),
      ),
      stop_timeout: Type.Optional(
        Type.String({
          pattern: '^[0-9]+(?:\\.[0-9]+)?(ms|s)$',
          description: 'how long it may take to end (default 5s)',
        }),
      ),
      ...service,
    },
    strict,
  ),
]);
export type Staging = Static<typeof Staging>;

/** How a server is asked, whoever runs it. */
export type ServiceSettings = Omit<Extract<Staging, { url: string }>, 'url'>;

export function serviceSettings(staging: Staging): ServiceSettings {
  return 'target' in staging ? {} : staging;
}
