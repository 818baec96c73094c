/** A file in an artifact of a workflow run, by its address. */
export interface WorkflowArtifact {
  /** Origin of the server's pages. */
  site: string;
  /** owner/name */
  repository: string;
  run: number;
  id: number;
  /** Path in the archive, if one is named. */
  file: string | undefined;
}

/**
 * What an address says of an artifact of a workflow run: `https://github.com/<owner>/<name>/actions/runs/<run>/artifacts/<id>`, which
 * actions/upload-artifact gives as `artifact-url`, then `#` and the path in the archive. Null for any other address.
 */
export function workflowArtifact(uri: string): WorkflowArtifact | null {
  const { site, repository, run, id, file } =
    /^(?<site>https?:\/\/[^/?#]+)\/(?<repository>[^/?#]+\/[^/?#]+)\/actions\/runs\/(?<run>\d+)\/artifacts\/(?<id>\d+)(?:#(?<file>.*))?$/su.exec(
      uri,
    )?.groups ?? {};
  if (site === undefined || repository === undefined) return null;
  return { site, repository, run: Number(run), id: Number(id), file: file === '' ? undefined : decoded(file) };
}

export function addressOfFile(uri: string, file: string): string {
  return `${uri.replace(/#.*$/su, '')}#${file.split('/').map(encodeURIComponent).join('/')}`;
}

/** What is no percent-encoding stands for itself. */
function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return text;
  }
}
