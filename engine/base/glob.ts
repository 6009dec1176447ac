/**
 * Whether `text` matches `pattern`, where `*` stands for any run of characters (none too) and `?` for one.
 * Everything else stands for itself: ids are not paths, so no character is special to a star.
 * Runs in O(pattern × text) at worst, whatever the pattern.
 */
export function globMatches(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let mark = 0;
  while (t < text.length) {
    const c = pattern[p];
    if (c === "*") {
      star = p++;
      mark = t;
    } else if (c !== undefined && (c === "?" || c === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

/** Whether some text matches both patterns. Runs in O(a × b). */
export function globsMeet(a: string, b: string): boolean {
  // What is left of `a` from i on meets what is left of `b` from k on; one row of k at a time, from the end.
  let below: boolean[] = [];
  for (let i = a.length; i >= 0; i--) {
    const row: boolean[] = [];
    for (let k = b.length; k >= 0; k--) {
      if (i === a.length && k === b.length) row[k] = true;
      else if (a[i] === "*") row[k] = below[k]! || (k < b.length && row[k + 1]!);
      else if (b[k] === "*") row[k] = row[k + 1]! || (i < a.length && below[k]!);
      else row[k] = i < a.length && k < b.length && (a[i] === b[k] || a[i] === "?" || b[k] === "?") && below[k + 1]!;
    }
    below = row;
  }
  return below[0]!;
}
