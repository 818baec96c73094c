import { Type, type Static } from 'typebox';
import { Column, strict } from '../../config/forms.ts';
import type { Data, Model } from '../../config/schema.ts';

export const TableRule = Type.Union(
  [
    Type.Object(
      {
        row_count: Type.Object(
          { min: Type.Optional(Type.Integer({ minimum: 0 })), max: Type.Optional(Type.Integer({ minimum: 0 })) },
          { ...strict, minProperties: 1 },
        ),
      },
      strict,
    ),
    Type.Object({ unique: Type.Array(Column, { minItems: 1 }) }, strict),
    Type.Object(
      {
        null_fraction: Type.Object({ column: Column, max: Type.Number({ minimum: 0, maximum: 1 }) }, strict),
      },
      strict,
    ),
  ],
  { description: 'row_count, unique or null_fraction' },
);
export type TableRule = Static<typeof TableRule>;

/** Keys that the stage adds to `data`. */
export const dataKeys = {
  contract: Type.Optional(Type.String({ minLength: 1, description: 'JSON Schema 2020-12 of one row' })),
  rules: Type.Optional(Type.Array(TableRule)),
};
const DataSettings = Type.Object(dataKeys);
/** The data with what is asked of them. */
export type DataSettings = Data & Static<typeof DataSettings>;

/** What a model asks of the stage. */
export function dataSettings(model: Model & { data: DataSettings }): DataSettings {
  return model.data;
}
