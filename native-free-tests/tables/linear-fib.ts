// The oracle of the FIBs: a list of prefixes that is searched from end to end. Works on bits as text, so that it shares
// nothing with what it checks.

export class LinearFib {
  readonly #routes = new Map<string, number>();

  static bits(words: readonly number[]): string {
    return words.map((w) => (w >>> 0).toString(2).padStart(32, '0')).join('');
  }

  set(words: readonly number[], len: number, nh: number): void {
    this.#routes.set(LinearFib.bits(words).slice(0, len), nh);
  }

  remove(words: readonly number[], len: number): boolean {
    return this.#routes.delete(LinearFib.bits(words).slice(0, len));
  }

  lookup(words: readonly number[]): number {
    const bits = LinearFib.bits(words);
    let longest = -1;
    let answer = 0;
    for (const [prefix, nh] of this.#routes) {
      if (prefix.length > longest && bits.startsWith(prefix)) {
        longest = prefix.length;
        answer = nh;
      }
    }
    return answer;
  }

  get size(): number {
    return this.#routes.size;
  }
}
