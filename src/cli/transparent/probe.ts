/** Connects to a server, from this host's own address and from a client's, to see whether the answer comes back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { formatIp, type IpEndpoint, type IpWords, parseIp } from '../../core/address.js';
import { ERRNO, errnoName } from '../../sys/errno.js';
import { StreamSockets } from '../../sys/stream-socket.js';
import { SOCK_NONBLOCK } from '../../sys/uapi/socket.js';
import type { Probe } from './diagnosis.js';
import { reversePathDrops } from './linux-host.js';
import type { Run } from './tools.js';

/** Addresses that belong to nobody (RFC 5737, RFC 3849): a server answers them by its default route, like any client. */
const STRANGERS = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;
/** A SYN that was lost is sent again after a second. */
const PATIENCE_MS = 2500;
const LOOK_AGAIN_MS = 5;

let sockets: StreamSockets | undefined;

/** Both attempts; `client` is the address of a client to try, somebody who does not exist unless given. */
export async function probeServer(run: Run, server: IpEndpoint, client?: IpWords): Promise<Probe> {
  const address = client ?? (parseIp(STRANGERS[server.family]) as IpWords);
  const { isLocal, gateway } = await wayTo(run, server);
  const base = { server, client: formatIp(address), isLocal, gateway };
  if (isLocal) return { ...base, own: 'silent', asClient: 'silent', filtered: 0 };
  const own = await connect(server, undefined);
  if (own !== 'answered') return { ...base, own, asClient: 'silent', filtered: 0 };
  const before = reversePathDrops();
  const asClient = await connect(server, address);
  return { ...base, own, asClient, filtered: reversePathDrops() - before };
}

async function wayTo(run: Run, server: IpEndpoint): Promise<{ isLocal: boolean; gateway: string | undefined }> {
  const { stdout } = await run('ip', ['-N', '-j', 'route', 'get', formatIp(server.address)]);
  try {
    const [route] = JSON.parse(stdout) as { type?: string; dev?: string; prefsrc?: string }[];
    // RTN_LOCAL of <linux/rtnetlink.h>, by name in some versions of ip.
    return { isLocal: ['2', 'local'].includes(route?.type ?? '') || route?.dev === 'lo', gateway: route?.prefsrc };
  } catch {
    return { isLocal: false, gateway: undefined };
  }
}

/** A refusal is an answer too: the way there and back is what counts. */
async function connect(server: IpEndpoint, from: IpWords | undefined): Promise<Probe['own']> {
  sockets ??= new StreamSockets();
  const target = sockets.sockaddr(server);
  const fd = sockets.create(target.family, SOCK_NONBLOCK);
  if (fd < 0) return errnoName(fd);
  try {
    if (from !== undefined) {
      const source = { kind: 'foreign', words: Int32Array.from(from), port: 0 } as const;
      const bound = sockets.bindSource(fd, target.family, source);
      if (bound < 0) return errnoName(bound);
    }
    let result = sockets.connectNow(fd, target);
    const peer = new Int32Array(4);
    for (const deadline = performance.now() + PATIENCE_MS; result === -ERRNO.EINPROGRESS; ) {
      await sleep(LOOK_AGAIN_MS);
      const failure = sockets.pendingError(fd);
      if (failure < 0) result = failure;
      else if (sockets.peer(fd, peer) >= 0) result = 0;
      else if (performance.now() > deadline) return 'silent';
    }
    if (result === 0 || result === -ERRNO.ECONNREFUSED) return 'answered';
    return result === -ERRNO.ETIMEDOUT ? 'silent' : errnoName(result);
  } finally {
    // A reset: the server's log need not wonder about a client that says nothing.
    sockets.setResetOnClose(fd);
    sockets.close(fd);
  }
}
