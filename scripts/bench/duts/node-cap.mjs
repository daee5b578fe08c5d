#!/usr/bin/env node
// What one writes first in Node: the npm package cap and a Map, as a device under test of `nearhop bench wire`. It answers no ARP.

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';

const mode = process.env.BENCH_MODE ?? 'l3';
const routes = Number(process.env.BENCH_ROUTES ?? 1000);

/** @returns {any} */
function loadCap() {
  try {
    return createRequire(import.meta.url)('cap').Cap;
  } catch {
    process.stderr.write(
      'node-cap needs the npm package cap: apt-get install libpcap-dev g++ make python3, then npm install cap\n',
    );
    process.exit(1);
  }
}
const Cap = loadCap();

/** @param {string} text */
const mac = (text) => Buffer.from(text.replaceAll(':', ''), 'hex');
const toGenerator = { port: 0, macs: mac('020000000102020000000101') };
const toSink = { port: 1, macs: mac('020000000202020000000201') };

/** Address → port and both MACs. */
const table = new Map([
  [0x0a010002, toGenerator],
  [0x0a020002, toSink],
]);
for (let i = 0; i < routes; i++) table.set(0x0a030001 + i, toSink);
const defaultRoute = process.env.BENCH_DEFAULT_ROUTE === '1' ? toSink : undefined;

/** Sends a frame that came in by `port` on its way. */
/** @param {number} port @param {Buffer} frame @param {number} bytes */
function forward(port, frame, bytes) {
  if (mode === 'l2') return void ports[1 - port].send(frame, bytes);
  if (frame.readUInt16BE(12) !== 0x0800 || frame[22] < 2) return;
  const route = table.get(frame.readUInt32BE(30)) ?? defaultRoute;
  if (route === undefined) return;
  frame[22]--;
  const sum = frame.readUInt16BE(24) + 0x0100; // RFC 1624
  frame.writeUInt16BE((sum & 0xffff) + (sum >>> 16), 24);
  route.macs.copy(frame, 0);
  ports[route.port].send(frame, bytes);
}

// As bench wire does for Nearhop: what the packet socket has seen, the kernel need not work on.
const DROP = ['ingress', 'bpf', 'bytecode', '1,6 0 0 2', 'da'];
for (const device of ['d0', 'd1']) {
  execFileSync('tc', ['qdisc', 'add', 'dev', device, 'clsact']);
  execFileSync('tc', ['filter', 'add', 'dev', device, ...DROP]);
}

const ports = ['d0', 'd1'].map((device, port) => {
  const cap = new Cap();
  const frame = Buffer.alloc(65536);
  cap.open(device, 'inbound', 10 << 20, frame);
  cap.setMinBytes?.(0);
  cap.on('packet', (/** @type {number} */ bytes) => forward(port, frame, bytes));
  return cap;
});
