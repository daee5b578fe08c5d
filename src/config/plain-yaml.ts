// YAML as most configs are written, read in one pass: block maps and lists, maps and lists in one line, words, whole and decimal
// numbers, true and false, quoted text without escapes, comments. What goes beyond that (anchors, tags, text over several
// lines, escapes, empty values, other letters than ASCII), and all that is wrong, is not read here: the answer is undefined then, and the
// YAML library has the word. What is read has the value that the library gives it; a test holds the two together.
//
// A config of 1000 routes takes the library 170 ms at the start of a process, which runs it without compiled code, and 40 ms
// to be loaded; this takes 10.

/** A value, and where each of its maps and lists begins in the text. */
export interface PlainYaml {
  readonly value: unknown;
  readonly starts: ReadonlyMap<object, number>;
}

/** Reads a map or a list; undefined for a text that is not plain. */
export function readPlainYaml(text: string): PlainYaml | undefined {
  if (/[^\n\x20-\x7e]/.test(text)) return undefined;
  const reader = new Reader(text);
  const value = reader.document();
  return value === NOT_PLAIN ? undefined : { value, starts: reader.starts };
}

const NOT_PLAIN = Symbol('not plain');
/** Deeper nesting is for the library to refuse. */
const DEPTH_MAX = 16;

const KEY = /[A-Za-z][A-Za-z0-9_-]{0,63}(?=:(?: |\n|$))/y;
const WORD = /[A-Za-z0-9/][A-Za-z0-9._/:+-]*/y;
const QUOTED = /"([^"\\\n]*)"|'([^'\n]*)'(?!')/y;
const BLANK = /(?: *(?:#.*)?\n)* */y;
const DASH = /-(?= |\n|$)/y;

/** Words that YAML's core schema takes for something else than text. */
const NO_TEXT = /^(?:null|true|false)$/i;
const NUMBER = /^(?:0|[1-9]\d{0,14})(?:\.\d{1,9})?$/;
/** Not a number of any notation: these characters, or two points, are in none. */
const NEVER_NUMBER = /[:/]|\..*\./;

class Reader {
  readonly starts = new Map<object, number>();
  readonly #text: string;
  #at = 0;
  /** Column of the next content, -1 at the end of the text; set by `#toContent`. */
  #column = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): unknown {
    this.#toContent();
    if (this.#column < 0) return NOT_PLAIN;
    const value = this.#block(0);
    return typeof value !== 'object' || this.#column >= 0 ? NOT_PLAIN : value;
  }

  /** The node that begins at the next content; behind it stands the content after it. */
  #block(depth: number): unknown {
    const column = this.#column;
    if (depth > DEPTH_MAX) return NOT_PLAIN;
    if (this.#sees(DASH)) return this.#blockList(column, depth);
    if (this.#sees(KEY)) return this.#blockMap(column, depth);
    return this.#restOfLine(depth);
  }

  #blockList(column: number, depth: number): unknown {
    const list: unknown[] = [];
    this.starts.set(list, this.#at);
    while (this.#column === column && this.#take(DASH) !== undefined) {
      this.#toContent();
      if (this.#column <= column) return NOT_PLAIN;
      const value = this.#block(depth + 1);
      if (value === NOT_PLAIN || this.#column > column) return NOT_PLAIN;
      list.push(value);
    }
    return list;
  }

  #blockMap(column: number, depth: number): unknown {
    const map: Record<string, unknown> = {};
    this.starts.set(map, this.#at);
    while (this.#column === column) {
      const key = this.#key(map);
      if (key === undefined) return NOT_PLAIN;
      const line = this.#lineStart();
      this.#toContent();
      let value: unknown;
      if (this.#lineStart() === line) value = this.#restOfLine(depth);
      else {
        // a list may stand in the column of its key
        if (this.#column < column || (this.#column === column && !this.#sees(DASH))) return NOT_PLAIN;
        value = this.#block(depth + 1);
      }
      if (value === NOT_PLAIN || this.#column > column) return NOT_PLAIN;
      map[key] = value;
    }
    return map;
  }

  /** A value with nothing but a comment behind it; moves to the next content. */
  #restOfLine(depth: number): unknown {
    const value = this.#inLine(false, depth);
    const after = this.#text[this.#at];
    if (value === NOT_PLAIN || (after !== undefined && after !== ' ' && after !== '\n')) return NOT_PLAIN;
    const line = this.#lineStart();
    this.#toContent();
    return this.#column < 0 || this.#lineStart() !== line ? value : NOT_PLAIN;
  }

  /** A value within the line. */
  #inLine(inFlow: boolean, depth: number): unknown {
    if (depth > DEPTH_MAX) return NOT_PLAIN;
    const quoted = this.#take(QUOTED);
    if (quoted !== undefined) return quoted.slice(1, -1);
    const c = this.#text[this.#at];
    if (c === '{') return this.#flowMap(depth);
    if (c === '[') return this.#flowList(depth);
    const word = this.#take(WORD);
    if (word === undefined || word.endsWith(':')) return NOT_PLAIN;
    const after = this.#text[this.#at];
    const isEnd = after === undefined || after === '\n' || after === ' ' || (inFlow && ',]}'.includes(after));
    return isEnd ? scalarOf(word) : NOT_PLAIN;
  }

  #flowMap(depth: number): unknown {
    const map: Record<string, unknown> = {};
    this.starts.set(map, this.#at++);
    this.#spaces();
    if (this.#skip('}')) return map;
    for (;;) {
      const key = this.#key(map);
      if (key === undefined) return NOT_PLAIN;
      this.#spaces();
      const value = this.#inLine(true, depth + 1);
      if (value === NOT_PLAIN) return NOT_PLAIN;
      map[key] = value;
      this.#spaces();
      if (this.#skip('}')) return map;
      if (!this.#skip(',')) return NOT_PLAIN;
      this.#spaces();
    }
  }

  #flowList(depth: number): unknown {
    const list: unknown[] = [];
    this.starts.set(list, this.#at++);
    this.#spaces();
    if (this.#skip(']')) return list;
    for (;;) {
      const value = this.#inLine(true, depth + 1);
      if (value === NOT_PLAIN) return NOT_PLAIN;
      list.push(value);
      this.#spaces();
      if (this.#skip(']')) return list;
      if (!this.#skip(',')) return NOT_PLAIN;
      this.#spaces();
    }
  }

  /** A key that `map` has not yet, and its colon. */
  #key(map: Record<string, unknown>): string | undefined {
    const key = this.#take(KEY);
    if (key === undefined || NO_TEXT.test(key) || Object.hasOwn(map, key)) return undefined;
    this.#at++;
    return key;
  }

  /** Moves over spaces, comments and ends of lines. */
  #toContent(): void {
    this.#take(BLANK);
    if (this.#text[this.#at] === '#') this.#at = this.#text.length; // a comment that ends the text
    this.#column = this.#at === this.#text.length ? -1 : this.#at - this.#lineStart();
  }

  #lineStart(): number {
    return this.#at === 0 ? 0 : this.#text.lastIndexOf('\n', this.#at - 1) + 1;
  }

  #spaces(): void {
    while (this.#text[this.#at] === ' ') this.#at++;
  }

  #skip(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #sees(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    return pattern.test(this.#text);
  }

  #take(pattern: RegExp): string | undefined {
    if (!this.#sees(pattern)) return undefined;
    const from = this.#at;
    this.#at = pattern.lastIndex;
    return this.#text.slice(from, this.#at);
  }
}

/** What the core schema makes of a word that is not quoted. */
function scalarOf(word: string): unknown {
  if (NO_TEXT.test(word)) return word === 'true' ? true : word === 'false' ? false : NOT_PLAIN;
  if (!/^\d/.test(word) || NEVER_NUMBER.test(word)) return word;
  return NUMBER.test(word) ? Number(word) : NOT_PLAIN;
}
