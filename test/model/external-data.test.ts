import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { localModel, openModel } from '../../src/model/artifact.ts';
import { onnxMessages } from '../../src/model/onnx-schema.ts';
import { walkModel } from '../../src/model/onnx-wire.ts';
import { loadModel, planSession, type LoadedModel } from '../../src/model/run.ts';
import { openSession } from '../../src/model/session.ts';
import { floats, graph, graphAttribute, int64s, message, model, node, tensor, valueInfo } from './onnx-builder.ts';

/** Entries of a tensor of two floats whose bytes are in a file beside the model. */
const entries = (location: string): [number, Uint8Array][] => [[13, message([1, 'location'], [2, location])]];
const beside = message([1, 2], [2, 1], [8, 'w'], ...entries('w.bin'), [14, 1]);

describe('every place of the format that can hold a tensor', () => {
  it('is walked: external data there is found', () => {
    const places = tensorPlaces('ModelProto', []);
    assert.ok(places.length > 50, String(places.length));
    for (const place of places) {
      const bytes = place.reduceRight((inner, { id }) => message([id, inner]), beside);
      const found = walkModel(bytes);
      assert.deepEqual(found, [{ location: 'w.bin', end: 0 }], place.map(({ name }) => name).join('.'));
    }
  });
});

/** Numbers of the fields that lead from a message to a tensor; no message lies twice on the way. */
function tensorPlaces(type: string, above: readonly string[]): { id: number; name: string }[][] {
  if (type === 'TensorProto') return [[]];
  return Object.entries(onnxMessages[type] ?? {}).flatMap(([name, field]) =>
    field.type in onnxMessages && !above.includes(field.type)
      ? tensorPlaces(field.type, [...above, type]).map((rest) => [{ id: field.id, name }, ...rest])
      : [],
  );
}

/* What the runtime does load, and how that can be written so that other readers do not see it. */

/** Bytes of a number that takes five bytes where one is enough. */
const long = (value: number): number[] => [value | 0x80, 0x80, 0x80, 0x80, 0x00];
const raw = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

const plain = message([1, 2], [2, 1], [8, 'w'], ...entries('w.bin'));

/** Encodings of one tensor. */
const tensors: Record<string, Uint8Array> = {
  plain: beside,
  'data_location twice, then one nobody knows': joined(plain, message([14, 1], [14, 7])),
  'data_location twice, then the default': joined(plain, message([14, 1], [14, 0])),
  'data_location after the default': joined(plain, message([14, 0], [14, 1])),
  'a long data_location': joined(plain, raw(14 << 3, ...long(1))),
  'a data_location of 33 bits': joined(plain, raw(14 << 3, 0x81, 0x80, 0x80, 0x80, 0x10)),
  'a long tag of data_location': joined(plain, raw(...long(14 << 3), 1)),
  'a location said twice': message([1, 2], [2, 1], [8, 'w'], ...entries('no.bin'), ...entries('w.bin'), [14, 1]),
  'a location with two values': message(
    [1, 2],
    [2, 1],
    [8, 'w'],
    [13, message([1, 'location'], [2, 'no.bin'], [2, 'w.bin'])],
    [14, 1],
  ),
  'a group around it': joined(raw((9 << 3) | 3), raw((9 << 3) | 4), beside),
  'an absolute location': message([1, 2], [2, 1], [8, 'w'], ...entries('/etc/hostname'), [14, 1]),
  'a location one up': message([1, 2], [2, 1], [8, 'w'], ...entries('../w.bin'), [14, 1]),
  'a location in a folder and out of it': message([1, 2], [2, 1], [8, 'w'], ...entries('a/../w.bin'), [14, 1]),
  'an address in memory': message(
    [1, 2],
    [2, 1],
    [8, 'w'],
    ...entries('*/_ORT_MEM_ADDR_/*'),
    [13, message([1, 'offset'], [2, '4096'])],
    [14, 1],
  ),
};

const x = valueInfo('x', 'float', ['N', 2]);
const y = valueInfo('y', 'float', ['N', 2]);
const tensorAttribute = (name: string, value: Uint8Array): Uint8Array => message([1, name], [5, value], [20, 4]);
const sparse = (values: Uint8Array): Uint8Array =>
  message([1, values], [2, tensor('', 'int64', [2], int64s(0, 1))], [3, 2]);
const sparseAttribute = (values: Uint8Array): Uint8Array =>
  message([1, 'sparse_value'], [22, sparse(values)], [20, 11]);
const multiply = node('Mul', ['x', 'w'], ['y']);
const constant = (attribute: Uint8Array, output = 'w'): Uint8Array => node('Constant', [], [output], [attribute]);
const whole = (graphBytes: Uint8Array, ...more: readonly (readonly [number, Uint8Array])[]): Uint8Array =>
  message([1, 8], [7, graphBytes], [8, message([1, ''], [2, 17])], [8, message([1, 'own'], [2, 1])], ...more);

/** Models that multiply by the tensor, wherever it is. */
const places: Record<string, (weights: Uint8Array) => Uint8Array> = {
  'an initializer': (w) => model(graph({ nodes: [multiply], inputs: [x], outputs: [y], initializers: [w] })),
  'the graph written in two parts': (w) => {
    const nodes = graph({ nodes: [multiply], inputs: [x], outputs: [y] });
    return whole(nodes, [7, message([5, w])]);
  },
  'a sparse initializer': (w) =>
    model(joined(graph({ nodes: [multiply], inputs: [x], outputs: [y] }), message([15, sparse(w)]))),
  'a constant': (w) =>
    model(graph({ nodes: [constant(tensorAttribute('value', w)), multiply], inputs: [x], outputs: [y] })),
  'a sparse constant': (w) =>
    model(graph({ nodes: [constant(sparseAttribute(w)), multiply], inputs: [x], outputs: [y] })),
  'the constant of a branch': (w) => {
    const branch = graph({
      nodes: [constant(tensorAttribute('value', w), 'c'), node('Mul', ['x', 'c'], ['z'])],
      inputs: [],
      outputs: [valueInfo('z', 'float', ['N', 2])],
    });
    return model(
      graph({
        nodes: [
          node('If', ['yes'], ['y'], [graphAttribute('then_branch', branch), graphAttribute('else_branch', branch)]),
        ],
        inputs: [x],
        outputs: [y],
        initializers: [tensor('yes', 'bool', [], Uint8Array.of(1))],
      }),
    );
  },
  'an initializer of a branch': (w) => {
    const branch = graph({
      nodes: [node('Mul', ['x', 'w'], ['z'])],
      inputs: [],
      outputs: [valueInfo('z', 'float', ['N', 2])],
      initializers: [w],
    });
    return model(
      graph({
        nodes: [
          node('If', ['yes'], ['y'], [graphAttribute('then_branch', branch), graphAttribute('else_branch', branch)]),
        ],
        inputs: [x],
        outputs: [y],
        initializers: [tensor('yes', 'bool', [], Uint8Array.of(1))],
      }),
    );
  },
  'a constant of a function': (w) =>
    whole(graph({ nodes: [message([1, 'x'], [2, 'y'], [4, 'Scale'], [7, 'own'])], inputs: [x], outputs: [y] }), [
      25,
      functionOf([constant(tensorAttribute('value', w), 'c'), node('Mul', ['a', 'c'], ['b'])]),
    ]),
  'the default of an attribute of a function': (w) =>
    whole(graph({ nodes: [message([1, 'x'], [2, 'y'], [4, 'Scale'], [7, 'own'])], inputs: [x], outputs: [y] }), [
      25,
      joined(
        functionOf([
          node('Constant', [], ['c'], [message([1, 'value'], [21, 'weights'], [20, 4])]),
          node('Mul', ['a', 'c'], ['b']),
        ]),
        message([11, tensorAttribute('weights', w)]),
      ),
    ]),
};

function functionOf(nodes: readonly Uint8Array[]): Uint8Array {
  return message(
    [1, 'Scale'],
    [4, 'a'],
    [5, 'b'],
    ...nodes.map((each) => [7, each] as const),
    [9, message([1, ''], [2, 17])],
    [10, 'own'],
  );
}

const cases = Object.entries(places).flatMap(([place, build]) =>
  Object.entries(tensors).map(([encoding, bytes]) => ({ name: `${place}, ${encoding}`, bytes: build(bytes) })),
);

describe('a digest of a model', () => {
  let folder: string;
  const start = process.cwd();
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contender-test-'));
    await mkdir(join(folder, 'inner', 'a'), { recursive: true });
    // What is loaded from the working folder is as hidden as what is loaded from anywhere else.
    process.chdir(join(folder, 'inner'));
  });
  after(async () => {
    process.chdir(start);
    await rm(folder, { recursive: true, force: true });
  });

  async function answerWith(weights: readonly number[]): Promise<{ sha256: string; answers: unknown } | string> {
    const path = join(folder, 'inner', 'm.onnx');
    for (const each of ['w.bin', 'no.bin', 'inner/w.bin', 'inner/no.bin']) {
      await writeFile(join(folder, each), floats(...weights));
    }
    let loaded: LoadedModel | undefined;
    try {
      const { sha256 } = await localModel(path, 'm.onnx');
      loaded = await loadModel(path, 'm.onnx');
      assert.equal(loaded.opened.sha256, sha256);
      const { y: answers } = await loaded.run({ x: { type: 'float', dims: [1, 2], data: Float32Array.of(1, 1) } });
      return { sha256, answers: Array.from(answers?.data as Float32Array) };
    } catch (error) {
      assert.equal((error as Error).name, 'ModelError', String(error));
      return (error as Error).message;
    } finally {
      await loaded?.close();
    }
  }

  it('stands for one behaviour, whatever is in files beside the model or in the working folder', async () => {
    let usable = 0;
    for (const { name, bytes } of cases) {
      await writeFile('m.onnx', bytes);
      const first = await answerWith([1, 2]);
      if (typeof first === 'string') continue;
      usable += 1;
      const second = await answerWith([3, 4]);
      assert.ok(typeof second === 'object', name);
      assert.deepEqual(
        [first.answers, second.answers],
        [
          [1, 2],
          [3, 4],
        ],
        name,
      );
      assert.notEqual(first.sha256, second.sha256, name);
    }
    // Plain external data at those places where the runtime takes it.
    assert.ok(usable >= 3, String(usable));
  });

  it('would stand for it without the walk, too: the runtime sees the declared files alone', async () => {
    await writeFile('w.bin', floats(1, 2));
    await writeFile('no.bin', floats(1, 2));
    await writeFile('plain.onnx', model(graph({ nodes: [], inputs: [x], outputs: [x] })));
    const opened = await openModel('plain.onnx', 'm.onnx', join(folder, 'nothing'));
    const plan = {
      ...planSession(opened).plan,
      inputs: [{ name: 'x', type: 'float', feed: 'x', bare: false }],
      outputs: [{ name: 'y', type: 'float' }],
      fetches: ['y'],
    };
    for (const { name, bytes } of cases) {
      await assert.rejects(
        async () => {
          const session = await openSession({ ...plan, bytes });
          await session.run({ x: { type: 'float', dims: [1, 2], data: Float32Array.of(1, 1) } });
        },
        { name: 'ModelError' },
        name,
      );
    }
  });
});

const strace = await promisify(execFile)('strace', ['-V']).then(
  () => true,
  () => false,
);

describe('a process that loads a model', () => {
  it(
    'opens the files of its digest and no other beside the model',
    { skip: strace ? false : 'no strace here' },
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'contender-test-'));
      try {
        const declared = new Map<string, string[]>();
        for (const [index, { bytes }] of cases.entries()) {
          const inner = join(folder, `${index}`);
          const path = join(inner, 'm.onnx');
          await mkdir(inner);
          await writeFile(join(inner, 'w.bin'), floats(1, 2));
          await writeFile(join(inner, 'no.bin'), floats(1, 2));
          await writeFile(path, bytes);
          const artifact = await localModel(path, 'm.onnx').catch(() => null);
          declared.set(path, artifact?.files.map((each) => each.path) ?? [path]);
        }
        const run = join(import.meta.dirname, '..', '..', 'src', 'model', 'run.js');
        const code = `
        const { loadModel } = await import(${JSON.stringify(`file://${run}`)});
        for (const path of ${JSON.stringify([...declared.keys()])}) await loadModel(path, 'm.onnx').catch(() => {});`;
        const log = join(folder, 'log');
        const node = [process.execPath, '--input-type=module', '-e', code];
        await promisify(execFile)('strace', ['-f', '-qq', '-e', 'trace=open,openat', '-o', log, ...node], {
          cwd: folder,
        });
        const opened = (await readFile(log, 'utf8'))
          .split('\n')
          .flatMap((line) => /"([^"]*)".* = \d+$/u.exec(line)?.[1] ?? [])
          .map((path) => join(path.startsWith('/') ? '/' : folder, path))
          .filter((path) => path.startsWith(`${folder}/`));
        for (const path of declared.keys()) assert.ok(opened.includes(path), path);
        const allowed = new Set([...declared.values()].flat());
        for (const path of opened) assert.ok(allowed.has(path), path);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
});
