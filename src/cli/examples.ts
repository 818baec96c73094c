import type { Command } from 'commander';
import { stages } from '../stages/index.ts';

/** What a person would type first, by command. */
const examples: Readonly<Record<string, readonly string[]>> = {
  init: [
    'contender init',
    'contender init --yes --label churned --name churn',
    'contender init --data data/eval.csv --candidate models/candidate.onnx',
  ],
  ...Object.fromEntries(stages.map(({ command }) => [command.name, command.examples])),
  doctor: ['contender doctor', 'GITHUB_TOKEN=$(gh auth token) contender doctor --json'],
  report: [
    'contender report',
    'contender report .contender/spam-filter --stage evaluation',
    'contender report new/spam-filter --compare old/spam-filter',
  ],
  reproduce: [
    'contender reproduce',
    'contender reproduce spam-filter 1.2.0',
    'contender reproduce spam-filter 12 --stage data evaluation',
  ],
  history: ['contender history', 'contender history spam-filter --json', 'contender history --pages public'],
  promote: ['contender promote', 'contender promote --no-record', 'contender promote --set-version 2.0.0'],
  gate: ['contender gate', 'contender gate --no-record', 'contender gate --candidate models/new.onnx --no-record'],
  predict: [
    'contender predict --file predictions.parquet',
    'contender predict --role champion --shard 1/3 --file parts/champion-1.parquet',
  ],
  profile: [
    'contender profile data/reference.parquet',
    'contender profile data/reference.parquet --shard 1/3 --file parts/profile-1.json',
    'contender profile parts/*.json --file reference.json',
  ],
  completion: [
    'source <(contender completion bash)',
    'contender completion fish > ~/.config/fish/completions/contender.fish',
  ],
  infer: ['contender infer data/eval.csv', 'contender infer --contract contract.schema.json'],
  inspect: [
    'contender inspect models/candidate.onnx',
    'contender inspect models/candidate.onnx --config contender.yml',
  ],
  'check-batch': [
    'contender check-batch',
    'contender check-batch --model-digest "$(sha256sum model.bin | cut -c1-64)"',
  ],
  monitor: ['contender monitor', 'contender monitor --no-record --now 2026-05-01T06:00:00Z'],
  retrain: ['contender retrain --dry-run', 'GITHUB_REPOSITORY=acme/models GITHUB_TOKEN=... contender retrain'],
  backtest: ['contender backtest', 'contender backtest --json'],
  'prometheus-rules': ['contender prometheus-rules > rules.yml'],
  'grafana-dashboard': ['contender grafana-dashboard > dashboards/contender.json'],
  serve: [
    'contender serve models/candidate.onnx --port 8080',
    'contender serve models/champion.onnx --candidate models/candidate.onnx --port 8080',
  ],
  'registry register': [
    'contender registry register --artifact models/champion.onnx --reason "in production since May"',
  ],
  'registry show': ['contender registry show', 'contender registry show spam-filter --json'],
  'registry diff': ['contender registry diff', 'contender registry diff 1.0.0..1.1.0 spam-filter'],
  'registry why': ['contender registry why spam-filter'],
  'registry verify': ['contender registry verify', 'contender registry verify --base origin/main'],
  'registry void': ['contender registry void --decision 7 --reason "pushed past the check" --by grace'],
  export: ['contender export', 'contender export model-card --of 1.2.0', 'contender export in-toto --decision 12'],
  release: ['GITHUB_TOKEN=... contender release --repository acme/models'],
  publish: ['MLFLOW_TRACKING_TOKEN=... contender publish'],
  verify: [
    'contender verify models/candidate.onnx',
    'contender verify models/candidate.onnx --is-champion --tag spam-filter@v1.2.0',
  ],
  rollback: ['contender rollback --reason "complaints about missed mail"'],
};

const meanings = {
  decision:
    '0 promoted or no change; 1 rejected; 2 usage or input error; 3 held, or waiting for a pull request to be merged',
  stage: '0 passed; 1 failed; 2 usage or input error; 3 inconclusive',
  check: '0 valid; 1 not valid; 2 usage or input error',
  doctor: '0 no problem; 1 a problem; 2 usage or input error',
  reproduction: '0 agrees; 1 differs; 2 an input is not available, or usage error',
  act: '0 done; 2 usage or input error; 3 waiting for a pull request to be merged',
  other: '0 done; 2 usage or input error',
};
const kinds: Readonly<Record<string, keyof typeof meanings>> = {
  promote: 'decision',
  gate: 'decision',
  ...Object.fromEntries(
    stages.map(({ command, needs }) => [
      command.name,
      needs === 'traffic' ? ('decision' as const) : ('stage' as const),
    ]),
  ),
  rollback: 'act',
  'registry register': 'act',
  'registry override': 'act',
  'registry assign': 'act',
  'registry unassign': 'act',
  'registry deprecate': 'act',
  verify: 'check',
  doctor: 'doctor',
  reproduce: 'reproduction',
  'check-batch': 'stage',
  monitor: 'stage',
  'registry verify': 'check',
};

/** Add examples and exit codes to the help of a command and of those below it. */
export function addExamples(command: Command, path: readonly string[] = []): void {
  for (const each of command.commands) {
    const names = [...path, each.name()];
    addExamples(each, names);
    if (each.commands.length > 0) continue;
    const lines = examples[names.join(' ')] ?? [];
    const shown = lines.length === 0 ? '' : `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
    const codes = meanings[kinds[names.join(' ')] ?? 'other'];
    each.addHelpText('after', `${shown}\nExit codes: ${codes}.`);
  }
}
