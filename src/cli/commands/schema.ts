// `nearhop schema`: the JSON Schema of config files, for editors. Always JSON, so --json changes only the wrapping.

import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { outputOf, withJson } from './common.ts';

export function registerSchema(program: Command, context: Context): void {
  withJson(program.command('schema').description('print the JSON Schema of config files')).action(
    async (_options: unknown, command: Command) => {
      const { configJsonSchema } = await import('../../config/schema.ts');
      const schema = configJsonSchema();
      outputOf(command, context).answer(schema, () => JSON.stringify(schema, null, 2));
    },
  );
}
