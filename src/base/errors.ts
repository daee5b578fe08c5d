// An operator's or a peer's fault is a NearhopError with a stable code. A bad packet is a reason (stats/reasons.ts).
// A bug is an assertion, which crashes loudly. The three are never mixed.

export interface ErrorDetails {
  /** What the reader can do about it, one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** A fault that a person can mend. `code` is stable and kebab-case; `message` says what and where. */
export class NearhopError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = 'NearhopError';
    this.code = code;
    this.hint = details.hint;
  }
}

/** Throws when `condition` does not hold: that is a bug of ours, never a packet's or an operator's. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
