// The ports of a config as captures: each reads the capture that is given for it, if there is one, and writes its own.
//
// Every port keeps its name, MAC, MTU and faults; only its outside is another one. `sent` sees what leaves.

import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Batch } from '../base/batch.ts';
import type { Clock } from '../base/clock.ts';
import { NearhopError } from '../base/errors.ts';
import { portId } from '../base/ids.ts';
import type { Slab } from '../base/slab.ts';
import type { Config } from '../config/config.ts';
import { suggest } from '../config/nearest.ts';
import { madeMac } from '../gateway/made-mac.ts';
import { CaptureMemory } from '../pcap/capture-memory.ts';
import { AHEAD_LAP_BYTES } from '../pcap/capture-source.ts';
import { PendingIo } from '../pcap/pending-io.ts';
import { createFaultPort } from '../ports/fault.ts';
import { createPcapFilePort, type PcapFilePort } from '../ports/pcap-file.ts';
import type { Port } from '../ports/port.ts';
import { RoundTimes } from '../ports/round-times.ts';

export interface ReplayInput {
  /** Name of the port that the capture's frames come in by. */
  readonly port: string;
  /** Path of the capture, `-` for standard input. */
  readonly capture: string;
}

export interface CapturePorts {
  /** The ports as the data plane sees them. */
  readonly ports: readonly Port[];
  /** Their captures, in the same order. */
  readonly files: readonly PcapFilePort[];
  /** Path of each port's output; undefined when nothing is written. */
  readonly outputs: readonly (string | undefined)[];
  /** To be told when each round begins; undefined where faults keep packets for other rounds. */
  readonly times: RoundTimes | undefined;
  /** Reads ahead and writes behind. */
  readonly io: PendingIo;
}

/** Packet memory that the captures of a replay need beside that of the gateway. */
export const captureMemoryBytes = (inputs: readonly ReplayInput[]): number =>
  inputs.length * (CaptureMemory.bytes(AHEAD_LAP_BYTES) + 64);

/** Checks that every input names another port of the config. Throws `replay-port`. */
export function checkInputs(config: Config, inputs: readonly ReplayInput[]): void {
  if (inputs.length === 0) {
    throw new NearhopError('replay-no-input', 'no capture to replay', {
      hint: `name one for a port: ${config.ports[0]?.name ?? 'PORT'}=CAPTURE`,
    });
  }
  const known = config.ports.map((p) => p.name);
  const seen = new Map<string, string>();
  for (const { port, capture } of inputs) {
    if (!known.includes(port)) {
      throw new NearhopError('replay-port', `no port '${port}' in the config`, {
        hint: suggest(port, known),
      });
    }
    const other = seen.get(port);
    if (other !== undefined) {
      throw new NearhopError('replay-port', `port '${port}' has two captures: ${other} and ${capture}`, {
        hint: `merge them first: mergecap -w MERGED ${other} ${capture}`,
      });
    }
    seen.set(port, capture);
  }
  if (inputs.filter((input) => input.capture === '-').length > 1) {
    throw new NearhopError('replay-port', 'standard input can be one capture only', { hint: 'name files' });
  }
}

/** Opens all captures. Throws what is wrong with them; nothing stays open then. */
export function openCapturePorts(
  config: Config,
  inputs: readonly ReplayInput[],
  outDir: string | undefined,
  clock: Clock,
  slab: Slab,
  sent: (batch: Batch, idx: Uint16Array, taken: number) => void,
): CapturePorts {
  const outputs = config.ports.map((p) =>
    outDir === undefined ? undefined : join(outDir, `${p.name}.pcap`),
  );
  if (outDir !== undefined) prepareOutput(outDir, inputs, outputs);
  const times = config.ports.some((p) => p.fault !== undefined) ? undefined : new RoundTimes(slab);
  const inPlace = times !== undefined && !hasTags(config); // faults hold frames back
  const io = new PendingIo();
  const memories = new Map<string, CaptureMemory>();
  for (const { port } of inputs) {
    if (!inPlace) break;
    const start = slab.reserve(CaptureMemory.bytes(AHEAD_LAP_BYTES));
    memories.set(port, new CaptureMemory(slab.u8, slab.view, start, AHEAD_LAP_BYTES));
  }
  const behind = { memories: [...memories.values()], io };
  const files: PcapFilePort[] = [];
  const ports: Port[] = [];
  try {
    for (const [i, { name, mac, mtu, fault }] of config.ports.entries()) {
      const { hi, lo } = mac ?? madeMac(name);
      const file = createPcapFilePort(
        {
          id: portId(i),
          name,
          in: inputs.find((input) => input.port === name)?.capture,
          out: outputs[i],
          macHi: hi,
          macLo: lo,
          mtu,
          clock,
          memory: memories.get(name),
          behind,
          ...(times === undefined ? {} : { times }),
        },
        slab,
      );
      file.limit(-1, 0); // nothing comes before the replay says so
      files.push(file);
      ports.push(new Watched(fault === undefined ? file : createFaultPort(file, fault, clock, slab), sent));
    }
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
  return { ports, files, outputs, times, io };
}

/** Whether packets may leave with a VLAN tag, for which the gap between two frames of a capture is too short. */
function hasTags({ interfaces, networks }: Config): boolean {
  const bridged = networks.flatMap(({ members, extension }) => [
    ...members,
    ...(extension ? [extension] : []),
  ]);
  return [...interfaces, ...bridged].some(({ vlan }) => vlan !== 0);
}

/** Makes the directory. Throws `replay-output` when that cannot be, or when an output would be written over an input. */
function prepareOutput(
  outDir: string,
  inputs: readonly ReplayInput[],
  outputs: readonly (string | undefined)[],
): void {
  try {
    mkdirSync(outDir, { recursive: true });
  } catch (cause) {
    throw new NearhopError('replay-output', `${outDir}: ${(cause as Error).message}`, {
      hint: 'name a directory that can be written to',
      cause,
    });
  }
  const real = new Set(inputs.flatMap(({ capture }) => (existsSync(capture) ? [realpathSync(capture)] : [])));
  for (const output of outputs) {
    if (output !== undefined && existsSync(output) && real.has(realpathSync(output))) {
      throw new NearhopError(
        'replay-output',
        `${output} is a capture to be replayed, and would be written over`,
        {
          hint: 'name another output directory',
        },
      );
    }
  }
}

/** A port that tells what leaves by it. */
class Watched implements Port {
  readonly #inner: Port;
  readonly #sent: (batch: Batch, idx: Uint16Array, taken: number) => void;

  constructor(inner: Port, sent: (batch: Batch, idx: Uint16Array, taken: number) => void) {
    this.#inner = inner;
    this.#sent = sent;
  }
  get id(): Port['id'] {
    return this.#inner.id;
  }
  get name(): string {
    return this.#inner.name;
  }
  get kind(): Port['kind'] {
    return this.#inner.kind;
  }
  get macHi(): number {
    return this.#inner.macHi;
  }
  get macLo(): number {
    return this.#inner.macLo;
  }
  get mtu(): number {
    return this.#inner.mtu;
  }
  get offload(): boolean {
    return this.#inner.offload;
  }
  get l3Only(): boolean {
    return this.#inner.l3Only;
  }
  get pollFd(): number {
    return this.#inner.pollFd;
  }
  get stats(): Port['stats'] {
    return this.#inner.stats;
  }
  get ended(): boolean {
    return this.#inner.ended === true;
  }
  get failure(): Port['failure'] {
    return this.#inner.failure;
  }
  get nextDueMs(): number {
    return this.#inner.nextDueMs ?? Number.POSITIVE_INFINITY;
  }
  rx(batch: Batch, max: number): number {
    return this.#inner.rx(batch, max);
  }
  rxRelease(): void {
    this.#inner.rxRelease();
  }
  tx(batch: Batch, idx: Uint16Array, n: number): number {
    const taken = this.#inner.tx(batch, idx, n);
    this.#sent(batch, idx, taken);
    return taken;
  }
  close(): void {
    this.#inner.close();
  }
}
