/*
 * A writer of its own, for tests that race or kill it: records one decision and prints the result as a line of JSON.
 * Arguments: repository, registry path, branch ('' for the default), model, candidate, outcome (or rollback), tags ('' or gto, with artifacts.yaml).
 */
import { silentLog } from '../../src/log.ts';
import { openGitRegistry } from '../../src/registry/git-registry.ts';
import { rollback } from '../../src/decide/rollback.ts';
import { act, config, evidence, judged } from './sample-decision.ts';

const [repository = '', path = '', branch = '', model = '', candidate = '', outcome = 'promote', tags = ''] =
  process.argv.slice(2);
const registry = await openGitRegistry({
  repository,
  path,
  log: silentLog,
  ...(branch === '' ? {} : { branch }),
  ...(tags === 'gto' ? { tags, artifactsYaml: true } : {}),
});
const proof = [evidence(candidate)];
const result = await registry.record({
  model,
  decide:
    outcome === 'rollback'
      ? (view) => rollback({ model, config }, 'previous', view, { ...act, reason: candidate })
      : judged(model, candidate, outcome as 'promote' | 'reject', proof),
  evidence: proof,
});
process.stdout.write(`${JSON.stringify({ status: result.status, commit: result.commit })}\n`);
