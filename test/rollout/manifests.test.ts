import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Ajv } from 'ajv';
import { parse, parseAllDocuments } from 'yaml';
import { withWeight } from '../../src/pipeline/rollout/weights-yaml.ts';
import { projectRoot } from '../support/project.ts';

/*
 * The paths that docs/rollout.md names, in manifests of the resources, against their schemas. CONTENDER_CRDS names a folder with the published
 * CustomResourceDefinitions (YAML): then each manifest is held against every version that is served, and the facts below against them too. Seen at
 * kubernetes-sigs/gateway-api 4564255 (standard), istio/api b8f8791, kserve/kserve aaac4e2 (full), argoproj/argo-rollouts 9f8d111.
 */
interface Resource {
  kind: string;
  candidate: string;
  champion?: string;
  /** What the schema says of the weight. */
  weight: { type: 'integer'; minimum?: number; maximum?: number };
  manifest: string;
}

const resources: Resource[] = [
  {
    kind: 'HTTPRoute',
    candidate: 'spec.rules.0.backendRefs.1.weight',
    champion: 'spec.rules.0.backendRefs.0.weight',
    weight: { type: 'integer', minimum: 0, maximum: 1_000_000 },
    manifest: `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: moderation }
spec:
  parentRefs: [{ name: gateway }]
  rules:
    - backendRefs:
        - { name: champion, port: 8080, weight: 100 }
        - { name: candidate, port: 8080, weight: 0 } # contender
`,
  },
  {
    kind: 'VirtualService',
    candidate: 'spec.http.0.route.1.weight',
    champion: 'spec.http.0.route.0.weight',
    weight: { type: 'integer' },
    manifest: `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: moderation }
spec:
  hosts: [moderation]
  http:
    - route:
        - destination: { host: moderation, subset: champion }
          weight: 100
        - destination: { host: moderation, subset: candidate }
          weight: 0 # contender
`,
  },
  {
    kind: 'InferenceService',
    candidate: 'spec.predictor.canaryTrafficPercent',
    weight: { type: 'integer' },
    manifest: `apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: { name: moderation }
spec:
  predictor:
    canaryTrafficPercent: 0 # contender
    model:
      modelFormat: { name: onnx }
      storageUri: s3://models/moderation/2
`,
  },
  {
    kind: 'InferenceService',
    candidate: 'spec.canary.0.trafficPercent',
    weight: { type: 'integer', minimum: 0, maximum: 100 },
    manifest: `apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: { name: moderation }
spec:
  predictor:
    model:
      modelFormat: { name: onnx }
      storageUri: s3://models/moderation/1
  canary:
    - name: candidate
      trafficPercent: 0 # contender
      predictor:
        model:
          name: candidate
          modelFormat: { name: onnx }
          storageUri: s3://models/moderation/2
`,
  },
  {
    kind: 'Rollout',
    candidate: 'spec.strategy.canary.steps.0.setWeight',
    weight: { type: 'integer' },
    manifest: `apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: { name: moderation }
spec:
  replicas: 4
  selector: { matchLabels: { app: moderation } }
  strategy:
    canary:
      steps:
        - setWeight: 0 # contender
        - pause: {}
  template:
    metadata: { labels: { app: moderation } }
    spec: { containers: [{ name: server, image: 'moderation:2' }] }
`,
  },
];

interface Schema {
  properties?: Record<string, Schema>;
  items?: Schema;
  type?: string;
  minimum?: number;
  maximum?: number;
}

interface Definition {
  spec?: {
    names: { kind: string };
    versions: { name: string; served: boolean; schema: { openAPIV3Schema: Schema } }[];
  };
}

const folder = process.env['CONTENDER_CRDS'];
const definitions = (folder === undefined ? [] : readdirSync(folder))
  .flatMap((file) => parseAllDocuments(readFileSync(join(folder ?? '', file), 'utf8')))
  .map((document) => document.toJS() as Definition | null);
const docs = readFileSync(join(projectRoot, 'docs/rollout.md'), 'utf8');

for (const { kind, candidate, champion, weight, manifest } of resources) {
  describe(`a weight at ${candidate} of ${kind}`, () => {
    const paths = { yaml: 'm.yaml', candidate, ...(champion === undefined ? {} : { champion }) };
    const valueAt = (text: string, path: string): unknown =>
      path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], parse(text));

    it('is named in the documentation', () => assert.ok(docs.includes(candidate)));

    it('is a number that the schema takes, and leaves 100 in all', () => {
      const takes = new Ajv().compile(weight);
      for (const share of [0, 1, 50, 100]) {
        const changed = withWeight(manifest, paths, share);
        assert.equal(valueAt(changed, candidate), share);
        assert.ok(takes(valueAt(changed, candidate)));
        if (champion !== undefined) assert.equal(valueAt(changed, champion), 100 - share);
      }
    });

    it('is in the schema that was published', { skip: folder === undefined && 'no CONTENDER_CRDS' }, () => {
      const served = definitions
        .filter((each) => each?.spec?.names.kind === kind)
        .flatMap((each) => each?.spec?.versions ?? [])
        .filter((each) => each.served);
      assert.ok(served.length > 0, `no definition of ${kind}`);
      for (const { name, schema } of served) {
        const leaf = candidate
          .split('.')
          .reduce<Schema | undefined>(
            (at, key) => (/^\d+$/u.test(key) ? at?.items : at?.properties?.[key]),
            schema.openAPIV3Schema,
          );
        const { type, minimum, maximum } = leaf ?? {};
        assert.deepEqual(JSON.parse(JSON.stringify({ type, minimum, maximum })), weight, name);
        const ajv = new Ajv({ strict: false, validateFormats: false });
        const takes = ajv.compile(schema.openAPIV3Schema);
        assert.ok(takes(parse(withWeight(manifest, paths, 5))), `${name}: ${ajv.errorsText(takes.errors)}`);
      }
    });
  });
}
