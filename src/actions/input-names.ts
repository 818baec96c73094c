/** Options of the command line whose input is not called the same. */
const otherwise: Record<string, string> = { 'set-version': 'version', workspace: 'working-directory' };
const options =
  /(?<command>contender [a-z-]+(?:[^.:;,]|,(?! ))*)|--(?<name>artifact|candidate|champion|check|config|environment|file|model|out|predictions|reason|record|set-version|shard|start|tag|to|until|version|workspace)\b/gu;

/** A fault in the words of a step. Faults name options of the command line; in its commands, which a person may copy, they stay. */
export function withInputs(message: string): string {
  return message.replace(options, (found, _command: string | undefined, name: string | undefined) =>
    name === undefined ? found : `input ${otherwise[name] ?? name}`,
  );
}
