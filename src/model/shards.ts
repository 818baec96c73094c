import { validatorOf } from '../validator.ts';
import { basename, dirname, join } from 'node:path';
import type { Static } from 'typebox';
import { Type } from '../forms.ts';
import { withEngine } from '../data/engine.ts';
import { escapeGlob, quoteIdentifier, quoteLiteral } from '../data/dataset.ts';
import { DataError } from '../errors.ts';
import { jsonIn } from '../json.ts';
import { filesOf } from './prediction-file/files.ts';

/** Key of the metadata of a Parquet file under which it says what its predictions are of. */
export const provenanceKey = 'contender';

const sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' });
const count = Type.Integer({ minimum: 0 });

/** Whether a model has one answer to a row. */
const Stability = Type.Object({
  /** Rows that were predicted together, in two parts, in another order and each alone. */
  rows: count,
  tolerance: Type.Object({ absolute: Type.Number(), relative: Type.Number() }),
  /**
   * Null: each row has one answer. `random`: the same rows get other answers when they are predicted again; `order`: when they
   * are in another order; `batch`: when they are predicted in smaller batches, such as each alone.
   */
  differs: Type.Union([Type.Enum(['random', 'order', 'batch']), Type.Null()]),
  /** The greatest difference of a score; of labels alone, the share of rows with another one. Null: a row got no answer that can be read. */
  difference: Type.Union([Type.Number(), Type.Null()]),
});
export type Stability = Static<typeof Stability>;

/** Values of a column that no encoder of a model has a code for. */
const UnknownValues = Type.Object({
  column: Type.String(),
  rows: count,
  /** The first of these rows, from 0, and its value. */
  row: count,
  example: Type.String(),
  /** A few of the values that the model knows. */
  known: Type.Array(Type.String()),
});
export type UnknownValues = Static<typeof UnknownValues>;

/** What predicted, on which data, and which rows of it: what makes a file of predictions stand for the model itself. */
export const Provenance = Type.Object({
  schema: Type.Literal('contender/predictions/v1'),
  role: Type.Enum(['candidate', 'champion']),
  model: sha256,
  dataset: sha256,
  rows: Type.Object({ start: count, count, of: count }),
  threshold: Type.Union([Type.Number(), Type.Array(Type.Number())]),
  stability: Type.Optional(Stability),
  /** Features that the model was fed in the order of the data. */
  featuresInDataOrder: Type.Optional(Type.Array(Type.String())),
  unknownValues: Type.Optional(Type.Array(UnknownValues)),
  /** See `Predictions`: of the model, since the name of the column is that of this program. */
  assumedPositive: Type.Optional(Type.String()),
});
export type Provenance = Static<typeof Provenance>;

export interface Shard {
  /** Absolute. */
  path: string;
  /** As the user would write it. */
  uri: string;
  provenance: Provenance;
}

/**
 * The files a path with wildcards stands for, each with what it says it was made of.
 * @throws DataError for a file that `contender predict` did not write
 */
export async function readShards(path: string, uri: string): Promise<Shard[]> {
  const paths = await filesOf(path, uri);
  const literals = paths.map((each) => quoteLiteral(escapeGlob(each)));
  // Access is checked on the name as written and on the file it leads to.
  const allowed = [...literals, ...paths.map((each) => quoteLiteral(each))];
  const valid = validatorOf<Provenance>(Provenance);
  return withEngine([`allowed_paths = [${allowed.join(', ')}]`], async (connection) => {
    const shards: Shard[] = [];
    for (const [index, each] of paths.entries()) {
      const shown = paths.length === 1 ? uri : join(dirname(uri), basename(each));
      const text = await connection
        .runAndReadAll(
          `select decode(${quoteIdentifier('value')}) from parquet_kv_metadata(${literals[index]}) where ${quoteIdentifier('key')} = ${quoteLiteral(provenanceKey)}::blob`,
        )
        .then(
          (reader) => reader.getRows()[0]?.[0],
          () => undefined,
        );
      const provenance = typeof text === 'string' ? jsonIn(text) : undefined;
      if (!valid(provenance)) {
        throw new DataError({
          found: 'this file does not state the model and data of its predictions',
          expected: 'a Parquet file written by contender predict',
          where: shown,
          remedy: 'Predict again, or name predictions made elsewhere in contender.yml: {predictions: file}',
        });
      }
      shards.push({ path: each, uri: shown, provenance });
    }
    return shards;
  });
}
