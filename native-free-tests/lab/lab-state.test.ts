// Who owns a lab, by the process table alone. That the state survives and is found again is tested in lab/tests, as root.

import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { createLabState, leftBehind, ownerAlive, processStart } from '../../src/lab/lab-state.ts';

describe('processStart', () => {
  it('is the same whenever it is asked, and empty for a process that is not there', () => {
    expect(processStart(process.pid)).toMatch(/^\d+$/);
    expect(processStart(process.pid)).toBe(processStart(process.pid));
    expect(processStart(2 ** 22 + 1)).toBe('');
  });
});

describe('ownerAlive', () => {
  it('is true while the process runs that made the state', () => {
    expect(ownerAlive(createLabState('x', '/x.clab.yml'))).toBe(true);
  });

  it('is false when the process has ended', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const pid = child.pid ?? 0;
    const state = { ...createLabState('x', '/x.clab.yml'), pid, pidStart: processStart(pid) };
    expect(ownerAlive(state)).toBe(true);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    expect(ownerAlive(state)).toBe(false);
  });

  it('is false for a later process with the same pid', () => {
    expect(ownerAlive({ ...createLabState('x', '/x.clab.yml'), pidStart: '1' })).toBe(false);
  });
});

describe('leftBehind', () => {
  const mine = createLabState('x', '/x.clab.yml');
  const dead = { ...mine, pidStart: '1' };

  it.each([
    ['building', mine, false],
    ['running', mine, false],
    ['building', dead, true],
    ['running', dead, true],
    ['up', dead, false],
  ] as const)('of a lab that is %s', (phase, state, expected) => {
    expect(leftBehind({ ...state, phase })).toBe(expected);
  });
});
