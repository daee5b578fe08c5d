// `nearhop lab run` around a lab that answers as told: exit codes, the envelope, and that the lab is taken down whatever
// happened.

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { nearhop } from '../cli/run-cli.ts';
import { type Answers, FakeDriver, goodAnswers } from './fake-driver.ts';

let answers: Answers;
let driver: FakeDriver;

vi.mock('../../src/lab/in-process-driver.ts', () => ({ createInProcessDriver: () => driver }));

beforeEach(() => {
  answers = goodAnswers();
  driver = new FakeDriver(answers);
});

const RUN = ['lab', 'run', new URL('../../lab/esg', import.meta.url).pathname, '--in-process'];

describe('nearhop lab run', () => {
  it('exits with 0 when all claims held, and prints the report as it goes', async () => {
    const { code, stdout, stderr } = await nearhop(RUN);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^building lab esg …\nlab esg: fake\n/);
    expect(stdout).toMatch(/31 of 31 claims held, [\d.]+ s \(fake\)\n$/);
    expect(code).toBe(0);
  });

  it('exits with 1 when one did not', async () => {
    answers.hostRoutes[2].has = false;
    const { code, stdout } = await nearhop(RUN);
    expect(stdout).toContain('✗ S17');
    expect(stdout).toContain('30 of 31 claims held');
    expect(code).toBe(1);
  });

  it('prints one envelope with --json and nothing else, in either case', async () => {
    answers.hostRoutes[2].has = false;
    const { code, stdout, stderr } = await nearhop([...RUN, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      nearhop: 1,
      command: 'lab run',
      ok: true,
      data: { lab: 'esg', claims: 31, held: 30 },
    });
    expect(stderr).toBe('');
    expect(code).toBe(1);
  });

  it('takes the lab down at the end, unless --keep', async () => {
    await nearhop(RUN);
    expect([driver.done[0], driver.done.at(-1)]).toEqual(['up', 'down']);
    driver = new FakeDriver(goodAnswers());
    await nearhop([...RUN, '--keep']);
    expect(driver.done).not.toContain('down');
  });

  it('takes the lab down after an error too, even with --keep', async () => {
    answers.pings.length = 3;
    const { code, stdout } = await nearhop([...RUN, '--keep', '--json']);
    expect(JSON.parse(stdout).ok).toBe(false);
    expect(code).toBe(1);
    expect(driver.done.at(-1)).toBe('down');
  });

  it('takes the lab down when it is interrupted, and says so', async () => {
    driver.setProximity = async () => {
      process.emit('SIGINT');
    };
    const { code, stdout } = await nearhop([...RUN, '--json']);
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'lab-interrupted' });
    expect(code).toBe(1);
    expect(driver.done.at(-1)).toBe('down');
    expect(answers.pings).toHaveLength(13); // it went no further
  });

  it('is an error with a hint for a folder that holds no lab', async () => {
    const { code, stderr } = await nearhop(['lab', 'run', '/nowhere']);
    expect(stderr).toMatch(/there is no \/nowhere\/nowhere\.clab\.yml \[lab-missing\]\nhint: /);
    expect(code).toBe(1);
  });
});
