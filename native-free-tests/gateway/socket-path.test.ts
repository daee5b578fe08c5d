import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultSocketPath, gatewayNames, socketDirectory } from '../../src/gateway/socket-path.ts';

describe('socketDirectory', () => {
  it.each([
    ['root', {}, 0, '/run/nearhop'],
    ['root, whatever the environment says', { XDG_RUNTIME_DIR: '/run/user/0' }, 0, '/run/nearhop'],
    ['a user', { XDG_RUNTIME_DIR: '/run/user/1000' }, 1000, '/run/user/1000/nearhop'],
    ['a user without runtime directory', {}, 1000, join(tmpdir(), 'nearhop-1000')],
    ['a user with a relative one', { XDG_RUNTIME_DIR: 'x' }, 1000, join(tmpdir(), 'nearhop-1000')],
  ])('for %s', (_who, env, uid, directory) => {
    expect(socketDirectory(env, uid)).toBe(directory);
  });
});

describe('gatewayNames', () => {
  it('lists the sockets of a directory, and nothing for one that is not there', () => {
    const directory = mkdtempSync(join(tmpdir(), 'nearhop-names-'));
    for (const name of ['b', 'a']) writeFileSync(defaultSocketPath(name, directory), '');
    writeFileSync(join(directory, 'note.txt'), '');
    expect(gatewayNames(directory)).toEqual(['a', 'b']);
    rmSync(directory, { recursive: true });
    expect(gatewayNames(directory)).toEqual([]);
  });
});
