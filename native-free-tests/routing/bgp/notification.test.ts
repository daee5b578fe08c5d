import { describe, expect, it } from 'vitest';
import { BgpError, notificationText } from '../../../src/routing/bgp/error.ts';
import {
  decodeNotification,
  encodeCease,
  encodeNotification,
} from '../../../src/routing/bgp/notification.ts';
import { bodyOf, hex, toHex } from './bytes.ts';

describe('encodeNotification', () => {
  it('writes code, subcode and data (RFC 4271 §4.5)', () => {
    expect(toHex(encodeNotification(2, 1, hex('0004')))).toBe(`${'ff'.repeat(16)}00170302010004`);
  });

  it('sends back no more than 512 bytes of what was wrong', () => {
    expect(encodeNotification(3, 2, new Uint8Array(60_000))).toHaveLength(21 + 512);
  });
});

describe('encodeCease', () => {
  it('carries the reason to the other side (RFC 9003 §2)', () => {
    const bytes = encodeCease(2, 'maintenance');
    expect(bytes[21]).toBe(11);
    expect(decodeNotification(bodyOf(bytes)).text).toBe('Cease/Administrative Shutdown "maintenance"');
  });

  it('cuts a long reason between two characters', () => {
    const bytes = encodeCease(4, 'ä'.repeat(200));
    expect(bytes[21]).toBe(254);
    expect(decodeNotification(bodyOf(bytes)).text).toBe(`Cease/Administrative Reset "${'ä'.repeat(127)}"`);
  });
});

describe('decodeNotification', () => {
  it.each([
    ['0400', 'Hold Timer Expired'],
    ['0607', 'Cease/Connection Collision Resolution'],
    ['0502', 'Finite State Machine Error/Unexpected Message in OpenConfirm'],
    ['0663', 'Cease/subcode 99'],
    ['6301', 'code 99/1'],
    ['0602', 'Cease/Administrative Shutdown'],
    ['0602ff41', 'Cease/Administrative Shutdown'],
    ['060205411b5b3242', 'Cease/Administrative Shutdown "A?[2B"'],
  ])('reads %s as "%s"', (body, text) => {
    expect(decodeNotification(hex(body)).text).toBe(text);
  });
});

describe('BgpError', () => {
  it('says in words what it is', () => {
    const error = new BgpError(2, 2, 'AS 65003, configured is 65001');
    expect(error.message).toBe('OPEN Message Error/Bad Peer AS: AS 65003, configured is 65001');
    expect(notificationText(2, 2)).toBe('OPEN Message Error/Bad Peer AS');
  });
});
