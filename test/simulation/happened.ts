/** What happened in a run, or in many: proof that there was something to get wrong. */
export interface Happened {
  powerCuts: number;
  kills: number;
  stops: number;
  /** Threads that were replaced while the process lived on. */
  replaced: number;
  /** Lives that ended because the journal could not be written. */
  failures: number;
  frames: number;
  resent: number;
  lateCommits: number;
  alertsTold: number;
  /** Alert transitions that were told again after a crash, though they were kept. */
  toldAgain: number;
  /** Alert transitions of rules that time alone moves too. */
  timedAlerts: number;
  /** Meters with inputs that a repair had to work in. */
  lateMeters: number;
  auditedDays: number;
  rows: number;
  /** Rules and settings that were changed while it ran. */
  planChanges: number;
  /** Of these such as a shard came to know by its start: it had died before it was told. */
  planChangesByStart: number;
  /** Settings that the rows written until then do not follow from. */
  planRefusals: number;
}

export function nothingHappened(): Happened {
  return {
    powerCuts: 0,
    kills: 0,
    stops: 0,
    replaced: 0,
    failures: 0,
    frames: 0,
    resent: 0,
    lateCommits: 0,
    alertsTold: 0,
    toldAgain: 0,
    timedAlerts: 0,
    lateMeters: 0,
    auditedDays: 0,
    rows: 0,
    planChanges: 0,
    planChangesByStart: 0,
    planRefusals: 0,
  };
}
