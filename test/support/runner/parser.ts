import { register } from 'node:module';

/*
 * GitHub's own parser of workflows and actions, and its schemas. The package imports its schemas as JSON without saying so,
 * which Node refuses: a hook says it for it, and so the package has to be imported after.
 */
const hook = `export const load = (url, context, next) =>
  next(url, url.endsWith('.min.json') ? { ...context, importAttributes: { type: 'json' } } : context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);

const workflows = await import('@actions/workflow-parser');
const actions = await import('@actions/workflow-parser/actions/action-parser');
const actionTemplate = await import('@actions/workflow-parser/actions/action-template');

export const { parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } = workflows;
export const { isBasicExpression, isBoolean, isMapping, isNumber, isSequence, isString } = workflows;
export const { parseAction } = actions;
export const { convertActionTemplate } = actionTemplate;
