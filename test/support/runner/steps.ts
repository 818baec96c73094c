import { writeFile } from 'node:fs/promises';
import { resolve, join } from 'node:path';
import { findAction, type Action, type StandIn } from './action-source.ts';
import { annotationOf, endsPause, parseCommand, stepFiles, summaryLimitBytes, type Annotation } from './commands.ts';
import { asText, evaluateExpression, evaluateTexts, evaluateToken, holds } from './expressions.ts';
import {
  expressionScope,
  processEnvironment,
  type JobState,
  type Result,
  type StepResult,
  type StepScope,
} from './job-state.ts';
import { runProcess } from './process.ts';
import { textAt, type ActionFile, type StepFile } from './workflow-file.ts';

/** Run steps in order, as the runner's StepsRunner does: each asks its condition, none stops the loop. */
export async function runSteps(
  state: JobState,
  scope: StepScope,
  steps: readonly StepFile[],
  signal: AbortSignal,
): Promise<void> {
  for (const step of steps) await runStep(state, scope, step, signal);
}

/** The stages of the actions at the start of a job that come before all steps. */
export async function runPreStages(state: JobState, scope: StepScope, signal: AbortSignal): Promise<void> {
  for (const step of state.request.job.steps) {
    const uses = textAt(step.token, 'uses');
    // A local action is not there yet.
    if (uses === undefined || uses.startsWith('./')) continue;
    const action = await findAction(uses, state.request.actions, state.folders.workspace);
    if (action.kind !== 'files' || action.file.runs.using !== 'node' || action.file.runs.pre === undefined) continue;
    const stage = stageOf(state, scope, step, action);
    if (!holds(action.file.runs.preIf, stage.expressions())) continue;
    const { outcome, result } = await underTimeout(state, scope, stage, 'pre', `Pre ${uses}`, signal);
    scope.ended({ ...result, outcome, conclusion: outcome });
  }
}

async function runStep(state: JobState, scope: StepScope, step: StepFile, signal: AbortSignal): Promise<void> {
  const stage = stageOf(state, scope, step, null);
  let result = blank(step, textAt(step.token, 'uses') ?? 'Run');
  try {
    result.name = displayName(step, stage);
    if (holds(step.condition, stage.expressions())) result = await runMain(state, scope, stage, result.name, signal);
    else result.outcome = 'skipped';
    result.conclusion = tolerated(stage, result.outcome) ? 'success' : result.outcome;
  } catch (error) {
    annotate(state, { level: 'error', message: messageOf(error) });
    result = { ...result, outcome: 'failure', conclusion: 'failure' };
  }
  const { outcome, conclusion, outputs } = result;
  scope.steps[step.id] = { outputs, outcome, conclusion };
  scope.ended(result);
}

/** The step itself. When the job is cancelled, a step whose condition still holds goes on. */
async function runMain(
  state: JobState,
  scope: StepScope,
  stage: Stage,
  title: string,
  signal: AbortSignal,
): Promise<StepResult> {
  const uses = textAt(stage.step.token, 'uses');
  const cancelled = new AbortController();
  const stop = (): void => cancelled.abort();
  const above = state.onCancel;
  state.onCancel = () => {
    if (!holds(stage.step.condition, stage.expressions())) stop();
  };
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (uses !== undefined) stage.action = await findAction(uses, state.request.actions, state.folders.workspace);
    const { outcome, result } = await underTimeout(state, scope, stage, 'main', title, cancelled.signal);
    return { ...result, outcome };
  } catch (error) {
    annotate(state, { level: 'error', message: messageOf(error) });
    return { ...blank(stage.step, title), outcome: 'failure' };
  } finally {
    state.onCancel = above;
    signal.removeEventListener('abort', stop);
  }
}

function tolerated(stage: Stage, outcome: Result): boolean {
  if (outcome !== 'failure') return false;
  return asText(evaluateToken(stage.step.token.find('continue-on-error'), stage.expressions())) === 'true';
}

/** A step, or one stage of its action, about to run. */
interface Stage {
  step: StepFile;
  action: Action | null;
  /** Kept from stage to stage. */
  kept: Record<string, string>;
  env(): Record<string, string>;
  expressions(): ReturnType<typeof expressionScope>;
}

function stageOf(state: JobState, scope: StepScope, step: StepFile, action: Action | null): Stage {
  const outer = (): Record<string, string> => ({ ...state.env, ...scope.env });
  const env = (): Record<string, string> =>
    evaluateTexts(step.token.find('env'), expressionScope(state, scope, outer()));
  const kept = state.kept.get(step) ?? {};
  state.kept.set(step, kept);
  return {
    step,
    action,
    kept,
    env,
    expressions: () => expressionScope(state, scope, { ...outer(), ...env() }),
  };
}

interface Ran {
  outcome: Exclude<Result, 'skipped'>;
  result: StepResult;
}

type StageName = 'pre' | 'main' | 'post';

async function underTimeout(
  state: JobState,
  scope: StepScope,
  stage: Stage,
  name: StageName,
  title: string,
  signal: AbortSignal,
): Promise<Ran> {
  const minutes = Number(evaluateToken(stage.step.token.find('timeout-minutes'), stage.expressions()) ?? 0);
  if (!(minutes > 0) || name !== 'main') return runStage(state, scope, stage, name, title, signal);
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), minutes * state.request.settings.minuteMs);
  try {
    const ran = await runStage(state, scope, stage, name, title, AbortSignal.any([signal, timeout.signal]));
    if (!timeout.signal.aborted || signal.aborted) return ran;
    annotate(state, { level: 'error', message: `The action '${title}' has timed out after ${minutes} minutes.` });
    return { ...ran, outcome: 'failure' };
  } finally {
    clearTimeout(timer);
  }
}

async function runStage(
  state: JobState,
  scope: StepScope,
  stage: Stage,
  name: StageName,
  title: string,
  signal: AbortSignal,
): Promise<Ran> {
  const { step, action } = stage;
  const result = { ...blank(step, title), name: title };
  const files = await stepFiles(state.folders.files, String(++state.count));
  const env = processEnvironment(state, scope, { env: stage.env(), files: files.env, id: step.id });
  const output = listener(state, result, stage.kept);
  const from = state.lines.length;
  say(state, `##[group]${title}`);
  let failed = false;
  let cancelled = (): boolean => signal.aborted;
  try {
    if (action === null) failed = !(await runScript(state, scope, stage, env, output.line, signal));
    else if (action.kind === 'stand-in') await runStandIn(action.standIn);
    else if (action.file.runs.using === 'node') failed = !(await runNode(action.folder, action.file.runs));
    else failed = !(await runComposite(action.folder, action.file, action.file.runs.steps));
  } catch (error) {
    annotate(state, { level: 'error', message: messageOf(error) });
    failed = true;
  }
  const words = await files.read();
  for (const problem of words.problems) annotate(state, { level: 'error', message: problem });
  Object.assign(result.outputs, words.output);
  Object.assign(stage.kept, words.state);
  for (const [variable, value] of Object.entries(words.env)) {
    if (variable === 'NODE_OPTIONS') {
      annotate(state, {
        level: 'error',
        message: "Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command.",
      });
      failed = true;
    } else state.env[variable] = value;
  }
  state.path.unshift(...words.path.toReversed());
  result.summary = keptSummary(state, words.summary);
  const outcome = cancelled()
    ? 'cancelled'
    : failed || output.failed() || words.problems.length > 0
      ? 'failure'
      : 'success';
  if (outcome === 'cancelled') annotate(state, { level: 'error', message: 'The operation was canceled.' });
  result.log = state.lines.slice(from).join('\n');
  return { outcome, result };

  async function runStandIn(standIn: StandIn): Promise<void> {
    const inputs = inputsOf(
      Object.entries(standIn.inputs).map(([input, value]) => ({
        input,
        value: value.startsWith('=') ? asText(evaluateExpression(value.slice(1), stage.expressions())) : value,
      })),
    );
    const call = {
      input: (input: string) => inputs[input] ?? '',
      output: (output: string, value: string) => (result.outputs[output] = value),
      log: output.line,
      env,
      state: stage.kept,
      job: state,
      signal,
    };
    if (name === 'main' && standIn.post !== undefined) postpone('always()');
    await (name === 'post' ? standIn.post?.(call) : standIn.main(call));
  }

  async function runNode(folder: string, runs: ActionFile['runs'] & { using: 'node' }): Promise<boolean> {
    const program = runs[name];
    if (program === undefined) return true;
    if (name !== 'post' && runs.post !== undefined && !state.postponed.has(step)) postpone(runs.postIf);
    const inputs = Object.entries(declaredInputs()).map(([input, value]) => [inputVariable(input), value]);
    const kept = Object.entries(stage.kept).map(([variable, value]) => [`STATE_${variable}`, value]);
    const code = await runProcess({
      command: state.request.settings.node,
      args: [join(folder, program)],
      cwd: state.folders.workspace,
      env: { ...env, ...Object.fromEntries([...inputs, ...kept]), ...actionVariables(step) },
      signal,
      onLine: output.line,
      patience: state.request.settings.patience,
      orphans: state.orphans,
    });
    return code === 0;
  }

  async function runComposite(folder: string, file: ActionFile, steps: StepFile[]): Promise<boolean> {
    let status: JobState['status'] = 'success';
    const inside: StepScope = {
      steps: {},
      inputs: declaredInputs(),
      env: { ...scope.env, ...stage.env() },
      action: { path: folder, name: textAt(step.token, 'uses') ?? '' },
      status: () => status,
      ended(nested) {
        if (nested.conclusion === 'failure' || (nested.conclusion === 'cancelled' && status === 'success')) {
          status = nested.conclusion;
        }
        result.summary += nested.summary;
      },
    };
    await runSteps(state, inside, steps, signal);
    const expressions = expressionScope(state, inside, { ...state.env, ...inside.env });
    for (const { name: output, value } of file.outputs)
      result.outputs[output] = asText(evaluateToken(value, expressions));
    cancelled = () => signal.aborted || status === 'cancelled';
    return status === 'success';
  }

  function declaredInputs(): Record<string, string> {
    const file = action?.kind === 'files' ? action.file : undefined;
    const expressions = stage.expressions();
    return inputsOf(
      (file?.inputs ?? []).map(({ name: input, value }) => ({
        input,
        value: asText(evaluateToken(value, expressions)),
      })),
    );
  }

  /** What `with:` says, over the defaults; names are compared without case, as variables are. */
  function inputsOf(declared: readonly { input: string; value: string }[]): Record<string, string> {
    const given = evaluateTexts(step.token.find('with'), stage.expressions());
    const inputs = Object.fromEntries(declared.map(({ input, value }) => [input, value]));
    const unknown: string[] = [];
    for (const [input, value] of Object.entries(given)) {
      const known = declared.find((each) => each.input.toLowerCase() === input.toLowerCase());
      if (known === undefined) unknown.push(input);
      inputs[known?.input ?? input] = value;
    }
    if (unknown.length > 0 && name === 'main') {
      const message = `Unexpected input(s) '${unknown.join("', '")}', valid inputs are ['${declared.map(({ input }) => input).join("', '")}']`;
      annotate(state, { level: 'warning', message });
    }
    return inputs;
  }

  function postpone(condition: string): void {
    state.postponed.add(step);
    state.posts.push(async (ending) => {
      if (!holds(condition, stage.expressions())) return;
      const ran = await runStage(state, scope, stage, 'post', `Post ${displayName(step, stage)}`, ending);
      state.steps.push({ ...ran.result, outcome: ran.outcome, conclusion: ran.outcome });
      if (ran.outcome === 'failure' && state.status === 'success') state.status = 'failure';
    });
  }
}

async function runScript(
  state: JobState,
  scope: StepScope,
  stage: Stage,
  env: Record<string, string>,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const { token } = stage.step;
  const expressions = stage.expressions();
  const { defaults, settings } = state.request;
  // Defaults of the workflow do not reach into an action.
  const inherited = scope.action === null ? defaults : {};
  const script = asText(evaluateToken(token.find('run'), expressions));
  const text = (key: string): string | undefined => {
    const found = token.find(key);
    return found === undefined ? undefined : asText(evaluateToken(found, expressions));
  };
  for (const line of script.trimEnd().split('\n')) say(state, line);
  const path = join(state.folders.temp, `script_${state.count}.sh`);
  await writeFile(path, script.endsWith('\n') ? script : `${script}\n`);
  const [command = '', ...args] = shellCommand(text('shell') ?? inherited.shell).map((part) =>
    part.replaceAll('{0}', path),
  );
  const code = await runProcess({
    command,
    args,
    cwd: resolve(state.folders.workspace, text('working-directory') ?? inherited.directory ?? '.'),
    env,
    signal,
    onLine,
    patience: settings.patience,
    orphans: state.orphans,
  });
  if (code !== 0 && !signal.aborted) {
    annotate(state, { level: 'error', message: `Process completed with exit code ${code ?? 1}.` });
  }
  return code === 0;
}

/** How a shell is called ("jobs.<job_id>.steps[*].shell", GitHub docs). */
function shellCommand(shell: string | undefined): string[] {
  if (shell === undefined) return ['bash', '-e', '{0}'];
  if (shell === 'bash') return ['bash', '--noprofile', '--norc', '-e', '-o', 'pipefail', '{0}'];
  if (shell === 'sh') return ['sh', '-e', '{0}'];
  if (shell === 'python') return ['python3', '{0}'];
  return shell.split(' ');
}

interface Listener {
  line(text: string): void;
  /** Whether a command was refused, which fails the step. */
  failed(): boolean;
}

/** Reads what a step says: commands are carried out, the rest is logged. */
function listener(state: JobState, result: StepResult, kept: Record<string, string>): Listener {
  let resume: string | null = null;
  let failed = false;
  const counts = { error: 0, warning: 0, notice: 0 };
  return { line, failed: () => failed };

  function line(text: string): void {
    const command = parseCommand(text, resume);
    if (resume !== null) {
      if (command?.name === resume.toLowerCase()) resume = null;
      return say(state, text);
    }
    if (command === null) return say(state, text);
    const { name, properties, data } = command;
    const { name: key = '' } = properties;
    switch (name) {
      case 'add-mask':
        state.masks.add(data);
        return say(state, '::add-mask::***');
      case 'stop-commands':
        if (!endsPause(data)) return refuse(text, `The stop-commands token '${data}' is not allowed.`);
        resume = data;
        return say(state, text);
      case 'save-state':
        if (key === '') return refuse(text, "Required field 'name' is missing in ##[save-state] command.");
        kept[key] = data;
        return undefined;
      case 'set-output':
        if (key === '') return refuse(text, "Required field 'name' is missing in ##[set-output] command.");
        result.outputs[key] = data;
        return undefined;
      case 'set-env':
      case 'add-path':
        return refuse(text, `The \`${name}\` command is disabled.`);
      case 'error':
      case 'warning':
      case 'notice':
        // Ten of a kind a step are kept ("Limits on annotations").
        if (++counts[name] <= 10) return annotate(state, annotationOf(command));
        return say(state, `##[${name}]${data}`);
      case 'group':
        return say(state, `##[group]${data}`);
      case 'endgroup':
        return say(state, '##[endgroup]');
      default:
        return undefined;
    }
  }

  function refuse(text: string, why: string): void {
    failed = true;
    annotate(state, { level: 'error', message: `Unable to process command '${text}' successfully.` });
    annotate(state, { level: 'error', message: why });
  }
}

export function say(state: JobState, text: string): void {
  state.lines.push(state.masks.hide(text));
}

export function annotate(state: JobState, annotation: Annotation): void {
  const message = state.masks.hide(annotation.message);
  state.annotations.push({ ...annotation, message });
  say(state, `##[${annotation.level}]${message}`);
}

/** Nothing of a summary that is too large (CreateStepSummaryCommand in FileCommandManager.cs, actions/runner). */
function keptSummary(state: JobState, summary: string): string {
  const size = Buffer.byteLength(summary);
  if (size <= summaryLimitBytes) return state.masks.hide(summary);
  const message = `$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k, got ${Math.floor(size / 1024)}k.`;
  annotate(state, { level: 'error', message });
  return '';
}

function displayName(step: StepFile, stage: Stage): string {
  const named = step.token.find('name');
  if (named !== undefined) return asText(evaluateToken(named, stage.expressions()));
  const uses = textAt(step.token, 'uses');
  if (uses !== undefined) return `Run ${uses}`;
  return `Run ${
    asText(evaluateToken(step.token.find('run'), stage.expressions()))
      .trimStart()
      .split('\n')[0] ?? ''
  }`;
}

/** `INPUT_` and the name as the runner writes it: capitals, blanks as underscores. */
function inputVariable(input: string): string {
  return `INPUT_${input.replaceAll(' ', '_').toUpperCase()}`;
}

function actionVariables(step: StepFile): Record<string, string> {
  const [repository = '', ref = ''] = (textAt(step.token, 'uses') ?? '').split('@');
  if (ref === '') return {};
  return { GITHUB_ACTION_REPOSITORY: repository.split('/').slice(0, 2).join('/'), GITHUB_ACTION_REF: ref };
}

function blank(step: StepFile, name: string): StepResult {
  return { id: step.id, name, outcome: 'success', conclusion: 'success', outputs: {}, log: '', summary: '' };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
