/** UDP actors: clients that ask, servers that answer, die and come back on the same port. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { atEnd, type Scene } from './ending.js';
import { TIMEOUT_MS, until } from './wait.js';

export interface DatagramServer {
  readonly port: number;
  readonly address: string;
  /** Datagrams that have come so far, and who sent each (`address port`). */
  count(): number;
  readonly senders: string[];
  /** What they said. */
  readonly questions: string[];
  kill(): Promise<void>;
  revive(): Promise<void>;
}

export interface DatagramServerScript {
  /** A host, 127.0.0.1 unless given. */
  readonly on?: string;
  readonly port?: number;
  /** The answers to a datagram; unless given it comes back as it is. */
  readonly answer?: (question: Buffer) => readonly (Buffer | string)[];
}

export async function datagramServer(t: Scene, script: DatagramServerScript = {}): Promise<DatagramServer> {
  const host = script.on ?? '127.0.0.1';
  const answer = script.answer ?? ((question: Buffer) => [question]);
  const senders: string[] = [];
  const questions: string[] = [];
  let socket: Socket | undefined;
  let port = script.port ?? 0;

  const revive = async () => {
    socket = await until('the port is free', () => bound(port, host));
    socket.on('message', (question, from) => {
      senders.push(`${from.address} ${from.port}`);
      questions.push(question.toString('latin1', 0, 32));
      for (const bytes of answer(question)) socket?.send(bytes, from.port, from.address);
    });
    port = socket.address().port;
  };
  const kill = async () => {
    const dying = socket;
    socket = undefined;
    if (dying) await new Promise<void>((resolve) => dying.close(resolve));
  };
  await revive();
  atEnd(t, kill);
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return { port, address, count: () => senders.length, senders, questions, kill, revive };
}

export interface DatagramClient {
  readonly port: number;
  readonly heard: { readonly bytes: Buffer; readonly from: RemoteInfo }[];
  send(bytes: Uint8Array | string, to?: string): void;
  /** The next answer; throws if none comes. */
  hear(): Promise<Buffer>;
  /** What `bytes` is answered with, as text; `nothing` if nothing comes for `patienceMs`. */
  ask(bytes: Uint8Array | string, patienceMs?: number): Promise<string>;
  close(): void;
}

/** A client of the balancer at `port`, from an address and port of its own. */
export async function datagramClient(t: Scene, port: number, from = '127.0.0.1'): Promise<DatagramClient> {
  const socket = open(from);
  const heard: { bytes: Buffer; from: RemoteInfo }[] = [];
  let isOpen = true;
  const close = () => {
    if (isOpen) socket.close();
    isOpen = false;
  };
  socket.on('message', (bytes, sender) => heard.push({ bytes, from: sender }));
  socket.bind(0, from);
  await once(socket, 'listening');
  atEnd(t, async () => close());
  const host = from.includes(':') ? '::1' : '127.0.0.1';
  const send = (bytes: Uint8Array | string, to = host) => socket.send(bytes, port, to);
  return {
    port: socket.address().port,
    heard,
    send,
    async hear() {
      await until('an answer', () => heard.length > 0);
      return (heard.shift() as { bytes: Buffer }).bytes;
    },
    async ask(bytes, patienceMs = TIMEOUT_MS) {
      heard.length = 0;
      send(bytes);
      await until('an answer', () => heard.length > 0, patienceMs).catch(() => {});
      return heard.shift()?.bytes.toString() ?? 'nothing';
    },
    close,
  };
}

/** While a server was away somebody who asks another may have been given its port: undefined until he has ended. */
async function bound(port: number, host: string): Promise<Socket | undefined> {
  const socket = open(host);
  try {
    socket.bind(port, host);
    await once(socket, 'listening');
    return socket;
  } catch (error) {
    socket.close();
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return undefined;
  }
}

function open(host: string): Socket {
  const type = host.includes(':') ? 'udp6' : 'udp4';
  const socket = createSocket({ type, recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
  return socket.on('error', () => {});
}
