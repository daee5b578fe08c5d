// The outside of a port under test: a plain packet socket on the other end of its veth pair, which reads and writes one frame a
// call. It shares neither the ring nor the message vectors with the ports, so a fault there cannot cancel itself out.

import { constants } from 'node:os';
import type { OffloadFrame } from '../../native-free-tests/conformance/port-suite.ts';
import { loadNative } from '../../src/ports/native.ts';
import { check } from '../../src/ports/system-error.ts';

const AF_PACKET = 17;
const SOCK_RAW_NONBLOCK = 3 | 0o4000 | 0o2000000;
const ETH_P_ALL = 3;
const SOL_PACKET = 263;
const PACKET_VNET_HDR = 15;
const PACKET_IGNORE_OUTGOING = 23;
const FRAME_BYTES = 1 << 17;
const VNET_LEN = 10;

export interface Outside {
  feed(frames: readonly Uint8Array[]): void;
  feedOffload(frame: OffloadFrame): void;
  /** Waits until `count` frames that `wanted` accepts are there, two seconds at most. */
  collect(count: number, wanted?: (bytes: Uint8Array) => boolean): Promise<Uint8Array[]>;
  collectOffload(count: number): Promise<OffloadFrame[]>;
  close(): void;
}

/** Opens the outside end `device`, in the namespace of the test itself. */
export function openOutside(device: string): Outside {
  const native = loadNative();
  const fd = check(native.socket(AF_PACKET, SOCK_RAW_NONBLOCK, 0), 'open the outside');
  const memory = native.alloc(FRAME_BYTES);
  const setInt = (name: number, value: number): void => {
    memory.u32[0] = value;
    check(native.setsockopt(fd, SOL_PACKET, name, memory.address, 4), `set packet option ${name}`);
  };
  setInt(PACKET_VNET_HDR, 1);
  setInt(PACKET_IGNORE_OUTGOING, 1);
  memory.u32[0] = 16 << 20;
  check(native.setsockopt(fd, 1, 33, memory.address, 4), 'enlarge the receive buffer'); // SO_RCVBUFFORCE
  memory.u8.fill(0, 0, 20);
  memory.u16[0] = AF_PACKET;
  memory.view.setUint16(2, ETH_P_ALL);
  memory.u32[1] = native.ifNameToIndex(device);
  check(native.bind(fd, memory.address, 20), `bind the outside to ${device}`);

  const feedOffload = ({ bytes, vnet }: OffloadFrame): void => {
    memory.u8.set(vnet);
    memory.u8.set(bytes, VNET_LEN);
    check(native.write(fd, memory.address, bytes.length + VNET_LEN), `feed ${bytes.length} bytes`);
  };
  const collectOffload = async (
    count: number,
    wanted: (bytes: Uint8Array) => boolean = () => true,
  ): Promise<OffloadFrame[]> => {
    const got: OffloadFrame[] = [];
    const end = Date.now() + 2000;
    while (got.length < count && Date.now() < end) {
      const n = native.read(fd, memory.address, FRAME_BYTES);
      if (n === -constants.errno.EAGAIN) await new Promise((done) => setTimeout(done, 1));
      else if (n < 0 && n !== -constants.errno.ENETDOWN) check(n, 'read the outside');
      else if (n > VNET_LEN) {
        const bytes = memory.u8.slice(VNET_LEN, n);
        if (wanted(bytes)) got.push({ bytes, vnet: memory.u8.slice(0, VNET_LEN) });
      }
    }
    return got;
  };
  return {
    feed: (frames) => {
      for (const bytes of frames) feedOffload({ bytes, vnet: new Uint8Array(VNET_LEN) });
    },
    feedOffload,
    collect: async (count, wanted) => (await collectOffload(count, wanted)).map((frame) => frame.bytes),
    collectOffload,
    close: () => {
      native.close(fd);
    },
  };
}
