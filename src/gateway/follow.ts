// Rows that a request sends while it lasts: those that are there, then new ones until the client goes.

import type { Call } from './api.ts';

/** Something that tells about new rows until the returned function is called. */
export interface Followed<Row> {
  follow(listener: (row: Row) => void): () => void;
}

/** Sends `rows`, then what `followed` tells until the call ends; returns how many rows went out. */
export async function followRows<Row>(
  rows: readonly Row[],
  followed: Followed<Row> | undefined,
  call: Call<Row>,
): Promise<number> {
  let sent = 0;
  for (const row of rows) if (call.emit(row)) sent++;
  if (followed === undefined) return sent;
  const stop = followed.follow((row) => {
    if (call.emit(row)) sent++;
  });
  await new Promise<void>((resolve) => {
    if (call.signal.aborted) resolve();
    else call.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  stop();
  return sent;
}
