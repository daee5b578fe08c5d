// What commands share: their options, and the way from an action to the output.

import { type Command, InvalidArgumentError } from 'commander';
import { NearhopError } from '../../base/errors.ts';
import type { Params, RequestName } from '../../gateway/api.ts';
import { type Answer, type AskOptions, ask } from '../../gateway/control-client.ts';
import { defaultSocketPath, gatewayNames } from '../../gateway/socket-path.ts';
import type { Context } from '../context.ts';
import { Output, UsageError } from '../output.ts';

export interface CommonOptions {
  readonly json?: boolean;
}

export interface GatewayOptions extends CommonOptions {
  readonly socket?: string;
  readonly gateway?: string;
}

/** Adds --json. */
export const withJson = (command: Command): Command => command.option('--json', 'print one JSON envelope');

/** Adds the options of a command that talks to a running gateway. */
export const withGateway = (command: Command): Command =>
  withJson(command)
    .option('-g, --gateway <name>', 'name of the gateway; not needed while only one runs')
    .option('--socket <path>', 'path of its control socket');

/** The command's full name without the program: `show routes`. */
export function nameOf(command: Command): string {
  const words: string[] = [];
  for (let c: Command | null = command; c?.parent; c = c.parent) words.unshift(c.name());
  return words.join(' ');
}

export const outputOf = (command: Command, context: Context): Output =>
  new Output(context.io, nameOf(command), command.opts<CommonOptions>().json === true);

/** The socket that the options mean. Throws a usage error when that is not exactly one. */
export function socketOf(options: GatewayOptions): string {
  if (options.socket !== undefined) return options.socket;
  if (options.gateway !== undefined) return defaultSocketPath(options.gateway);
  const names = gatewayNames();
  if (names.length === 1) return defaultSocketPath(names[0]);
  if (names.length > 1) {
    throw new UsageError('gateway-ambiguous', `several gateways have a socket: ${names.join(', ')}`, {
      hint: `name one: -g ${names[0]}`,
    });
  }
  throw new NearhopError('gateway-not-running', 'no gateway has a control socket in the usual place', {
    hint: 'start one with `nearhop run -c FILE`, or name its socket with --socket PATH',
  });
}

/** Asks the gateway that the command's options mean. */
export const askGateway = <R extends RequestName>(
  command: Command,
  request: R,
  params: Params<R>,
  options: AskOptions<R> = {},
): Promise<Answer<R>> => ask(socketOf(command.opts<GatewayOptions>()), request, params, options);

/** An option's whole number from `min` to `max`. */
export const integer =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It is a whole number from ${min} to ${max}.`);
    }
    return value;
  };
