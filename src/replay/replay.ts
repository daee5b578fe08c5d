// Replays captures through the gateway of a config: the same control plane and data plane as `nearhop run`, in one thread on
// a virtual clock. Captures and events go in, a capture for each port and a summary of the decisions come out; the same
// input gives the same bytes. Memory does not grow with the captures.

import { VirtualClock } from '../base/clock.ts';
import { NearhopError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { createInlineGateway, type InlineGateway } from '../gateway/inline.ts';
import {
  type CapturePorts,
  captureMemoryBytes,
  checkInputs,
  openCapturePorts,
  type ReplayInput,
} from './capture-ports.ts';
import { Decisions } from './decisions.ts';
import { loadReplayEvents, type ReplayEvent } from './replay-events.ts';
import { runReplay, type TimedEvent } from './replay-run.ts';
import { type ReplaySummary, summarize } from './replay-summary.ts';

export interface ReplayOptions {
  /** Directory that gets PORT.pcap for each port; absent: nothing is written. */
  readonly outDir?: string | undefined;
  /** YAML file of events (replay-events.ts). */
  readonly eventsFile?: string | undefined;
  /** Ends the replay early, with the summary so far. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Replays `inputs` and returns what was decided. Throws a NearhopError: what is wrong with a capture, its packet and byte
 * (`capture-…`), with an event (`replay-events`), or that there was nothing to replay (`replay-empty`).
 */
export async function replay(
  config: Config,
  inputs: readonly ReplayInput[],
  options: ReplayOptions = {},
): Promise<ReplaySummary> {
  checkInputs(config, inputs);
  const events = options.eventsFile === undefined ? [] : loadReplayEvents(options.eventsFile, config);
  const clock = new VirtualClock(0);
  let captures: CapturePorts | undefined;
  let gateway: InlineGateway | undefined;
  const running = (): InlineGateway => {
    if (gateway === undefined) throw new Error('assertion failed: packets leave only from a running gateway');
    return gateway;
  };
  // Two rows for each VM, as the table has them.
  const decisions = new Decisions(2 * 2 ** Math.ceil(Math.log2(config.gateway.maxVms)), running);
  let startMs = 0;
  try {
    gateway = createInlineGateway({
      config: withCaptureMemory(config, inputs),
      clock,
      openPorts: (slab) => {
        captures = openCapturePorts(config, inputs, options.outDir, clock, slab, (batch, idx, taken) =>
          decisions.sent(batch, idx, taken),
        );
        startMs = firstFrameMs(captures);
        clock.advanceTo(startMs);
        captures.times?.begin(Math.floor(startMs), 0); // what the gateway says at its start
        return captures.ports;
      },
    });
    const opened = captures as CapturePorts | undefined;
    if (opened === undefined) throw new Error('assertion failed: the gateway has opened its ports');
    decisions.inventoryChanged();
    const result = await runReplay(gateway, opened, timed(events, startMs), clock, decisions, options.signal);
    await written(opened);
    gateway.close();
    for (const file of opened.files) if (file.failure !== undefined) throw file.failure;
    return summarize({
      config,
      inputs,
      gateway,
      captures: opened,
      decisions,
      result,
      startMs,
      endMs: clock.nowMs(),
    });
  } finally {
    if (captures !== undefined) {
      await written(captures);
      for (const file of captures.files) file.close();
    }
  }
}

/** Waits for the writes that are pending. Reads may go on: a pipe can be silent for long. */
async function written({ files, io }: CapturePorts): Promise<void> {
  while (files.some((file) => file.writing)) await io.next();
}

/** The config with packet memory for the captures beside that of the gateway. */
function withCaptureMemory(config: Config, inputs: readonly ReplayInput[]): Config {
  const mib = config.gateway.packetMemoryMiB + Math.ceil(captureMemoryBytes(inputs) / 2 ** 20);
  return { ...config, gateway: { ...config.gateway, packetMemoryMiB: Math.min(mib, 2047) } };
}

/** Time of the earliest frame. Throws a capture's failure, or `replay-empty` when no capture has a frame. */
function firstFrameMs({ files }: CapturePorts): number {
  let first = Number.POSITIVE_INFINITY;
  for (const file of files) {
    if (file.failure !== undefined) throw file.failure;
    first = Math.min(first, file.nextMs + file.nextNs / 1e6);
  }
  if (first !== Number.POSITIVE_INFINITY) return first;
  const cut = files.reduce((sum, file) => sum + file.stats.rxTruncated, 0);
  throw new NearhopError(
    'replay-empty',
    `nothing was replayed: the captures hold no whole packet${cut === 0 ? '' : ` (${cut} are cut short)`}`,
    { hint: cut === 0 ? 'capture again, with traffic' : 'capture whole packets: tcpdump -s 0' },
  );
}

/** Events in the order of time; of those at one time, in the order of the file. */
function timed(events: readonly ReplayEvent[], startMs: number): TimedEvent[] {
  return events
    .map((event) => ({
      event,
      atMs: 'atMs' in event.time ? event.time.atMs : startMs + event.time.afterMs,
    }))
    .sort((a, b) => a.atMs - b.atMs);
}
