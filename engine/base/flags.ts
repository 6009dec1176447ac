/**
 * What is remarkable about a reading or a period, as bits that are stored in the `flags` columns.
 * The order is public and final: a bit once given never changes its meaning.
 */
export const Flag = {
  FIRST: 1 << 0,
  BACKWARD: 1 << 1,
  ROLLOVER: 1 << 2,
  RESET: 1 << 3,
  EXCHANGE: 1 << 4,
  SPIKE: 1 << 5,
  ESTIMATED: 1 << 6,
  PARTIAL: 1 << 7,
  QUESTIONABLE: 1 << 8,
  CONFLICT: 1 << 9,
  UNDISTRIBUTED: 1 << 10,
} as const;

export type FlagName = keyof typeof Flag;

export const FLAG_NAMES = Object.keys(Flag) as FlagName[];

/** The names of the bits that are set, in the order of the bits. */
export function flagNames(flags: number): FlagName[] {
  return FLAG_NAMES.filter((name) => (flags & Flag[name]) !== 0);
}
