/** `pen-decap`, the program for servers behind tunnels: puts the decapsulating program on an interface, and looks after it. */
import { type IpWords, isV4 } from '../core/address.js';
import { Decap, type DecapSets } from '../dsr/decap/decap.js';
import { SystemError } from '../sys/errno.js';
import { interfaceIndex } from '../sys/network-interface.js';
import { ownAddresses as hostAddresses } from '../sys/own-address.js';
import { DECAP_USAGE, type DecapArguments, listOf, parseDecapArguments } from './decap-arguments.js';
import { lineOf, StartError, statusOf } from './errors.js';
import { heedOutput } from './standard-output.js';
import { version } from './version.js';

/** Between two looks at the addresses, which may come and go. */
const LOOK_MS = 1000;

/** Runs the program; returns once it is attached, or has done what was asked. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    const options = parseDecapArguments(argv);
    heedOutput('pen-decap', options.action === 'run' ? 'go on' : 'end');
    if (options.action === 'help') process.stdout.write(DECAP_USAGE);
    else if (options.action === 'version') process.stdout.write(`pen-decap ${version()}\n`);
    else run(options);
  } catch (failure) {
    process.stderr.write(`pen-decap: ${lineOf(failure)}\n`);
    process.exitCode = statusOf(failure);
  }
}

function run(options: DecapArguments): void {
  const { action, interfaceName, mode } = options;
  if (process.platform !== 'linux') throw new StartError(`cannot decapsulate on ${process.platform}: XDP is Linux`);
  requireInterface(interfaceName);
  const sets = setsOf(options);
  if (sets.vips.length === 0)
    throw new StartError('no VIP: none on lo (ip address add VIP/32 dev lo, or name one with --vip)');
  const decap = new Decap(sets);
  const who = `${sets.vips.length === 1 ? 'VIP' : 'VIPs'} ${listOf(sets.vips)} from ${sets.sources ? listOf(sets.sources) : 'anybody'}`;
  if (action === 'check') {
    decap.close();
    const missing = options.vips.filter((vip) => !isHere(vip));
    if (missing.length > 0)
      throw new StartError(`not an address of this host: ${listOf(missing)} (ip address add VIP/32 dev lo)`);
    process.stdout.write(`good: ${who}, at ${listOf(sets.own)}\n`);
    return;
  }
  try {
    const attached = decap.attach(interfaceName, mode);
    process.stdout.write(`decapsulating on ${interfaceName} in ${attached} mode: ${who}\n`);
  } catch (error) {
    decap.close();
    throw error;
  }
  lookAfter(decap, options);
}

function lookAfter(decap: Decap, options: DecapArguments): void {
  const end = (failure?: unknown) => {
    clearInterval(timer);
    if (failure === undefined) print(decap);
    else process.stderr.write(`pen-decap: ${lineOf(failure)}\n`);
    decap.close();
    process.exit(failure === undefined ? 0 : 1);
  };
  const timer = setInterval(() => {
    try {
      if (!decap.isAttached)
        throw new StartError(
          `the interface '${options.interfaceName}' has gone, or the program was taken off it (start pen-decap again)`,
        );
      decap.update(setsOf(options));
    } catch (failure) {
      end(failure);
    }
  }, LOOK_MS);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end());
  process.on('SIGUSR1', () => print(decap));
}

function print(decap: Decap): void {
  const counts = Object.entries(decap.counts()).map(([name, count]) => `${name} ${count}`);
  process.stdout.write(`packets ${counts.join(' ')}\n`);
}

/** As things are now: any address of this host may be a tunnel's end. */
function setsOf({ vips, from }: DecapArguments): DecapSets {
  return {
    own: ownAddresses(),
    vips: vips.length > 0 ? vips : ownAddresses('lo'),
    sources: from.length > 0 ? from : undefined,
  };
}

/** Of an interface or all, without those that every host has. */
function ownAddresses(interfaceName?: string): IpWords[] {
  return hostAddresses(interfaceName).filter((words) => !isLoopback(words));
}

function isHere(vip: IpWords): boolean {
  return ownAddresses().some((own) => `${own}` === `${vip}`);
}

function isLoopback(words: IpWords): boolean {
  return isV4(words) ? words[3] >>> 24 === 127 : `${words}` === '0,0,0,1';
}

function requireInterface(name: string): void {
  try {
    interfaceIndex(name);
  } catch (failure) {
    if (failure instanceof SystemError && failure.code === 'ENODEV')
      throw new StartError(`no such interface: '${name}'`, { cause: failure });
    throw failure;
  }
}
