// "Did you mean …": the candidate that a mistyped word was most likely meant to be.

/** Edits (insert, delete, replace, swap of neighbors) between two words; words beyond 64 characters are cut. */
function distance(a: string, b: string): number {
  a = a.slice(0, 64);
  b = b.slice(0, 64);
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j], before[j - 2] + 1);
      }
    }
    before = last;
    last = row;
  }
  return last[b.length];
}

/** `proximity_routing`, `ProximityRouting` and `proximity-routing` are the same word. */
const plain = (word: string): string => word.toLowerCase().replace(/[-_ .]/g, '');

/** The candidate nearest to `word`, or undefined when none is near enough (a third of its letters, at least one). */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  const wanted = plain(word);
  for (const candidate of candidates) {
    const d = distance(wanted, plain(candidate));
    if (d < bestDistance && d <= Math.max(1, Math.floor(candidate.length / 3))) {
      best = candidate;
      bestDistance = d;
    }
  }
  return best;
}

/** "did you mean 'x'?" when a candidate is near, otherwise "one of: a, b, c". */
export function suggest(word: string, candidates: Iterable<string>): string {
  const all = [...candidates];
  const near = nearest(word, all);
  if (near !== undefined) return `did you mean '${near}'?`;
  return all.length === 0 ? 'nothing can stand here' : `one of: ${all.join(', ')}`;
}
