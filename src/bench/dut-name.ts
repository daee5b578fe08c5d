// The names of devices under test in tables and charts.

/** Words that start a command without naming it. */
const PREFIXES = new Set(['exec', 'env', 'sudo', 'bash', 'sh', 'node', 'python3']);
const LONGEST = 24;

/** `kernel`, `nearhop`, or what a command starts, without its folder and ending: `duts/testpmd-af-xdp.sh` is `testpmd-af-xdp`. */
export function dutName(dut: string): string {
  const words = dut.trim().split(/\s+/);
  const word = words.find((w) => !PREFIXES.has(w) && !/^[A-Za-z_]\w*=/.test(w)) ?? dut;
  const base = word.slice(word.lastIndexOf('/') + 1).replace(/\.(sh|mjs|js|py)$/, '') || word;
  return base.length > LONGEST ? `${base.slice(0, LONGEST - 1)}…` : base;
}

/** Names of devices that are compared, each once: the second of a name is called `name 2`. */
export function dutNames(duts: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return duts.map((dut) => {
    const name = dutName(dut);
    const n = (seen.get(name) ?? 0) + 1;
    seen.set(name, n);
    return n === 1 ? name : `${name} ${n}`;
  });
}
