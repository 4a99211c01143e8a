/** Netlink, and routes and addresses by it, from <linux/netlink.h> and <linux/rtnetlink.h>. */
export const AF_NETLINK = 16;
export const SOCK_RAW = 3;
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
/** struct sockaddr_nl: family, the socket's number, groups. */
export const SOCKADDR_NL = { family: 0, port: 4, bytes: 12 } as const;

/** struct nlmsghdr: length, type, flags, sequence, port. */
export const NLMSGHDR = { length: 0, type: 4, flags: 6, sequence: 8, bytes: 16 } as const;
export const NLM_F_REQUEST = 1;
/** An attribute that holds others. */
export const NLA_F_NESTED = 0x8000;
/** Whether it went well is to be said in either case. */
export const NLM_F_ACK = 4;
/** New ones are made, it is an error if they are there, they go to the end of a list. */
export const NLM_F_CREATE = 0x400;
export const NLM_F_EXCL = 0x200;
export const NLM_F_APPEND = 0x800;
/** All that there are (NLM_F_ROOT | NLM_F_MATCH). */
export const NLM_F_DUMP = 0x300;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const RTM_NEWADDR = 20;
export const RTM_GETADDR = 22;
export const RTM_NEWROUTE = 24;
export const RTM_GETROUTE = 26;

/** struct rtmsg, behind that header; attributes follow it. */
export const RTMSG = { family: 0, destinationBits: 1, type: 7, bytes: 12 } as const;
/** Types of routes: packets are sent on; they are for this host. */
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;

/** struct rtattr: length and type, 16 bits each; the next one begins at a multiple of four. */
export const RTATTR_BYTES = 4;
export const RTA_DST = 1;
export const RTA_OIF = 4;
export const RTA_GATEWAY = 5;
export const RTA_PREFSRC = 7;
export const RTA_METRICS = 8;
/** A gateway of the other family: two bytes of family, then the address (5.2). */
export const RTA_VIA = 18;
/** In RTA_METRICS. */
export const RTAX_MTU = 2;

/** struct ifaddrmsg, attributes follow it (<linux/if_addr.h>). */
export const IFADDRMSG = { family: 0, index: 4, bytes: 8 } as const;
/** Of a line from one host to another the peer's; else the host's own. */
export const IFA_ADDRESS = 1;
export const IFA_LOCAL = 2;
