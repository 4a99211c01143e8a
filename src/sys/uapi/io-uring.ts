/** From <linux/io_uring.h> (the header is dual-licensed MIT); names are the kernel's. */

// Opcodes (enum io_uring_op).
export const IORING_OP_POLL_ADD = 6;
export const IORING_OP_ACCEPT = 13;
export const IORING_OP_ASYNC_CANCEL = 14;
export const IORING_OP_CONNECT = 16;
export const IORING_OP_READ = 22;
export const IORING_OP_SEND = 26;
export const IORING_OP_RECV = 27;

// io_uring_setup flags, with the kernel that brought each.
export const IORING_SETUP_CQSIZE = 1 << 3;
export const IORING_SETUP_CLAMP = 1 << 4;
export const IORING_SETUP_SUBMIT_ALL = 1 << 7; // 5.18
export const IORING_SETUP_COOP_TASKRUN = 1 << 8; // 5.19
export const IORING_SETUP_SINGLE_ISSUER = 1 << 12; // 6.0
export const IORING_SETUP_DEFER_TASKRUN = 1 << 13; // 6.1

export const IORING_FEAT_EXT_ARG = 1 << 8; // 5.11

export const IORING_OFF_SQ_RING = 0;
export const IORING_OFF_SQES = 0x10000000;

export const IORING_ENTER_GETEVENTS = 1 << 0;
export const IORING_ENTER_EXT_ARG = 1 << 3;

export const IORING_REGISTER_PBUF_RING = 22; // 5.19

// Submission entry flags (IOSQE_*), in the byte after the opcode.
export const IOSQE_BUFFER_SELECT = 1 << 5;
export const IOSQE_CQE_SKIP_SUCCESS = 1 << 6; // 5.17

// In the length of IORING_OP_POLL_ADD.
export const IORING_POLL_ADD_MULTI = 1 << 0; // 5.13

// ioprio of IORING_OP_ACCEPT, IORING_OP_RECV and IORING_OP_SEND.
export const IORING_ACCEPT_MULTISHOT = 1 << 0; // 5.19
export const IORING_RECVSEND_POLL_FIRST = 1 << 0; // 5.19

export const IORING_ASYNC_CANCEL_ALL = 1 << 0; // 5.19
export const IORING_ASYNC_CANCEL_FD = 1 << 1; // 5.19
export const IORING_ASYNC_CANCEL_ANY = 1 << 2; // 5.19

export const IORING_CQE_F_BUFFER = 1 << 0;
export const IORING_CQE_F_MORE = 1 << 1;
export const IORING_CQE_F_SOCK_NONEMPTY = 1 << 2;
export const IORING_CQE_BUFFER_SHIFT = 16;

// The three system calls have these numbers on every architecture.
export const SYS_IO_URING_SETUP = 425;
export const SYS_IO_URING_ENTER = 426;
export const SYS_IO_URING_REGISTER = 427;

/** struct io_uring_params: byte offsets of what we read or write. */
export const PARAMS = {
  bytes: 120,
  sqEntries: 0,
  cqEntries: 4,
  flags: 8,
  features: 20,
  sqHead: 40,
  sqTail: 44,
  sqMask: 48,
  sqArray: 64,
  cqHead: 80,
  cqTail: 84,
  cqMask: 88,
  cqCqes: 100,
} as const;

export const SQE_BYTES = 64;
export const CQE_BYTES = 16;
