// The values of a config file that have a syntax of their own: addresses, prefixes, MACs, names. Each is a zod field that
// takes text and gives numbers, so that everything behind the config works with numbers only.

import { z } from 'zod';
import { parseIpv4 } from '../addr/ipv4.ts';
import { type Mac, macIsGroup, parseMac } from '../addr/mac.ts';
import {
  type InterfaceAddress4,
  type Prefix4,
  parseInterfaceAddress4,
  parsePrefix4,
} from '../addr/prefix.ts';
import { NearhopError } from '../base/errors.ts';

/** Runs a parser of src/addr; its error becomes the field's. */
function by<T>(parse: (text: string) => T) {
  return (text: string, ctx: z.RefinementCtx<string>): T => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof NearhopError)) throw error;
      ctx.addIssue({
        code: 'custom',
        message: error.message,
        params: { code: error.code, message: error.message, hint: error.hint },
      });
      return z.NEVER;
    }
  };
}

export const ipv4Field = z
  .string()
  .transform(by<number>(parseIpv4))
  .meta({ description: 'IPv4 address', examples: ['192.0.2.1'] });

export const prefixField = z
  .string()
  .transform(by<Prefix4>(parsePrefix4))
  .meta({ description: 'IPv4 prefix', examples: ['192.168.10.0/24'] });

export const interfaceAddressField = z
  .string()
  .transform(by<InterfaceAddress4>(parseInterfaceAddress4))
  .meta({ description: 'IPv4 address and prefix length', examples: ['172.16.0.2/30'] });

export const macField = z
  .string()
  .transform(by<Mac>(parseMac))
  .refine((mac) => !macIsGroup(mac.hi), {
    params: {
      code: 'mac-group',
      message: 'a group MAC cannot belong to a device',
      hint: "the first byte of a device's MAC is even, as in 02:00:00:00:10:02",
    },
  })
  .refine((mac) => mac.hi !== 0 || mac.lo !== 0, {
    params: { code: 'mac-zero', message: 'the MAC is zero', hint: 'write one such as 02:00:00:00:10:02' },
  })
  .meta({ description: 'Unicast MAC address', examples: ['02:00:00:00:10:02'] });

const named = (max: number, what: string) =>
  z
    .string()
    .regex(new RegExp(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,${max - 1}}$`))
    .meta({ description: what });

/** Name of a gateway, port, network, VM: goes into paths, commands and metrics as it is. */
export const nameField = named(63, 'Name: letters, digits, and . _ - inside, at most 63');

/** Name of a device of the host: IFNAMSIZ is 16 with the terminating zero (linux/if.h). */
export const deviceField = z
  .string()
  .regex(/^[^\s/:]{1,15}$/)
  .meta({ description: 'Network device of the host, at most 15 characters' });

export const vlanField = z
  .int()
  .min(0)
  .max(4094)
  .meta({ description: '802.1Q VLAN id 1 to 4094, 0 for untagged' });

export const mtuField = z
  .int()
  .min(576)
  .max(65535)
  .meta({ description: 'Largest layer-3 packet in bytes (Ethernet header and tags not counted)' });
