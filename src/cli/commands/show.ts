// `nearhop show …`: asks a running gateway for one of its tables. A row of SHOW is a command: the request, its options, the
// text for people.

import { Command, Option } from 'commander';
import type { Answers, Params, RequestName } from '../../gateway/api.ts';
import type { Context } from '../context.ts';
import { formatBgp, formatNetworks, formatRoutes, formatVms } from '../show-control.ts';
import { formatCounters, formatFdb, formatFib, formatNeighbors, formatPorts } from '../show-dataplane.ts';
import type { Style } from '../style.ts';
import { askGateway, integer, outputOf, withGateway } from './common.ts';

type ShowName = Extract<RequestName, `show.${string}`>;

interface Show<R extends ShowName> {
  readonly text: string;
  /** Positional argument, for commander: `[network]`; becomes the parameter of that name. */
  readonly argument?: readonly [name: string, text: string];
  readonly options?: readonly Option[];
  readonly format: (data: Answers[R], style: Style) => string;
}

const network = ['network', 'only this network'] as const;

const SHOW: { readonly [R in ShowName]: Show<R> } = {
  'show.ports': { text: 'ports and their counters', format: formatPorts },
  'show.networks': { text: 'extended networks', argument: network, format: formatNetworks },
  'show.vms': { text: 'VMs, their state and host routes', argument: network, format: formatVms },
  'show.routes': {
    text: 'routes of all sources (RIB)',
    argument: ['prefix', 'address (longest match), or prefix (it and more specific ones)'],
    options: [
      new Option('--source <source>', 'only routes of this source').choices([
        'connected',
        'static',
        'mobility',
        'bgp',
      ]),
    ],
    format: formatRoutes,
  },
  'show.fib': {
    text: 'routes that the data plane uses (FIB)',
    argument: ['address', 'the entry for this destination'],
    options: [new Option('--limit <n>', 'most entries').argParser(integer(1, 10_000_000)).default(1000)],
    format: formatFib,
  },
  'show.fdb': { text: 'MAC addresses and where they are', argument: network, format: formatFdb },
  'show.neighbors': { text: 'ARP entries', format: formatNeighbors },
  'show.counters': {
    text: 'totals, reasons and interfaces',
    options: [new Option('--all', 'also what is 0')],
    format: formatCounters,
  },
  'show.bgp': {
    text: 'BGP neighbors',
    options: [new Option('--routes', 'also what each neighbor sent and got')],
    format: formatBgp,
  },
};

export function registerShow(program: Command, context: Context): void {
  const show = program.command('show').description('tables of a running gateway');
  for (const request of Object.keys(SHOW) as ShowName[]) addOne(show, request, context);
}

/** The row of SHOW that belongs to the very request. */
const addOne = <R extends ShowName>(parent: Command, request: R, context: Context): void =>
  addShow(parent, request, SHOW[request], request.slice('show.'.length), context);

/** Adds one command that asks `request` and shows the answer. */
function addShow<R extends ShowName>(
  parent: Command,
  request: R,
  spec: Show<R>,
  name: string,
  context: Context,
): void {
  const command = withGateway(new Command(name).description(spec.text));
  for (const option of spec.options ?? []) command.addOption(option);
  if (spec.argument !== undefined) command.argument(`[${spec.argument[0]}]`, spec.argument[1]);
  command.action(async () => {
    const { json: _json, gateway: _gateway, socket: _socket, ...options } = command.opts();
    const argument = command.args[0];
    const params =
      spec.argument === undefined || argument === undefined
        ? options
        : { ...options, [spec.argument[0]]: argument };
    const output = outputOf(command, context);
    // every name above is a parameter of this request; the gateway checks them again
    const { data, warnings } = await askGateway(command, request, params as Params<R>);
    output.answer(data, () => spec.format(data, output.style), warnings);
  });
  parent.addCommand(command);
}

/** `show vms` under another name. */
export const addVmList = (parent: Command, context: Context): void =>
  addShow(parent, 'show.vms', SHOW['show.vms'], 'ls', context);
