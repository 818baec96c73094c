import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse, stringify } from 'yaml';
import { Model, parseConfig } from '../../src/pipeline/configuration.ts';
import { projectRoot } from '../support/project.ts';

/** What an example that shows one section leaves out. */
const model: Record<string, unknown> = {
  task: 'binary-classification',
  candidate: 'model.onnx',
  columns: { id: 'id', label: 'label' },
  data: { evaluation: 'eval.csv' },
  policy: { primary: { metric: 'roc_auc', margin: 0.01 } },
};
const modelSections = new Set(Object.keys(Model.properties));
/** Sections that an example shows without the one above. */
const above: Readonly<Record<string, (example: object) => object>> = {
  rules: (data) => ({ data }),
  weights: (parts) => ({
    rollout: {
      steps: [10],
      step_time: '1h',
      max_step_time: '4h',
      min_requests: 500,
      guardrails: [{ name: 'errors', failure: 'error' }],
      ...parts,
    },
  }),
  alerts: (alerts) => ({ monitor: { production: { files: 'log.csv', time: 'at', score: 'score' }, ...alerts } }),
};
/** The shape of GTO's artifacts.yaml, and of what belongs into a job of a workflow. */
const others = ['on', 'jobs', 'permissions', 'gate', 'spam-filter'];

describe('the examples of contender.yml', async () => {
  const pages = ['README.md', ...(await readdir(join(projectRoot, 'docs'))).map((name) => `docs/${name}`)].filter(
    (page) => page.endsWith('.md'),
  );
  let found = 0;
  const strange: string[] = [];
  for (const page of pages) {
    const text = await readFile(join(projectRoot, page), 'utf8');
    for (const [index, [, yaml = '']] of [...text.matchAll(/```yaml\n(.*?)```/gsu)].entries()) {
      const config = wholeOf(parse(yaml));
      if (config === null) {
        if (!isOfElsewhere(parse(yaml))) strange.push(`example ${index + 1} of ${page}`);
        continue;
      }
      found += 1;
      it(`are valid: example ${index + 1} of ${page}`, () => {
        assert.doesNotThrow(() => parseConfig(stringify(config), page));
      });
    }
  }

  it('are all held to the schema: what is none is a workflow, or a part of one', () => {
    assert.deepEqual(strange, []);
  });

  it('are found', () => {
    assert.ok(found > 5, `${found} examples`);
  });
});

/** Workflows, steps of them, and files of other programs: what they are, their keys say. */
function isOfElsewhere(example: unknown): boolean {
  if (Array.isArray(example)) return true;
  return typeof example === 'object' && example !== null && others.some((key) => key in example);
}

/** A configuration with the sections of an example; null where it is of something else, such as a workflow. */
function wholeOf(example: unknown): object | null {
  if (typeof example !== 'object' || example === null || Array.isArray(example)) return null;
  const keys = Object.keys(example);
  if ('version' in example) return example;
  const [first = ''] = keys;
  const within = above[first];
  if (within !== undefined) return wholeOf(within(example));
  if (keys.every((key) => modelSections.has(key))) return { version: 1, models: { m: merged(model, example) } };
  if (keys.every((key) => key === 'models' || key === 'registry')) {
    const { models = { m: {} }, ...rest } = example as { models?: Record<string, object> };
    const all = Object.entries(models).map(([name, each]) => [name, merged(model, each)] as const);
    return { version: 1, models: Object.fromEntries(all), ...rest };
  }
  return null;
}

function merged(base: Record<string, unknown>, over: object): Record<string, unknown> {
  const entries = Object.entries(over).map(([key, value]: [string, unknown]) => {
    const under = base[key];
    const both = typeof under === 'object' && typeof value === 'object' && value !== null && !Array.isArray(value);
    return [key, both ? { ...under, ...value } : value] as const;
  });
  return { ...base, ...Object.fromEntries(entries) };
}
