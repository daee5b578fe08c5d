// `nearhop vm …`: the inventory of VMs, and what happened to them.

import { type Command, Option } from 'commander';
import type { Answers, Params, RequestName, VmRow } from '../../gateway/api.ts';
import { MIGRATE_KINDS, type MigrateKind } from '../../mobility/vm.ts';
import type { Context } from '../context.ts';
import { formatVms } from '../show-control.ts';
import { askGateway, outputOf, withGateway } from './common.ts';
import { addVmList } from './show.ts';

const KIND_TEXT = `what happened:
  bulk         moved by a bulk migration: booted at the target, uses the target gateway at once (S18)
  dr           recovered at the target after a disaster, as bulk (S5)
  vmotion      moved live: stays on the source gateway until its power cycle (S19)
  power-cycle  was off and is on again: switches to the target gateway (S19)
  reverse      moved back to the source: its host routes are withdrawn first`;

export function registerVm(program: Command, context: Context): void {
  const vm = program.command('vm').description('VMs of a running gateway');
  addVmList(vm, context);

  withGateway(
    vm.command('add').description('add a VM to the inventory').argument('<name>', 'name of the VM, unique'),
  )
    .requiredOption('--network <name>', 'extended network that it is in')
    .requiredOption('--mac <mac>', 'its MAC address')
    .option('--ip <address...>', 'its IPv4 addresses, as far as they are known')
    .addOption(new Option('--location <site>', 'site where it runs').choices(['source', 'target']))
    .addOption(
      new Option('--vm-gateway <site>', 'gateway of a VM at the target').choices(['source', 'target']),
    )
    .action((name: string, o: AddOptions, command: Command) =>
      tell(command, context, 'vm.add', {
        name,
        network: o.network,
        mac: o.mac,
        addresses: o.ip,
        location: o.location,
        gateway: o.vmGateway,
      }),
    );

  withGateway(vm.command('migrate').description('say what happened to a VM'))
    .argument('<name>', 'name of the VM')
    .argument('<kind>', `one of: ${MIGRATE_KINDS.join(', ')}`)
    .addHelpText('after', `\nKind is ${KIND_TEXT}`)
    .action((name: string, kind: string, _options: unknown, command: Command) => {
      if (!isMigrateKind(kind)) {
        command.error(`error: '${kind}' is no kind of migration. Kinds: ${MIGRATE_KINDS.join(', ')}`);
      }
      return tell(command, context, 'vm.migrate', { vm: name, kind });
    });

  withGateway(vm.command('set-ip').description('report the addresses of a VM'))
    .argument('<name>', 'name of the VM')
    .argument('[address...]', 'its IPv4 addresses; none says that the report is lost')
    .action((name: string, addresses: string[], _options: unknown, command: Command) =>
      tell(command, context, 'vm.set-ip', { vm: name, addresses }),
    );

  withGateway(
    vm.command('mark-learned').description("say that the VM's /32 was seen in the source's own table"),
  )
    .argument('<name>', 'name of the VM')
    .action((name: string, _options: unknown, command: Command) =>
      tell(command, context, 'vm.mark-learned', { vm: name }),
    );

  withGateway(vm.command('remove').description('take a VM out of the inventory, its routes first'))
    .argument('<name>', 'name of the VM')
    .action(async (name: string, _options: unknown, command: Command) => {
      const { data, warnings } = await askGateway(command, 'vm.remove', { vm: name });
      outputOf(command, context).answer(data, () => `removed ${data.removed}`, warnings);
    });
}

interface AddOptions {
  readonly network: string;
  readonly mac: string;
  readonly ip?: string[];
  readonly location?: string;
  readonly vmGateway?: string;
}

type VmRequest = { [R in RequestName]: Answers[R] extends VmRow ? R : never }[RequestName];

const isMigrateKind = (word: string): word is MigrateKind =>
  (MIGRATE_KINDS as readonly string[]).includes(word);

/** Sends a request that answers with the VM as it is afterwards. */
async function tell<R extends VmRequest>(
  command: Command,
  context: Context,
  request: R,
  params: Params<R>,
): Promise<void> {
  const output = outputOf(command, context);
  const { data, warnings } = await askGateway(command, request, params);
  output.answer(data, () => formatVms([data as VmRow], output.style), warnings);
}
