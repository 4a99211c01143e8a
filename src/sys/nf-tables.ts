/**
 * Packet filters of the kernel by netlink, without the nft program: what is asked for is put together here, as plain
 * values, and committed by a socket whose tables end with it, by whatever kind of death. Linux 5.12, CAP_NET_ADMIN.
 */
import { SystemError } from './errno.js';
import { type Attribute, encodeMessages, type NetlinkMessage, NetlinkSocket } from './netlink.js';
import * as netlink from './uapi/netlink.js';
import * as uapi from './uapi/nf-tables.js';

/** Something to be made or changed. */
export type NftMessage = Pick<NetlinkMessage, 'type' | 'flags'> & { readonly attributes: readonly Attribute[] };

/** Part of a rule; one that does not hold ends it. */
export type Expression = readonly [name: string, data: readonly Attribute[]];

const MADE = netlink.NLM_F_CREATE | netlink.NLM_F_EXCL;
/** What `NftSocket` sends at most in one go; a socket's buffer has some 200 KB unless somebody has changed that. */
const MOST_BYTES = 1 << 16;
const ACTION = 'change the packet filter';

/** A table that goes with the socket that makes it, and that nobody else may change. */
export function ownedTable(table: string): NftMessage {
  return {
    type: uapi.NFT_MSG_NEWTABLE,
    flags: MADE,
    attributes: [
      [uapi.NFTA_TABLE_NAME, text(table)],
      [uapi.NFTA_TABLE_FLAGS, number(uapi.NFT_TABLE_F_OWNER)],
    ],
  };
}

export interface Chain {
  readonly table: string;
  readonly name: string;
}

/** What comes in at an interface goes through the chain, behind packet sockets that hear every type, and passes unless dropped. */
export function ingressChain({ table, name }: Chain, interfaceName: string, priority: number): NftMessage {
  return {
    type: uapi.NFT_MSG_NEWCHAIN,
    flags: MADE,
    attributes: [
      [uapi.NFTA_CHAIN_TABLE, text(table)],
      [uapi.NFTA_CHAIN_NAME, text(name)],
      [
        uapi.NFTA_CHAIN_HOOK,
        [
          [uapi.NFTA_HOOK_HOOKNUM, number(uapi.NF_NETDEV_INGRESS)],
          [uapi.NFTA_HOOK_PRIORITY, number(priority)],
          [uapi.NFTA_HOOK_DEV, text(interfaceName)],
        ],
      ],
      [uapi.NFTA_CHAIN_POLICY, number(uapi.NF_ACCEPT)],
      [uapi.NFTA_CHAIN_TYPE, text('filter')],
    ],
  };
}

/** A rule at the end of a chain. */
export function rule({ table, name }: Chain, expressions: readonly Expression[]): NftMessage {
  return {
    type: uapi.NFT_MSG_NEWRULE,
    flags: netlink.NLM_F_CREATE | netlink.NLM_F_APPEND,
    attributes: [
      [uapi.NFTA_RULE_TABLE, text(table)],
      [uapi.NFTA_RULE_CHAIN, text(name)],
      [uapi.NFTA_RULE_EXPRESSIONS, expressions.map((each) => [uapi.NFTA_LIST_ELEM, expressionOf(each)])],
    ],
  };
}

export interface KeySet {
  readonly table: string;
  readonly name: string;
  readonly key: keyof typeof uapi.NFT_KEY_TYPE;
  readonly keyBytes: number;
}

/** A set of whole keys, which a rule finds at once however many there are. `id`: no other set of the same commit has it. */
export function keySet({ table, name, key, keyBytes }: KeySet, id: number): NftMessage {
  return {
    type: uapi.NFT_MSG_NEWSET,
    flags: MADE,
    attributes: [
      [uapi.NFTA_SET_TABLE, text(table)],
      [uapi.NFTA_SET_NAME, text(name)],
      [uapi.NFTA_SET_FLAGS, number(0)],
      [uapi.NFTA_SET_KEY_TYPE, number(uapi.NFT_KEY_TYPE[key])],
      [uapi.NFTA_SET_KEY_LEN, number(keyBytes)],
      [uapi.NFTA_SET_ID, number(id)],
    ],
  };
}

/** Keys that are there already are no error. */
export function addKeys(set: Pick<KeySet, 'table' | 'name'>, keys: readonly Uint8Array[]): NftMessage {
  return { type: uapi.NFT_MSG_NEWSETELEM, flags: netlink.NLM_F_CREATE, attributes: elements(set, keys) };
}

/** Keys that are not there are an error (ENOENT). */
export function removeKeys(set: Pick<KeySet, 'table' | 'name'>, keys: readonly Uint8Array[]): NftMessage {
  return { type: uapi.NFT_MSG_DELSETELEM, flags: 0, attributes: elements(set, keys) };
}

/** Takes bytes of the packet's network header on, where `is`, `isNot`, `masked` and `isIn` find them. */
export function loadNetwork(offset: number, bytes: number): Expression {
  return [
    'payload',
    [
      [uapi.NFTA_PAYLOAD_DREG, number(uapi.NFT_REG_1)],
      [uapi.NFTA_PAYLOAD_BASE, number(uapi.NFT_PAYLOAD_NETWORK_HEADER)],
      [uapi.NFTA_PAYLOAD_OFFSET, number(offset)],
      [uapi.NFTA_PAYLOAD_LEN, number(bytes)],
    ],
  ];
}

/** The same of what the kernel knows of the packet: NFT_META_PROTOCOL, NFT_META_PKTTYPE. */
export function loadMeta(key: number): Expression {
  return [
    'meta',
    [
      [uapi.NFTA_META_DREG, number(uapi.NFT_REG_1)],
      [uapi.NFTA_META_KEY, number(key)],
    ],
  ];
}

export function is(value: Uint8Array): Expression {
  return compare(uapi.NFT_CMP_EQ, value);
}

export function isNot(value: Uint8Array): Expression {
  return compare(uapi.NFT_CMP_NEQ, value);
}

/** Leaves of what was loaded only these bits. */
export function masked(mask: Uint8Array): Expression {
  return [
    'bitwise',
    [
      [uapi.NFTA_BITWISE_SREG, number(uapi.NFT_REG_1)],
      [uapi.NFTA_BITWISE_DREG, number(uapi.NFT_REG_1)],
      [uapi.NFTA_BITWISE_LEN, number(mask.length)],
      [uapi.NFTA_BITWISE_MASK, value(mask)],
      [uapi.NFTA_BITWISE_XOR, value(new Uint8Array(mask.length))],
    ],
  ];
}

export function isIn(set: string): Expression {
  return [
    'lookup',
    [
      [uapi.NFTA_LOOKUP_SET, text(set)],
      [uapi.NFTA_LOOKUP_SREG, number(uapi.NFT_REG_1)],
    ],
  ];
}

/** NF_DROP, or NF_ACCEPT, which ends this chain only. */
export function verdict(code: number): Expression {
  return [
    'immediate',
    [
      [uapi.NFTA_IMMEDIATE_DREG, number(uapi.NFT_REG_VERDICT)],
      [uapi.NFTA_IMMEDIATE_DATA, [[uapi.NFTA_DATA_VERDICT, [[uapi.NFTA_VERDICT_CODE, number(code)]]]]],
    ],
  ];
}

/** All of it or, if anything fails, nothing: messages between a beginning and an end, the last of which is answered. */
export function encodeBatch(messages: readonly NftMessage[], firstSequence: number): Uint8Array {
  const mark = (type: number) => {
    const body = new Uint8Array(uapi.NFGENMSG.bytes);
    new DataView(body.buffer).setUint16(uapi.NFGENMSG.resourceBe, uapi.NFNL_SUBSYS_NFTABLES);
    return { type, flags: 0, body };
  };
  const body = new Uint8Array(uapi.NFGENMSG.bytes);
  body[uapi.NFGENMSG.family] = uapi.NFPROTO_NETDEV;
  const all = [
    mark(uapi.NFNL_MSG_BATCH_BEGIN),
    ...messages.map(({ type, flags, attributes }, i) => ({
      type: (uapi.NFNL_SUBSYS_NFTABLES << 8) | type,
      flags: i === messages.length - 1 ? flags | netlink.NLM_F_ACK : flags,
      body,
      attributes,
    })),
    mark(uapi.NFNL_MSG_BATCH_END),
  ];
  return encodeMessages(all.map((message, i) => ({ ...message, sequence: (firstSequence + i) >>> 0 })));
}

/** Has the tables that are made by it; the caller closes it, and they end. */
export class NftSocket {
  readonly #socket = new NetlinkSocket(netlink.NETLINK_NETFILTER, MOST_BYTES);
  /** No other socket of this kind has it in the network namespace. */
  readonly id: number;
  #sequence = 1;

  /** Throws a SystemError: EPROTONOSUPPORT. */
  constructor() {
    try {
      this.id = this.#socket.name();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Throws a SystemError if anything could not be done, and then nothing was; a RangeError beyond 64 KB. */
  commit(messages: readonly NftMessage[]): void {
    const first = this.#sequence;
    const bytes = encodeBatch(messages, first);
    if (bytes.length > MOST_BYTES)
      throw new RangeError(`a commit of ${bytes.length} bytes, ${MOST_BYTES} are the most`);
    this.#sequence = (first + messages.length + 2) >>> 0;
    this.#socket.send(bytes, ACTION);
    // Each message that failed has an answer, and the last has one in any case. The first to fail says why.
    for (const last = first + messages.length; ; ) {
      const answer = this.#socket.receive(ACTION);
      const sequence = answer.getUint32(netlink.NLMSGHDR.sequence, true);
      if (sequence < first || answer.getUint16(netlink.NLMSGHDR.type, true) !== netlink.NLMSG_ERROR) continue;
      const errno = -answer.getInt32(netlink.NLMSGHDR.bytes, true);
      if (errno !== 0) throw new SystemError(ACTION, errno);
      if (sequence === last) return;
    }
  }

  close(): void {
    this.#socket.close();
  }
}

function expressionOf([name, data]: Expression): readonly Attribute[] {
  return [
    [uapi.NFTA_EXPR_NAME, text(name)],
    [uapi.NFTA_EXPR_DATA, data],
  ];
}

function compare(operation: number, operand: Uint8Array): Expression {
  return [
    'cmp',
    [
      [uapi.NFTA_CMP_SREG, number(uapi.NFT_REG_1)],
      [uapi.NFTA_CMP_OP, number(operation)],
      [uapi.NFTA_CMP_DATA, value(operand)],
    ],
  ];
}

function elements({ table, name }: Pick<KeySet, 'table' | 'name'>, keys: readonly Uint8Array[]): readonly Attribute[] {
  return [
    [uapi.NFTA_SET_ELEM_LIST_TABLE, text(table)],
    [uapi.NFTA_SET_ELEM_LIST_SET, text(name)],
    [
      uapi.NFTA_SET_ELEM_LIST_ELEMENTS,
      keys.map((key) => [uapi.NFTA_LIST_ELEM, [[uapi.NFTA_SET_ELEM_KEY, value(key)]]]),
    ],
  ];
}

function value(bytes: Uint8Array): readonly Attribute[] {
  return [[uapi.NFTA_DATA_VALUE, bytes]];
}

/** Numbers are in network order. */
function number(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value);
  return bytes;
}

function text(value: string): Uint8Array {
  return Uint8Array.from(Buffer.from(`${value}\0`, 'utf8'));
}
