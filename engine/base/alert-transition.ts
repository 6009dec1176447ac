/** An alert transition as it is told outside: the columns of the table `alerts`, ts as RFC 3339. */
export interface AlertTransition {
  /** The same whenever and however often it is told: `<incident>-<state>-<severity>-<ts in epoch ms>`. */
  key: string;
  ts: string;
  tenant: string;
  meter: string;
  rule: string;
  incident: string;
  state: "firing" | "resolved";
  severity: string;
  value: number | null;
  threshold: number | null;
}
