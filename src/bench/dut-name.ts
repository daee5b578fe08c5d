// The name of a device under test in tables and charts.

/** Short enough for a table: a command can be long. */
export const dutName = (dut: string): string => (dut.length > 24 ? `${dut.slice(0, 23)}…` : dut);
