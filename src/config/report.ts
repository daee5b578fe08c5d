// What the checks write their findings to.

import type { Finding } from './explain.ts';
import type { ConfigPath, Severity } from './problem.ts';

export interface Judged extends Finding {
  readonly severity: Severity;
}

export class Report {
  readonly findings: Judged[] = [];
  readonly #incomplete: ReadonlySet<string>;

  /** Names of the entries that are missing here. */
  readonly lost: ReadonlySet<string>;

  /** @param incomplete top-level sections of which entries are missing here because they have errors of their own. */
  constructor(incomplete: ReadonlySet<string> = new Set(), lost: ReadonlySet<string> = new Set()) {
    this.#incomplete = incomplete;
    this.lost = lost;
  }

  error(code: string, path: ConfigPath, message: string, hint?: string): void {
    this.findings.push({ severity: 'error', code, path, spot: 'value', message, hint });
  }

  warn(code: string, path: ConfigPath, message: string, hint?: string): void {
    this.findings.push({ severity: 'warning', code, path, spot: 'value', message, hint });
  }

  /** Whether the absence of something in these sections says anything. */
  whole(...sections: string[]): boolean {
    return sections.every((s) => !this.#incomplete.has(s));
  }

  /** Reports every entry whose key another one before it has too. `describe` gives the words for the key. */
  duplicates<T>(
    entries: Iterable<{ readonly key: T; readonly path: ConfigPath }>,
    code: string,
    describe: (key: T) => string,
    first: (path: ConfigPath) => string,
  ): void {
    const seen = new Map<T, ConfigPath>();
    for (const { key, path } of entries) {
      const before = seen.get(key);
      if (before === undefined) seen.set(key, path);
      else this.error(code, path, `${describe(key)} is used twice`, `the first use is ${first(before)}`);
    }
  }
}
