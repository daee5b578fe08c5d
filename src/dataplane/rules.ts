// The rules behind a packet's normal way: what a trace tells where no reason ends or marks the packet. One closed list, as
// in stats/reasons.ts: the index is what the data plane writes, the claim and the text are what people read.

export interface RuleRow {
  /** A claim of the paper (S1 to S30), "I" for our own ruling, or an RFC and section. */
  readonly claim: string;
  readonly text: string;
}

const ROWS = {
  none: { claim: 'I', text: 'no rule' },
  // bridging
  'bridge-local': { claim: 'I', text: 'both VMs are at the target: switched locally' },
  'bridge-extension': { claim: 'S10', text: 'traffic inside the extended network uses the extension' },
  'bridge-to-source-gateway': {
    claim: 'S19',
    text: 'the VM is on the source gateway: bridged to it over the extension',
  },
  'route-at-target': { claim: 'S13', text: "the VM is local: the target gateway's MAC takes its packet" },
  // routing
  'local-to-routed': {
    claim: 'S6 S7 S12 S13',
    text: 'local VM to the Internet or a network outside: routed at the target, where the VM is',
  },
  'local-to-local': {
    claim: 'S12',
    text: 'local VMs on two extended networks: routed at the target',
  },
  'routed-to-local': {
    claim: 'S14 S16 S17',
    text: "from outside to a local VM by its host route: the same path as the VM's own packets",
  },
  transit: { claim: 'RFC 1812 §5.2.1', text: 'between two routed interfaces' },
  'to-gateway': { claim: 'RFC 1812 §5.2.3', text: 'for an address of the gateway itself' },
  'made-by-gateway': { claim: 'RFC 1812 §4.3', text: 'made by the gateway because of another packet' },
} as const satisfies Record<string, RuleRow>;

export type RuleName = keyof typeof ROWS;

export interface Rule extends RuleRow {
  readonly index: number;
  readonly name: RuleName;
}

/** All rules; a rule's place in the list is its index. */
export const RULES: readonly Rule[] = (Object.keys(ROWS) as RuleName[]).map((name, index) => ({
  index,
  name,
  ...ROWS[name],
}));

/** Index of each rule by name, for nodes: `RULE['bridge-local']`. */
export const RULE = Object.freeze(
  Object.fromEntries(RULES.map((r) => [r.name, r.index])) as Record<RuleName, number>,
);
