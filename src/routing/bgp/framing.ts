// From a TCP byte stream to messages. Memory is bounded by one message: what is complete is handed out of the chunk where it
// lies, and only the incomplete rest is kept.

import { HEADER_LEN, MAX_EXTENDED_MESSAGE, messageLength } from './message.ts';

/** Gets the type and the body of a message; the body is only valid during the call. Returns false to stop reading. */
export type MessageSink = (type: number, body: Uint8Array) => boolean;

export class MessageReader {
  /** Both sides announced the Extended Message capability (RFC 8654): messages may have up to 65535 bytes. */
  extended = false;
  #kept = new Uint8Array(0);
  #keptLen = 0;
  readonly #sink: MessageSink;

  constructor(sink: MessageSink) {
    this.#sink = sink;
  }

  /** Bytes of an incomplete message that wait for their rest. */
  get keptBytes(): number {
    return this.#keptLen;
  }

  /** Takes the next bytes of the stream and hands out every message that they complete. Throws BgpError on a bad header. */
  push(chunk: Uint8Array): void {
    let off = 0;
    while (this.#keptLen > 0) {
      // First the header, then the length that it tells: the rest of the chunk is read in place.
      const have = this.#keptLen;
      const want = have < HEADER_LEN ? HEADER_LEN : messageLength(this.#kept, 0, this.extended);
      if (have === want) {
        this.#keptLen = 0;
        if (!this.#sink(this.#kept[18], this.#kept.subarray(HEADER_LEN, want))) return;
        break;
      }
      const part = Math.min(want - have, chunk.length - off);
      if (part === 0) return;
      this.#keep(chunk.subarray(off, off + part));
      off += part;
    }
    while (chunk.length - off >= HEADER_LEN) {
      const length = messageLength(chunk, off, this.extended);
      if (chunk.length - off < length) break;
      const type = chunk[off + 18];
      const body = chunk.subarray(off + HEADER_LEN, off + length);
      off += length;
      if (!this.#sink(type, body)) return;
    }
    if (off < chunk.length) this.#keep(chunk.subarray(off));
  }

  #keep(bytes: Uint8Array): void {
    const need = this.#keptLen + bytes.length;
    if (need > this.#kept.length) {
      const grown = new Uint8Array(need <= 4096 ? 4096 : MAX_EXTENDED_MESSAGE);
      grown.set(this.#kept.subarray(0, this.#keptLen));
      this.#kept = grown;
    }
    this.#kept.set(bytes, this.#keptLen);
    this.#keptLen = need;
  }
}
