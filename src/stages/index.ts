import { abTest } from './ab-test/stage.ts';
import { behaviour } from './behaviour/stage.ts';
import { data } from './data/stage.ts';
import { evaluation } from './evaluation/stage.ts';
import { load } from './load/stage.ts';
import { rollout } from './rollout/stage.ts';
import { shadow } from './shadow/stage.ts';
import type { Stage } from './stage.ts';
import { switchOver } from './switch/stage.ts';

/** The stages of the gate, in the order of a run. */
export const stages: readonly Stage[] = [data, evaluation, behaviour, load, shadow, rollout, switchOver, abTest];
