/** From <sys/socket.h>, <netinet/in.h>, <netinet/tcp.h> and <sys/un.h> of Linux (asm-generic). */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_KEEPALIVE = 9;
export const SO_LINGER = 13;
export const IPPROTO_IP = 0;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const IPPROTO_TCP = 6;
export const TCP_NODELAY = 1;
export const IPPROTO_IPV6 = 41;
export const IPV6_V6ONLY = 26;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;
export const MSG_WAITALL = 0x100;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
/** sizeof(struct sockaddr_storage): room for any address. */
export const SOCKADDR_STORAGE_BYTES = 128;
/** sizeof(sun_path). */
export const UNIX_PATH_MAX = 108;
export const EFD_CLOEXEC = 0o2000000;
