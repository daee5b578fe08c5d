// Asking for huge pages, as the kernel has heard it. Needs koffi, no root.

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { adviseHugePages } from '../../src/ports/huge-pages.ts';
import { loadNative } from '../../src/ports/native.ts';

/** Flags of the mapping that holds an address (proc(5), smaps). */
function flagsAt(address: number): string[] {
  const mappings = readFileSync('/proc/self/smaps', 'latin1').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  for (const mapping of mappings) {
    const [start, end] = mapping.split(' ', 1)[0].split('-');
    if (Number.parseInt(start, 16) > address || Number.parseInt(end, 16) <= address) continue;
    return /^VmFlags: (.*)$/m.exec(mapping)?.[1].trim().split(' ') ?? [];
  }
  return [];
}

describe.skipIf(!existsSync('/sys/kernel/mm/transparent_hugepage'))('adviseHugePages', () => {
  it('has the kernel note its wish for all whole pages of a buffer, and leaves its bytes alone', () => {
    const buffer = new SharedArrayBuffer(16 << 20);
    const u8 = new Uint8Array(buffer);
    u8[0] = 1;
    u8[u8.length - 1] = 2;
    const address = loadNative().addressOf(u8);
    const middle = address + u8.length / 2;
    expect(flagsAt(middle)).not.toContain('hg');
    expect(adviseHugePages(buffer)).toBe(true);
    for (const at of [address + 4096, middle, address + u8.length - 8192])
      expect(flagsAt(at)).toContain('hg');
    expect([u8[0], u8[u8.length - 1], u8.indexOf(2)]).toEqual([1, 2, u8.length - 1]);
  });

  it('asks for nothing where a buffer has no whole page', () => {
    expect(adviseHugePages(new SharedArrayBuffer(64))).toBe(false);
  });
});
