/** The repository of tests, apart from the stand-in: a process that only asks need not load that. */
export const repositoryName = 'acme/models';
