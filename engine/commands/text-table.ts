/** Columns side by side, all but the last as wide as their widest cell; what is a number stands to the right. */
export function table(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, i) => rows.reduce((widest, row) => Math.max(widest, row[i]!.length), 0));
  return rows.map((row) =>
    row
      .map((cell, i) =>
        i === row.length - 1 ? cell : /^-?[\d.]+$/.test(cell) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!),
      )
      .filter((_, i) => widths[i]! > 0)
      .join("  ")
      .trimEnd(),
  );
}
