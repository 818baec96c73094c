/** Files that list the rows that break contract or rules. */
export const violationFiles = ['violations.parquet', 'violations.csv'] as const;
