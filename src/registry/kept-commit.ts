import { RegistryError } from '../errors.ts';

/**
 * A model is recorded by the commit that holds it, so that commit must be where others fetch from, and on a branch that stays: GitHub
 * deletes commits that no branch or tag has after some weeks, the trial merges of pull requests (refs/pull/N/merge) among them.
 *
 * @param there whether the commit is there at all, on a branch that may go
 * @param branches those that would do
 */
export function notKept(input: {
  commit: string;
  there: boolean;
  branches: readonly string[];
  where: string;
}): RegistryError {
  const { commit, there, branches, where } = input;
  const name = commit.slice(0, 12);
  const history = branches.join(' or ');
  return new RegistryError({
    found: there
      ? `commit ${name}, which contains the model, exists but is not in the history of ${history}`
      : `commit ${name}, which contains the model, exists only in this clone`,
    expected: `a commit in the history of ${history}, so that the model can always be fetched`,
    where,
    remedy: there
      ? 'Merge it first, then decide on the branch: commits of a pull request, or of a branch that is squashed or deleted, are deleted after a while'
      : `Push it first: git push`,
  });
}
