import type { Static } from 'typebox';
import { Type } from '../forms.ts';

/** An input or output of a model. A dimension of any size is null, or the name the model has for it. */
export const SignatureValue = Type.Object({
  name: Type.String(),
  type: Type.String({ description: "element type of a tensor, or the text of ONNX's other types" }),
  shape: Type.Union([Type.Array(Type.Union([Type.Integer(), Type.String(), Type.Null()])), Type.Null()], {
    description: 'null where the model does not say it, or the value is no tensor',
  }),
});
export type SignatureValue = Static<typeof SignatureValue>;

/** What those who call a model rely on: the inputs it must be given and the outputs it gives. */
export const Signature = Type.Object({ inputs: Type.Array(SignatureValue), outputs: Type.Array(SignatureValue) });
export type Signature = Static<typeof Signature>;
