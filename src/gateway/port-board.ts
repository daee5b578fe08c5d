// The ports' own counts where main can read them: the data plane copies each port's stats here a few times a second.

import { createPortStats, type Port, type PortStats } from '../ports/port.ts';

const NAMES = Object.keys(createPortStats()) as (keyof PortStats)[];

export class PortBoard {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: Float64Array;

  constructor(ports: number, shared?: SharedArrayBuffer) {
    this.buffer = shared ?? new SharedArrayBuffer(Math.max(1, ports) * NAMES.length * 8);
    this.#cells = new Float64Array(this.buffer);
  }

  /** Copies the stats of all ports; the data plane only. */
  publish(ports: readonly Port[]): void {
    for (let p = 0; p < ports.length; p++) {
      for (let k = 0; k < NAMES.length; k++) this.#cells[p * NAMES.length + k] = ports[p].stats[NAMES[k]];
    }
  }

  read(port: number): PortStats {
    const stats = createPortStats();
    NAMES.forEach((name, k) => {
      stats[name] = this.#cells[port * NAMES.length + k];
    });
    return stats;
  }
}
