import { created, fullName, invalid, notFound, ok, page, person, route, text, type Call, type Route } from './route.ts';
import { ApiError, now, type Issue } from './state.ts';
import { nextNumber } from './hub-routes.ts';

/** Issues and dispatches: REST. */
export const issueRoutes: Route[] = [
  route('GET /issues', 'issues', (call) => {
    const state = call.query.get('state') ?? 'open';
    const labels = (call.query.get('labels') ?? '').split(',').filter((label) => label !== '');
    const found = [...call.repository.issues]
      .filter(([, issue]) => state === 'all' || (issue.state ?? 'open') === state)
      .filter(([, issue]) => labels.every((label) => issue.labels?.includes(label) === true))
      .sort(([a], [b]) => b - a);
    return page(
      call,
      found.map(([number, issue]) => issueAnswer(call, number, issue)),
    );
  }),
  route('POST /issues', 'issues', (call) => {
    const { repository, body } = call;
    const number = nextNumber(repository);
    const issue: Issue = {
      number,
      title: titleOf(call),
      body: bodyOf(call),
      state: 'open',
      reason: null,
      labels: names(body['labels']),
      // Who cannot be assigned is left out without a word.
      assignees: names(body['assignees']).filter((login) => login !== 'nobody'),
      locked: false,
      user: person(call.token),
      created: now(),
    };
    repository.issues.set(number, issue);
    return created(issueAnswer(call, number, issue));
  }),
  route('GET /issues/:number', ['issues', 'pull-requests'], (call) =>
    ok(issueAnswer(call, Number(call.parameters['number']), issueIn(call))),
  ),
  route('PATCH /issues/:number', ['issues', 'pull-requests'], (call) => {
    const issue = issueIn(call);
    const { body } = call;
    if (body['title'] !== undefined) issue.title = titleOf(call);
    if (body['body'] !== undefined) issue.body = bodyOf(call);
    if (body['state'] === 'open' || body['state'] === 'closed') issue.state = body['state'];
    if (body['state_reason'] !== undefined) issue.reason = text(body['state_reason']);
    if (body['labels'] !== undefined) issue.labels = names(body['labels']);
    return ok(issueAnswer(call, Number(call.parameters['number']), issue));
  }),
  route('POST /dispatches', 'contents', (call) => {
    const { body, repository } = call;
    const type = text(body['event_type']);
    const payload = (body['client_payload'] ?? {}) as Record<string, unknown>;
    if (type === '' || type.length > 100) throw invalid('Invalid request.\n\nevent_type is not valid');
    if (Object.keys(payload).length > 10) throw invalid('No more than 10 properties are allowed');
    if (JSON.stringify(payload).length > 65_535) throw invalid('client_payload is too large');
    repository.dispatches.push({ event: 'repository_dispatch', type, inputs: payload, ref: repository.defaultBranch });
    return { status: 204 };
  }),
  route('POST /actions/workflows/:workflow/dispatches', 'actions', (call) => {
    const { body, repository, parameters } = call;
    const inputs = (body['inputs'] ?? {}) as Record<string, unknown>;
    if (Object.keys(inputs).length > 25) throw invalid('you may only define up to 25 inputs');
    const known = repository.workflows;
    const workflow = known.get(parameters['workflow'] ?? '');
    if (workflow === undefined) throw notFound();
    const unknown = Object.keys(inputs).filter((name) => !workflow.includes(name));
    if (unknown.length > 0) throw new ApiError(422, `Unexpected inputs provided: ${JSON.stringify(unknown)}`);
    repository.dispatches.push({
      event: 'workflow_dispatch',
      type: parameters['workflow'] ?? '',
      inputs,
      ref: text(body['ref']),
    });
    if (body['return_run_details'] !== true) return { status: 204 };
    return ok({ workflow_run_id: 9000 + repository.dispatches.length });
  }),
];

function issueIn({ repository, parameters }: Call): Issue {
  const found = repository.issues.get(Number(parameters['number']));
  if (found === undefined) throw notFound();
  return found;
}

function titleOf({ body }: Call): string {
  const title = text(body['title']);
  if (title.trim() === '')
    throw invalid('Validation Failed', [{ resource: 'Issue', code: 'missing_field', field: 'title' }]);
  if (title.length > 256)
    throw invalid('Validation Failed', [
      { resource: 'Issue', message: 'title is too long (maximum is 256 characters)' },
    ]);
  return title;
}

function bodyOf({ body }: Call): string {
  const said = text(body['body']);
  if (said.length > 65_536)
    throw invalid('Validation Failed', [
      { resource: 'Issue', message: 'body is too long (maximum is 65536 characters)' },
    ]);
  return said;
}

function names(value: unknown): string[] {
  return Array.isArray(value) ? value.map((each) => text(each)) : [];
}

function issueAnswer(call: Call, number: number, issue: Issue): unknown {
  const name = fullName(call.repository);
  return {
    id: number + 5000,
    number,
    title: issue.title,
    body: issue.body ?? null,
    state: issue.state ?? 'open',
    state_reason: issue.reason ?? null,
    locked: issue.locked ?? false,
    labels: (issue.labels ?? []).map((label) => ({ name: label })),
    assignees: (issue.assignees ?? []).map((login) => ({ login })),
    user: issue.user ?? null,
    html_url: `${call.site}/${name}/issues/${number}`,
    created_at: issue.created ?? now(),
  };
}
