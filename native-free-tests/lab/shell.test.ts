import { describe, expect, it } from 'vitest';
import { must, run, splitWords, start } from '../../src/lab/shell.ts';

const node = (script: string): string[] => [process.execPath, '-e', script];

describe('splitWords', () => {
  it.each([
    ['ip link set eth1 up', ['ip', 'link', 'set', 'eth1', 'up']],
    ['  a \t b  ', ['a', 'b']],
    [`sh -c "ip link; ip addr"`, ['sh', '-c', 'ip link; ip addr']],
    [`sh -c 'echo "x y"'`, ['sh', '-c', 'echo "x y"']],
    [`a"b c"d`, ['ab cd']],
    [`x '' ""`, ['x', '', '']],
    ['', []],
  ])('splits %j', (line, words) => {
    expect(splitWords(line)).toEqual(words);
  });
});

describe('run', () => {
  it('gives exit code, stdout and stderr', async () => {
    expect(await run(node('console.log(1); console.error(2); process.exitCode = 3'))).toEqual({
      status: 3,
      stdout: '1\n',
      stderr: '2\n',
    });
  });

  it('rejects with the name of a program that is not there', async () => {
    await expect(run(['no-such-program-of-ours'])).rejects.toMatchObject({
      code: 'program-missing',
      message: expect.stringContaining('no-such-program-of-ours'),
    });
  });

  it('kills what takes too long', async () => {
    expect((await run(node('setTimeout(() => {}, 60000)'), { timeoutMs: 100 })).status).not.toBe(0);
  });

  it('ends the program when its signal is aborted', async () => {
    const controller = new AbortController();
    const ran = run(node('setTimeout(() => {}, 60000)'), { signal: controller.signal });
    controller.abort();
    expect((await ran).status).not.toBe(0);
  });
});

describe('must', () => {
  it('gives stdout', async () => {
    expect(await must(node('console.log(1)'))).toBe('1\n');
  });

  it('rejects with the command, the exit code and what it said', async () => {
    await expect(must(node('console.error("no way"); process.exitCode = 2'))).rejects.toMatchObject({
      code: 'lab-command-failed',
      message: expect.stringMatching(/exit 2: no way$/),
    });
  });
});

describe('start', () => {
  it('gives whole lines of both outputs, however they arrive', async () => {
    const lines: string[] = [];
    const write =
      'process.stdout.write("a"); process.stderr.write("x\\n"); setTimeout(() => console.log("b"), 50)';
    const child = start(node(write), (line) => lines.push(line));
    await new Promise((resolve) => child.once('close', resolve));
    expect(lines.sort()).toEqual(['ab', 'x']);
  });
});
