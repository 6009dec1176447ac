/**
 * Two inputs for one instant: which stands depends on the two alone, never on which came first.
 */

/** Whether a reading takes the place of the one that stands: the greater rev, of equal ones the greater value. */
export function readingWins(value: number, rev: number, standing: number, standingRev: number): boolean {
  return rev !== standingRev ? rev > standingRev : value > standing;
}

/** Whether an exchange does: the greater rev, of equal ones a withdrawal (`final` NaN), then the greater final, then the greater start. */
export function exchangeWins(
  final: number,
  start: number,
  rev: number,
  standingFinal: number,
  standingStart: number,
  standingRev: number,
): boolean {
  if (rev !== standingRev) return rev > standingRev;
  if (Number.isNaN(standingFinal)) return false;
  if (Number.isNaN(final)) return true;
  return final !== standingFinal ? final > standingFinal : start > standingStart;
}
