/** `penlog HOST PORT [MY_ADDRESS]`: the lines of standard input, such as a web server's log, go to penlogd. */
import { resolveHost, resolvePort } from '../control/resolve.js';
import { type IpWords, ipEndpoint, isV4, parseIp, splitHostPort } from '../core/address.js';
import { DatagramSink } from '../weblog/datagram-sink.js';
import { sendLines } from '../weblog/line-sender.js';
import { StartError, UsageError } from './errors.js';
import type { ShortOptions } from './short-options.js';
import { runSmallProgram } from './small-program.js';

const USAGE = `usage: penlog HOST PORT [MY_ADDRESS]
       penlog HOST:PORT [MY_ADDRESS]

Sends each line of standard input to penlogd, as a datagram. MY_ADDRESS is the
address to send from: penlogd knows a web server by it, so it must be the one
that pen has for this server.
`;

export function main(argv: readonly string[]): Promise<void> {
  return runSmallProgram({ name: 'penlog', usage: USAGE, flags: '', run }, argv);
}

async function run({ operands }: ShortOptions): Promise<void> {
  const { host, port, from } = readOperands(operands);
  const to = ipEndpoint(await resolveHost(host), await resolvePort(port));
  const source = from === undefined ? undefined : sourceAddress(from, to.address);
  const sink = await DatagramSink.open(to, source).catch((error: NodeJS.ErrnoException) => {
    throw new StartError(`cannot send to '${host}' port ${port}: ${error.code ?? error.message}`);
  });
  await sendLines(process.stdin, sink, { warn: (line) => void process.stderr.write(`penlog: ${line}\n`) });
}

function readOperands(operands: readonly string[]): { host: string; port: string; from: string | undefined } {
  const [first, second, third] = operands;
  if (first === undefined || operands.length > 3) throw new UsageError(USAGE.split('\n')[0]);
  // `penlog lbhost:10000`, as C Pen's manual has it though C Pen does not take it; an IPv6 address has colons too.
  const joined = parseIp(first) ? undefined : splitHostPort(first);
  if (joined?.host !== undefined && joined.port !== undefined && operands.length < 3) {
    return { host: joined.host, port: joined.port, from: second };
  }
  if (second === undefined) throw new UsageError(USAGE.split('\n')[0]);
  return { host: first, port: second, from: third };
}

function sourceAddress(text: string, to: IpWords): IpWords {
  const words = parseIp(text);
  if (words === undefined) throw new UsageError(`'${text}' is no address`);
  if (isV4(words) !== isV4(to)) throw new UsageError(`'${text}' is not of the same family as the address of penlogd`);
  return words;
}
