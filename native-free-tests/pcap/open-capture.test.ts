import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NearhopError } from '../../src/base/errors.ts';
import { openCapture } from '../../src/pcap/open-capture.ts';
import { testFrame } from '../conformance/port-suite.ts';
import { buildPcap, readAll } from './capture-builder.ts';
import { INDEXED_CAPTURES } from './captures.ts';

const faultOf = (path: string): NearhopError => {
  try {
    readAll(openCapture(path));
  } catch (error) {
    if (error instanceof NearhopError) return error;
    throw error;
  }
  throw new Error('no fault');
};

describe('openCapture', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'nearhop-pcap-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));
  const file = (name: string, bytes: Uint8Array | string): string => {
    writeFileSync(join(dir, name), bytes);
    return join(dir, name);
  };

  it('reads a file', () => {
    const path = file('one.pcap', buildPcap([{ bytes: testFrame(1, 60), timeNs: 5000n }]));
    expect(readAll(openCapture(path))).toEqual([{ bytes: testFrame(1, 60), timeNs: 5000n, wireLen: 60 }]);
  });

  it.each([
    ['empty.pcap', '', 'capture-empty', 'empty.pcap: is empty (0 bytes)'],
    ['text.pcap', 'hello world', 'capture-format', 'starts with 68 65 6c 6c at byte 0'],
    ['tiny.pcap', '\u0001', 'capture-format', 'starts with 01 at byte 0'],
  ])('refuses %s', (name, bytes, code, text) => {
    const fault = faultOf(file(name, bytes));
    expect(fault.code).toBe(code);
    expect(fault.message).toContain(text);
    expect(fault.hint).toBeDefined();
  });

  it('knows compressed files by their first bytes', () => {
    const fault = faultOf(file('x.pcap.gz', Uint8Array.of(0x1f, 0x8b, 8, 0, 0)));
    expect(fault.hint).toContain('compressed with gzip');
  });

  it('says what is wrong with a path', () => {
    expect(faultOf(join(dir, 'absent.pcap')).message).toContain('absent.pcap: no such file');
    expect(faultOf(dir).message).toContain('is a directory');
    expect(faultOf(join(dir, 'absent.pcap')).code).toBe('capture-open-failed');
  });

  it('reads standard input, whatever pieces it comes in', () => {
    const bytes = buildPcap(
      Array.from({ length: 300 }, (_, i) => ({ bytes: testFrame(i, 100 + i), timeNs: 0n })),
    );
    const script = `
      import { openCapture } from ${JSON.stringify(join(import.meta.dirname, '../../src/pcap/open-capture.ts'))};
      const reader = openCapture('-');
      let sum = 0;
      while (reader.next()) sum += reader.view.getUint32(reader.off + 14) + reader.len;
      console.log(reader.packets, sum);
    `;
    const path = file('stdin.mts', script);
    const input = file('stdin.pcap', bytes);
    const run = (command: string): string =>
      spawnSync('sh', ['-c', command], { encoding: 'utf8', env: { ...process.env, NODE_NO_WARNINGS: '1' } })
        .stdout;
    const node = `${process.execPath} --import tsx ${path}`;
    const serials = (300 * 299) / 2;
    const expected = `300 ${serials + 300 * 100 + serials}\n`;
    expect(run(`dd if=${input} bs=777 2>/dev/null | ${node}`)).toBe(expected);
    expect(run(`${node} < ${input}`)).toBe(expected);
  });
});

describe.skipIf(INDEXED_CAPTURES.length === 0)(
  'openCapture on real captures (needs ../shared/data/captures)',
  () => {
    it('has all of them', () => {
      expect(INDEXED_CAPTURES).toHaveLength(31);
    });

    for (const { path, file, packets, encapsulation } of INDEXED_CAPTURES) {
      if (encapsulation === 'ether') {
        it(`${file} has ${packets} packets`, () => {
          const frames = readAll(openCapture(path));
          expect(frames).toHaveLength(packets);
          for (const frame of frames) expect(frame.bytes.length).toBeLessThanOrEqual(frame.wireLen);
        });
      } else {
        it(`${file} is refused for its link type (${encapsulation})`, () => {
          expect(faultOf(path).code).toBe('capture-link-type');
          expect(faultOf(path).message).toContain(encapsulation === 'rawip' ? 'raw IP' : 'Linux cooked v2');
        });
      }
    }
  },
);
