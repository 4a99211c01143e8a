/** Packet sockets, from <linux/if_packet.h>, <linux/if_ether.h>, <linux/if.h>, <linux/sockios.h> and <linux/filter.h>. */
export const AF_PACKET = 17;
export const SOCK_RAW = 3;
export const ETH_P_ALL = 0x0003;
export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_IPV6 = 0x86dd;

export const SO_ATTACH_FILTER = 26;
export const SO_DETACH_FILTER = 27;

/** struct sockaddr_ll: family, protocol (network order), interface index, hardware type, packet type, address. */
export const SOCKADDR_LL = { family: 0, protocolBe: 2, index: 4, packetType: 10, bytes: 20 } as const;
/** Packet types: for the interface's own address; what we have sent ourselves. */
export const PACKET_HOST = 0;
export const PACKET_OUTGOING = 4;

export const SIOCGIFHWADDR = 0x8927;
/** struct ifreq: a name of 16 bytes, then a struct sockaddr whose address begins at its byte 2. */
export const IFREQ = { name: 0, hardwareAddress: 18, bytes: 40 } as const;
/** The hardware type in that struct sockaddr (<linux/if_arp.h>). */
export const ARPHRD_ETHER = 1;

/** struct sock_filter: code, jump if true, jump if false, constant. */
export type ClassicFilter = readonly (readonly [number, number, number, number])[];

/** Classic BPF's codes. */
export const BPF_LD_B_ABS = 0x30;
export const BPF_JEQ_K = 0x15;
export const BPF_RET_K = 0x06;

/** Options of a packet socket (<linux/if_packet.h>), at SOL_PACKET (<linux/socket.h>). */
export const SOL_PACKET = 263;
export const PACKET_ADD_MEMBERSHIP = 1;
export const PACKET_DROP_MEMBERSHIP = 2;
export const PACKET_RX_RING = 5;
export const PACKET_STATISTICS = 6;
export const PACKET_VERSION = 10;
export const PACKET_RESERVE = 12;
export const PACKET_TX_RING = 13;
export const PACKET_LOSS = 14;
export const PACKET_VNET_HDR = 15;
export const PACKET_FANOUT = 18;
export const PACKET_TX_HAS_OFF = 19;
export const PACKET_QDISC_BYPASS = 20;
export const PACKET_IGNORE_OUTGOING = 23;

/** PACKET_FANOUT's argument: a number, and in its upper half how frames are spread, and flags. */
export const PACKET_FANOUT_HASH = 0;
/** The kernel chooses a number that nobody has. */
export const PACKET_FANOUT_FLAG_UNIQUEID = 0x2000;
export const PACKET_FANOUT_FLAG_IGNORE_OUTGOING = 0x4000;

export const TPACKET_V2 = 1;
export const TPACKET_V3 = 2;

/** struct packet_mreq: interface index, type, length of the address, address. Type: all groups that there are. */
export const PACKET_MREQ = { index: 0, type: 4, bytes: 16 } as const;
export const PACKET_MR_ALLMULTI = 2;

/** struct tpacket_req3, of which a transmit ring of version 2 uses the first four words (struct tpacket_req). */
export const TPACKET_REQ = { blockBytes: 0, blocks: 4, frameBytes: 8, frames: 12, bytes: 16 } as const;
export const TPACKET_REQ3 = { ...TPACKET_REQ, retireMs: 16, privateBytes: 20, features: 24, bytes: 28 } as const;
/** struct tpacket_stats_v3: packets (dropped ones too), drops, times that the queue stood still; reading begins anew. */
export const TPACKET_STATS = { packets: 0, drops: 4, bytes: 12 } as const;

/** struct tpacket_block_desc. */
export const TPACKET_BLOCK = { status: 8, packets: 12, firstPacket: 16, bytes: 48 } as const;
/** struct tpacket3_hdr, behind which (aligned to 16) lies a struct sockaddr_ll. */
export const TPACKET3 = {
  nextOffset: 0,
  capturedBytes: 12,
  frameBytes: 16,
  status: 20,
  macAt: 24,
  tagControl: 32,
  tagProtocol: 36,
  address: 48,
  bytes: 48,
} as const;
/** struct tpacket2_hdr. In a transmit ring `dataAt` says where in the slot the data begin (PACKET_TX_HAS_OFF), else they follow. */
export const TPACKET2 = { status: 0, frameBytes: 4, capturedBytes: 8, dataAt: 12, bytes: 32 } as const;
/** struct virtio_net_hdr (<linux/virtio_net.h>), in front of a frame with PACKET_VNET_HDR. */
export const VNET_HEADER = { headBytes: 2, bytes: 10 } as const;

export const TP_STATUS_KERNEL = 0;
export const TP_STATUS_USER = 1;
/** The checksum is left to a network card, and has not met one. */
export const TP_STATUS_CSUMNOTREADY = 1 << 3;
/** A tag was taken out of the frame. */
export const TP_STATUS_VLAN_VALID = 1 << 4;
export const TP_STATUS_VLAN_TPID_VALID = 1 << 6;
export const TP_STATUS_AVAILABLE = 0;
export const TP_STATUS_SEND_REQUEST = 1;

/** <asm-generic/socket.h>, Linux: beyond net.core.wmem_max, with CAP_NET_ADMIN. */
export const SO_SNDBUFFORCE = 32;
/** <linux/sockios.h>; behind the name in struct ifreq is a pointer to what is asked (<linux/ethtool.h>). */
export const SIOCETHTOOL = 0x8946;
/** struct ethtool_drvinfo: the command, and the driver's name in 32 bytes. */
export const ETHTOOL_GDRVINFO = 3;
export const ETHTOOL_DRVINFO = { command: 0, driver: 4, bytes: 196 } as const;
/** <linux/sockios.h>; the MTU is an int behind the name in struct ifreq. */
export const SIOCGIFMTU = 0x8921;
