// MACs for ports that have no device to take one from.

/** Makes up a MAC for a port without a device: locally administered, from its name, so that it is the same every time. */
export function madeMac(name: string): { hi: number; lo: number } {
  let hash = 0x811c9dc5; // FNV-1a
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
  return { hi: 0x024e, lo: hash };
}
