/** Where the share of the candidate is set. Weights are percent of the traffic, 0 to 100. */
export interface WeightStore {
  /** As messages name it. */
  name: string;
  /** It takes an expiry, and puts the weight back by itself when nobody renews it. */
  lapses: boolean;
  /** What is in force. @throws TrafficError */
  read(): Promise<number>;
  /**
   * Set the weight, and read it again: what is not in force was not written.
   * @param change.from what must be in force before; another one: somebody else acts
   * @throws TrafficError
   */
  write(change: WeightChange): Promise<void>;
}

export interface WeightChange {
  weight: number;
  from?: number;
  /** Until when, unless it is renewed; null: for good. */
  expires: Date | null;
}
