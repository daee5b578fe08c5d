// The real captures of ../shared/data, where they exist: a clone of the repository alone goes without.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Folder of the captures, or undefined where it does not exist. */
export const CAPTURES = [join(import.meta.dirname, '../../../shared/data/captures')].find((dir) =>
  existsSync(join(dir, 'INDEX.tsv')),
);

export interface IndexedCapture {
  readonly path: string;
  readonly file: string;
  readonly packets: number;
  readonly encapsulation: string;
}

/** Rows of the captures' index; none where the folder does not exist. */
export const INDEXED_CAPTURES: readonly IndexedCapture[] =
  CAPTURES === undefined
    ? []
    : readFileSync(join(CAPTURES, 'INDEX.tsv'), 'utf8')
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => {
          const [file, packets, , encapsulation] = line.split('\t');
          return { path: join(CAPTURES ?? '', file), file, packets: Number(packets), encapsulation };
        });
