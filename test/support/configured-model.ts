import type { Model } from '../../src/config/index.ts';
import type { AbTest } from '../../src/stages/ab-test/schema.ts';
import type { Behaviour } from '../../src/stages/behaviour/schema.ts';
import type { DataSettings } from '../../src/stages/data/schema.ts';
import type { Policy } from '../../src/stages/evaluation/schema.ts';
import type { Load } from '../../src/stages/load/schema.ts';

/** A model of the configuration with what it asks of the stages, as a test writes it. */
export interface ConfiguredModel extends Model {
  data: DataSettings;
  policy: Policy;
  load?: Load;
  behaviour?: Behaviour;
  ab_test?: AbTest;
}
