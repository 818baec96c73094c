import type { Command } from 'commander';
import { resolve } from 'node:path';
import type { InputPlan } from '../model/features.ts';
import type { ModelInspection } from '../model/inspect.ts';
import { printResult, type CommandContext, type CommonOptions } from './command-context.ts';

/** inspect: what a model takes and gives, without running it. */
export function addInspectCommand(program: Command, context: CommandContext): void {
  program
    .command('inspect')
    .description('Show the inputs and outputs of a model, and which columns each input reads.')
    .argument('<file>', 'an ONNX file')
    .option('-c, --config <file>', 'configuration file: show which columns of its evaluation set the inputs read')
    .option('-m, --model <name>', 'name of the model in contender.yml')
    .option('--json', 'print the result as JSON to standard output')
    .action(async (file: string, options: Pick<CommonOptions, 'config' | 'model' | 'json'>) => {
      const { localModel } = await import('../model/artifact.ts');
      const { inspectModel } = await import('../model/inspect.ts');
      const artifact = await localModel(resolve(file), file);
      const inspection = await inspectModel(artifact.path, file);
      const feeds = options.config === undefined ? null : await feedsOf(inspection, options.config, options.model);
      const result = { file, sha256: artifact.sha256, bytes: artifact.size, ...inspection, feeds };
      printResult(context, options, result, () => inspectionText(file, artifact, inspection, feeds));
    });

  async function feedsOf(inspection: ModelInspection, config: string, model: string | undefined): Promise<InputPlan[]> {
    const { inputsFromData } = await import('../pipeline/contestants/inspect.ts');
    const workspace = await context.open({ config, model });
    return inputsFromData(workspace, inspection);
  }
}

function inspectionText(
  file: string,
  artifact: { sha256: string; size: number },
  inspection: ModelInspection,
  feeds: InputPlan[] | null,
): string {
  const opsets = Object.entries(inspection.opset).map(([domain, version]) => `${domain} ${version}`);
  const tensor = (each: ModelInspection['inputs'][number]): string =>
    `${each.name}: ${each.type}${each.shape === null ? '' : ` [${each.shape.map((size) => size ?? '?').join(', ')}]`}`;
  const metadata = Object.entries(inspection.metadata).map(([key, value]) => `${key}: ${cut(value)}`);
  const operators = Object.entries(inspection.operators).map(([name, count]) => `${name} x${count}`);
  const rows: [string, string[]][] = [
    ['file', [file]],
    ['sha256', [artifact.sha256]],
    ['size', [`${artifact.size} bytes, ${inspection.parameters} parameters`]],
    ['made by', [`${inspection.producer} ${inspection.producerVersion}`.trim() || 'unknown']],
    ['opset', [`${opsets.join(', ')} (IR version ${inspection.irVersion})`]],
    ['inputs', inspection.inputs.map(tensor)],
    ['outputs', inspection.outputs.map(tensor)],
    [
      'classes',
      inspection.outputs.flatMap(({ name }) => {
        const classes = inspection.origins[name]?.classes ?? null;
        return classes === null ? [] : [`${name}: ${cut(classes.join(', '))}`];
      }),
    ],
    ['metadata', metadata],
    ['operators', [cut(operators.join(', '))]],
    ['external data', inspection.externalData],
    [
      'fed by',
      (feeds ?? []).map((plan) => `${plan.input.name}: ${cut(plan.columns.join(', '))} (${plan.columns.length})`),
    ],
    ['problems', inspection.problems],
  ];
  return rows
    .flatMap(([name, lines]) => lines.map((line, index) => `${(index === 0 ? name : '').padEnd(14)}${line}`))
    .join('\n');
}

/** One line of at most 100 characters; what a model file says of itself may be anything. */
function cut(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is taken out
  const plain = text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/gu, ' ');
  return plain.length > 100 ? `${plain.slice(0, 100)}…` : plain;
}
