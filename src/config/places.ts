import { LineCounter, isCollection, isScalar, parseDocument, type Document } from 'yaml';

/** A line and column of contender.yml, counted from 1. */
export interface Place {
  line: number;
  column: number;
}

/**
 * Where the configuration asks for a check: the guardrail, rule or objective that `checkId` judges, else the nearest section
 * of the model. Undefined for a text that is not the configuration of such a model.
 *
 * @param text contender.yml as it is in the file
 */
export function placeOfCheck(text: string, model: string, checkId: string): Place | undefined {
  return nearestPlace(text, (document) => [
    'models',
    model,
    ...keysOfCheck(checkId, (path) => document.getIn(['models', model, ...path])),
  ]);
}

/** Where keys such as `models`, `spam`, `policy`, `guardrails`, 0, `metric` lead, or the last of them that is there. */
export function placeOfKeys(text: string, keys: readonly (string | number)[]): Place | undefined {
  return nearestPlace(text, () => keys);
}

function nearestPlace(text: string, find: (document: Document) => readonly (string | number)[]): Place | undefined {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const keys = find(document);
  for (let depth = keys.length; depth >= 2; depth--) {
    const node: unknown = document.getIn(keys.slice(0, depth), true);
    const range = isScalar(node) || isCollection(node) ? node.range : undefined;
    if (range) {
      const { line, col } = lines.linePos(range[0]);
      return { line, column: col };
    }
  }
  return undefined;
}

/** The keys below the model that lead to what asks for a check. */
function keysOfCheck(checkId: string, read: (path: readonly (string | number)[]) => unknown): (string | number)[] {
  const [kind = '', ...rest] = checkId.split('/');
  const name = rest.join('/');
  if (kind === 'load') return name === 'staging' ? ['staging'] : ['load', 'slo', sloKey(name)];
  if (kind === 'data') return ['data', name.endsWith('/contract') ? 'contract' : 'rules'];
  if (kind !== 'evaluation') return [];
  if (name.startsWith('fairness')) return ['policy', 'fairness'];
  const guardrails = Array.from({ length: 100 }, (_, index) => ['policy', 'guardrails', index]);
  const asking = [['policy', 'primary'], ...guardrails].flatMap((path) => {
    const metric = read([...path, 'metric']);
    if (typeof metric !== 'string') return [];
    const whole = ['', '-floor', '-ceiling'].some((what) => name === `${metric}${what}`);
    return whole || name.startsWith(`${metric}@`) ? [{ path, metric, whole }] : [];
  });
  // A name of a metric may itself hold an @: of ndcg and ndcg@10 the longer is meant.
  const longest = Math.max(...asking.map(({ metric }) => metric.length));
  const meant = asking.filter(({ metric }) => metric.length === longest);
  // A slice is asked for by a guardrail.
  return (meant.find(({ whole, path }) => whole || path[1] === 'guardrails') ?? meant[0])?.path ?? ['policy'];
}

function sloKey(name: string): string {
  return /^p\d+$/u.test(name) ? `${name}_ms` : ({ 'error-rate': 'error_rate', parity: 'accuracy' }[name] ?? name);
}
