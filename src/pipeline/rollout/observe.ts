import { observeLog } from './observe-log.ts';
import { observePrometheus } from './observe-prometheus.ts';
import type { Observer, ObserverInput } from './observer.ts';

/** The source that the configuration names. */
export function openObserver(input: ObserverInput): Promise<Observer> {
  return 'prometheus' in input.settings.observe ? Promise.resolve(observePrometheus(input)) : observeLog(input);
}
