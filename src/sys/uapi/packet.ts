/** Packet sockets, from <linux/if_packet.h>, <linux/if_ether.h>, <linux/if.h>, <linux/sockios.h> and <linux/filter.h>. */
export const AF_PACKET = 17;
export const SOCK_RAW = 3;
export const ETH_P_ARP = 0x0806;
export const ETH_P_IPV6 = 0x86dd;

export const SO_ATTACH_FILTER = 26;

/** struct sockaddr_ll: family, protocol (network order), interface index, hardware type, packet type, address. */
export const SOCKADDR_LL = { family: 0, protocolBe: 2, index: 4, packetType: 10, bytes: 20 } as const;
/** Packet type of what we have sent ourselves. */
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
