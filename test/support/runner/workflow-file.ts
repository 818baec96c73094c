import type { TemplateParseResult } from '@actions/workflow-parser/templates/template-parse-result';
import type { MappingToken } from '@actions/workflow-parser/templates/tokens/mapping-token';
import type { TemplateToken } from '@actions/workflow-parser/templates/tokens/template-token';
import type { EventsConfig, Step } from '@actions/workflow-parser/model/workflow-template';
import {
  convertActionTemplate,
  convertWorkflowTemplate,
  isMapping,
  isSequence,
  isString,
  NoOperationTraceWriter,
  parseAction,
  parseWorkflow,
} from './parser.ts';

/** A workflow that GitHub's parser takes. What its conversion leaves out is read from the tokens. */
export interface WorkflowFile {
  path: string;
  name: string;
  events: EventsConfig;
  token: MappingToken;
  jobs: JobFile[];
}

export interface JobFile {
  id: string;
  needs: string[];
  /** With `success() &&` before it where it names no status, as the runner reads it. */
  condition: string;
  token: MappingToken;
  steps: StepFile[];
}

export interface StepFile {
  id: string;
  condition: string;
  token: MappingToken;
}

/** An action.yml that GitHub's parser takes. */
export interface ActionFile {
  inputs: { name: string; value: TemplateToken | undefined }[];
  outputs: { name: string; value: TemplateToken | undefined }[];
  runs:
    | { using: 'composite'; steps: StepFile[] }
    | { using: 'node'; main: string; pre?: string; preIf: string; post?: string; postIf: string };
}

/** What the harness does of a job; anything else, such as a container, would be left out unseen. */
const jobKeys: ReadonlySet<string> = new Set([
  'concurrency',
  'continue-on-error',
  'defaults',
  'env',
  'environment',
  'if',
  'name',
  'needs',
  'outputs',
  'permissions',
  'runs-on',
  'steps',
  'strategy',
  'timeout-minutes',
]);

/** @throws Error with everything that GitHub's parser and converter find wrong, one a line */
export async function readWorkflow(path: string, content: string): Promise<WorkflowFile> {
  const parsed = parseWorkflow({ name: path, content }, new NoOperationTraceWriter());
  const root = mappingOf(path, parsed);
  const template = await convertWorkflowTemplate(parsed.context, root);
  refuseErrors(path, parsed);
  const jobs = root.find('jobs');
  return {
    path,
    name: textAt(root, 'name') ?? path,
    events: template.events,
    token: root,
    jobs: template.jobs.map((job) => {
      const token = mappingAt(jobs, job.id.value);
      if (job.type !== 'job') throw new Error(`${path}: job ${job.id.value} calls a workflow, which is not run here`);
      for (const { key } of token) {
        if (!jobKeys.has(key.toString()))
          throw new Error(`${path}: ${key.toString()} of job ${job.id.value} is not done here`);
      }
      return {
        id: job.id.value,
        needs: (job.needs ?? []).map(({ value }) => value),
        condition: job.if.expression,
        token,
        steps: stepFiles(path, job.steps, token),
      };
    }),
  };
}

/** @throws Error with everything that GitHub's parser finds wrong, one a line */
export function readActionFile(path: string, content: string): ActionFile {
  const parsed = parseAction({ name: path, content }, new NoOperationTraceWriter());
  const root = mappingOf(path, parsed);
  const { runs, inputs, outputs } = convertActionTemplate(parsed.context, root);
  refuseErrors(path, parsed);
  const named = (list: { id: string; value?: TemplateToken; default?: TemplateToken }[] | undefined) =>
    (list ?? []).map((each) => ({ name: each.id, value: each.value ?? each.default }));
  const ports = { inputs: named(inputs), outputs: named(outputs) };
  if (runs.using === 'composite') {
    return { ...ports, runs: { using: 'composite', steps: stepFiles(path, runs.steps, mappingAt(root, 'runs')) } };
  }
  if (runs.using === 'docker') throw new Error(`${path}: actions in containers are not run here`);
  if (runs.using !== 'node24') throw new Error(`${path}: ${runs.using} is not node24`);
  const { main, pre, preIf = 'always()', post, postIf = 'always()' } = runs;
  return {
    ...ports,
    runs: {
      using: 'node',
      main,
      preIf,
      postIf,
      ...(pre === undefined ? {} : { pre }),
      ...(post === undefined ? {} : { post }),
    },
  };
}

/** The text at a key, if it is plain text. */
export function textAt(mapping: TemplateToken | undefined, key: string): string | undefined {
  const found = mapping !== undefined && isMapping(mapping) ? mapping.find(key) : undefined;
  return found !== undefined && isString(found) ? found.value : undefined;
}

function stepFiles(path: string, steps: readonly Step[], owner: MappingToken): StepFile[] {
  const list = owner.find('steps');
  if (list === undefined || !isSequence(list)) throw new Error(`${path}: no steps`);
  return steps.map((step, index) => {
    if (!('run' in step) && !('uses' in step)) throw new Error(`${path}: step ${step.id} is of a kind not run here`);
    return { id: step.id, condition: step.if.expression, token: list.get(index).assertMapping('step') };
  });
}

function mappingOf(path: string, parsed: TemplateParseResult): MappingToken {
  refuseErrors(path, parsed);
  if (parsed.value === undefined) throw new Error(`${path} is empty`);
  return parsed.value.assertMapping(path);
}

function mappingAt(mapping: TemplateToken | undefined, key: string): MappingToken {
  const found = mapping !== undefined && isMapping(mapping) ? mapping.find(key) : undefined;
  if (found === undefined) throw new Error(`no ${key}`);
  return found.assertMapping(key);
}

function refuseErrors(path: string, { context }: TemplateParseResult): void {
  const errors = context.errors.getErrors();
  if (errors.length > 0) throw new Error(errors.map(({ message }) => `${path}: ${message}`).join('\n'));
}
