// The ports' own counts where main can read them: each worker copies its ports' stats here a few times a second. A port that
// several workers have opened has the sum.

import { createPortStats, type Port, type PortStats } from '../ports/port.ts';

const NAMES = Object.keys(createPortStats()) as (keyof PortStats)[];

export class PortBoard {
  /** A block for each worker. */
  readonly buffers: readonly SharedArrayBuffer[];
  readonly #cells: readonly Float64Array[];

  /** @param shared memory of another thread's board. */
  constructor(ports: number, workers = 1, shared?: readonly SharedArrayBuffer[]) {
    this.buffers =
      shared ??
      Array.from({ length: workers }, () => new SharedArrayBuffer(Math.max(1, ports) * NAMES.length * 8));
    this.#cells = this.buffers.map((buffer) => new Float64Array(buffer));
  }

  /** Copies the stats of the ports that this worker has opened. */
  publish(ports: readonly Port[], worker = 0): void {
    const cells = this.#cells[worker];
    for (const { id, stats } of ports) {
      for (let k = 0; k < NAMES.length; k++) cells[id * NAMES.length + k] = stats[NAMES[k]];
    }
  }

  read(port: number): PortStats {
    const stats = createPortStats();
    NAMES.forEach((name, k) => {
      for (const cells of this.#cells) stats[name] += cells[port * NAMES.length + k];
    });
    return stats;
  }
}
