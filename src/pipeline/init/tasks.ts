/** Tasks that init writes a policy for. */
export const tasks = ['binary-classification', 'multiclass-classification', 'regression'] as const;
export type InitTask = (typeof tasks)[number];
