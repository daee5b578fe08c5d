// Removing what `bench wire` makes: namespaces `nhb-PID-gen`, `-dut` and `-sink`, and whatever still runs in them. By names alone,
// so that it works for a run that was killed, whichever process does it.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const NAMESPACES = '/run/netns';
const PREFIX = /^nhb-(\d+)$/;

export const WIRE_PARTS = ['gen', 'dut', 'sink'] as const;
export type WirePart = (typeof WIRE_PARTS)[number];

/** Start of every name of the run of a process. */
export const wirePrefix = (pid: number): string => `nhb-${pid}`;
export const wireNamespace = (prefix: string, part: WirePart): string => `${prefix}-${part}`;
/** Folder for the files of a run: configs, sockets, logs. */
export const wireFolder = (prefix: string): string => join(tmpdir(), prefix);

/** Ends the processes of a run and removes its namespaces and files. There may be none. */
export function removeWire(prefix: string): void {
  const there = WIRE_PARTS.map((part) => wireNamespace(prefix, part)).filter((ns) =>
    existsSync(join(NAMESPACES, ns)),
  );
  for (const ns of there) {
    const { stdout } = spawnSync('ip', ['netns', 'pids', ns], { encoding: 'utf8' });
    for (const pid of (stdout ?? '').split('\n').filter(Boolean).map(Number)) {
      if (pid !== process.pid) endNow(pid);
    }
  }
  for (const ns of there) spawnSync('ip', ['netns', 'del', ns]);
  rmSync(wireFolder(prefix), { recursive: true, force: true });
}

/** Removes what runs have left whose process is gone. */
export function removeLeftWires(): void {
  const names = [NAMESPACES, tmpdir()].flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []));
  const prefixes = new Set(names.map((name) => name.replace(/-(gen|dut|sink)$/, '')));
  for (const prefix of prefixes) {
    const pid = PREFIX.exec(prefix)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeWire(prefix);
  }
}

function endNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has gone by itself
  }
}
