// Number-like identifiers, branded so that the compiler tells a port from an interface. They cost nothing at run time.

declare const brand: unique symbol;
type Id<Name extends string> = number & { readonly [brand]: Name };

/** Index of a port: a place where frames enter and leave the process. */
export type PortId = Id<'PortId'>;
/** Index of an interface: a port, or one VLAN of a port, or a network's gateway (BVI). Row of the `InterfaceTable`. */
export type IfIndex = Id<'IfIndex'>;
/** Index of an extended network, which is also its bridge domain. Row of the `NetworkTable`. */
export type NetworkId = Id<'NetworkId'>;
/** Index of an adjacency: one (interface, next hop) to which packets are rewritten. Row of the `AdjacencyTable`. */
export type AdjIndex = Id<'AdjIndex'>;
/** Row of the `VmTable`. */
export type VmIndex = Id<'VmIndex'>;

export const portId = (n: number): PortId => n as PortId;
export const ifIndex = (n: number): IfIndex => n as IfIndex;
export const networkId = (n: number): NetworkId => n as NetworkId;
export const adjIndex = (n: number): AdjIndex => n as AdjIndex;
export const vmIndex = (n: number): VmIndex => n as VmIndex;
