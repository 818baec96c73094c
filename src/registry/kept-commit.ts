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
      ? `commit ${name}, which holds the model, is there but not in the history of ${history}`
      : `commit ${name}, which holds the model, is only here`,
    expected: `a commit in the history of ${history}, so that the model can be fetched for as long as it is recorded`,
    where,
    remedy: there
      ? 'Merge it first and decide on the branch: the commit of a pull request, or of a branch that is squashed or deleted, is deleted after a while'
      : `Push it first: git push`,
  });
}
