/**
 * From <linux/bpf.h> and <linux/bpf_common.h>; names are the kernel's. Opcodes and their encoding are described in
 * the kernel's Documentation/bpf/standardization/instruction-set.rst (RFC 9669).
 */

// Instruction classes (low three bits of the opcode).
export const BPF_LD = 0x00;
export const BPF_LDX = 0x01;
export const BPF_ST = 0x02;
export const BPF_STX = 0x03;
export const BPF_ALU = 0x04;
export const BPF_JMP = 0x05;
export const BPF_JMP32 = 0x06;
export const BPF_ALU64 = 0x07;

// Load and store: size (bits 3 and 4), mode (bits 5 to 7).
export const BPF_W = 0x00;
export const BPF_H = 0x08;
export const BPF_B = 0x10;
export const BPF_DW = 0x18;
export const BPF_IMM = 0x00;
export const BPF_MEM = 0x60;
/** Sign extending (6.6). */
export const BPF_MEMSX = 0x80;
export const BPF_ATOMIC = 0xc0;

// Arithmetic and jumps: source (bit 3), operation (bits 4 to 7).
export const BPF_K = 0x00;
export const BPF_X = 0x08;
export const BPF_ADD = 0x00;
export const BPF_SUB = 0x10;
export const BPF_MUL = 0x20;
export const BPF_DIV = 0x30;
export const BPF_OR = 0x40;
export const BPF_AND = 0x50;
export const BPF_LSH = 0x60;
export const BPF_RSH = 0x70;
export const BPF_NEG = 0x80;
export const BPF_MOD = 0x90;
export const BPF_XOR = 0xa0;
export const BPF_MOV = 0xb0;
export const BPF_ARSH = 0xc0;
export const BPF_END = 0xd0;
export const BPF_TO_LE = 0x00;
export const BPF_TO_BE = 0x08;
export const BPF_JA = 0x00;
export const BPF_JEQ = 0x10;
export const BPF_JGT = 0x20;
export const BPF_JGE = 0x30;
export const BPF_JSET = 0x40;
export const BPF_JNE = 0x50;
export const BPF_JSGT = 0x60;
export const BPF_JSGE = 0x70;
export const BPF_CALL = 0x80;
export const BPF_EXIT = 0x90;
export const BPF_JLT = 0xa0;
export const BPF_JLE = 0xb0;
export const BPF_JSLT = 0xc0;
export const BPF_JSLE = 0xd0;

// Atomic operations (in the immediate).
export const BPF_FETCH = 0x01;
export const BPF_XCHG = 0xe1;
export const BPF_CMPXCHG = 0xf1;

// Source register of a 64-bit immediate or a call: what the immediate stands for.
export const BPF_PSEUDO_MAP_FD = 1;
export const BPF_PSEUDO_MAP_VALUE = 2;
export const BPF_PSEUDO_CALL = 1;

/** Size of struct bpf_insn. */
export const BPF_INSN_BYTES = 8;
export const MAX_BPF_STACK = 512;

// enum bpf_cmd.
export const BPF_MAP_CREATE = 0;
export const BPF_MAP_LOOKUP_ELEM = 1;
export const BPF_MAP_UPDATE_ELEM = 2;
export const BPF_MAP_DELETE_ELEM = 3;
export const BPF_MAP_GET_NEXT_KEY = 4;
export const BPF_PROG_LOAD = 5;
export const BPF_OBJ_PIN = 6;
export const BPF_OBJ_GET = 7;
export const BPF_PROG_TEST_RUN = 10;
export const BPF_OBJ_GET_INFO_BY_FD = 15;
export const BPF_MAP_LOOKUP_BATCH = 24;
export const BPF_MAP_UPDATE_BATCH = 26;
export const BPF_MAP_DELETE_BATCH = 27;
export const BPF_LINK_CREATE = 28;
export const BPF_LINK_UPDATE = 29;
export const BPF_LINK_DETACH = 34;

// enum bpf_map_type.
export const BPF_MAP_TYPE_HASH = 1;
export const BPF_MAP_TYPE_ARRAY = 2;
export const BPF_MAP_TYPE_PERCPU_HASH = 5;
export const BPF_MAP_TYPE_PERCPU_ARRAY = 6;
export const BPF_MAP_TYPE_LRU_HASH = 9;
export const BPF_MAP_TYPE_LRU_PERCPU_HASH = 10;
export const BPF_MAP_TYPE_LPM_TRIE = 11;
export const BPF_MAP_TYPE_RINGBUF = 27;

export const BPF_PROG_TYPE_XDP = 6;
export const BPF_XDP = 37; // enum bpf_attach_type
export const BPF_LINK_TYPE_XDP = 6;

// Flags of BPF_MAP_UPDATE_ELEM.
export const BPF_ANY = 0;
export const BPF_NOEXIST = 1;
export const BPF_EXIST = 2;

// Flags of BPF_MAP_CREATE.
export const BPF_F_NO_PREALLOC = 1 << 0;
export const BPF_F_NO_COMMON_LRU = 1 << 1;
export const BPF_F_RDONLY_PROG = 1 << 7;
export const BPF_F_WRONLY_PROG = 1 << 8;
export const BPF_F_MMAPABLE = 1 << 10;

export const BPF_F_REPLACE = 1 << 2; // BPF_LINK_UPDATE
export const BPF_F_TEST_XDP_LIVE_FRAMES = 1 << 1; // BPF_PROG_TEST_RUN, 5.18

// enum xdp_action.
export const XDP_ABORTED = 0;
export const XDP_DROP = 1;
export const XDP_PASS = 2;
export const XDP_TX = 3;
export const XDP_REDIRECT = 4;

/** struct xdp_md: byte offsets of what a program reads. */
export const XDP_MD = { data: 0, dataEnd: 4, dataMeta: 8, ingressIfindex: 12, rxQueueIndex: 16, bytes: 24 } as const;

// Flags of an XDP link, from <linux/if_link.h>.
export const XDP_FLAGS_SKB_MODE = 1 << 1;
export const XDP_FLAGS_DRV_MODE = 1 << 2;
export const XDP_FLAGS_HW_MODE = 1 << 3;

// Ring buffer records.
export const BPF_RINGBUF_BUSY_BIT = 0x8000_0000;
export const BPF_RINGBUF_DISCARD_BIT = 0x4000_0000;
export const BPF_RINGBUF_HDR_SZ = 8;

export const BPF_OBJ_NAME_LEN = 16;

// Capabilities, from <linux/capability.h>.
export const CAP_NET_ADMIN = 12;
export const CAP_SYS_ADMIN = 21;
export const CAP_BPF = 39; // 5.8; CAP_SYS_ADMIN before

/** Helper functions (enum bpf_func_id) that XDP programs may call, by number. */
export const BPF_FUNC = {
  map_lookup_elem: 1,
  map_update_elem: 2,
  map_delete_elem: 3,
  ktime_get_ns: 5,
  trace_printk: 6,
  get_prandom_u32: 7,
  get_smp_processor_id: 8,
  tail_call: 12,
  redirect: 23,
  csum_diff: 28,
  xdp_adjust_head: 44,
  redirect_map: 51,
  xdp_adjust_meta: 54,
  xdp_adjust_tail: 65,
  fib_lookup: 69,
  spin_lock: 93,
  spin_unlock: 94,
  jiffies64: 118,
  ringbuf_output: 130,
  ringbuf_reserve: 131,
  ringbuf_submit: 132,
  ringbuf_discard: 133,
  ringbuf_query: 134,
  ktime_get_coarse_ns: 160,
  check_mtu: 163,
  loop: 181,
  xdp_get_buff_len: 188,
  xdp_load_bytes: 189,
  xdp_store_bytes: 190,
} as const;

/** union bpf_attr: byte offsets by command. */
export const BPF_ATTR = {
  bytes: 144,
  mapCreate: { mapType: 0, keySize: 4, valueSize: 8, maxEntries: 12, mapFlags: 16, mapName: 28, mapIfindex: 44 },
  element: { mapFd: 0, key: 8, value: 16, nextKey: 16, flags: 24 },
  batch: { inBatch: 0, outBatch: 8, keys: 16, values: 24, count: 32, mapFd: 36, elemFlags: 40 },
  progLoad: {
    progType: 0,
    insnCnt: 4,
    insns: 8,
    license: 16,
    logLevel: 24,
    logSize: 28,
    logBuf: 32,
    progFlags: 44,
    progName: 48,
    progIfindex: 64,
  },
  object: { pathname: 0, bpfFd: 8 },
  testRun: {
    progFd: 0,
    retval: 4,
    dataSizeIn: 8,
    dataSizeOut: 12,
    dataIn: 16,
    dataOut: 24,
    repeat: 32,
    duration: 36,
    ctxSizeIn: 40,
    ctxIn: 48,
    flags: 64,
    batchSize: 72,
  },
  info: { bpfFd: 0, infoLen: 4, info: 8 },
  linkCreate: { progFd: 0, targetIfindex: 4, attachType: 8, flags: 12 },
  linkUpdate: { linkFd: 0, newProgFd: 4, flags: 8, oldProgFd: 12 },
} as const;

/** struct bpf_map_info, bpf_prog_info, bpf_link_info: byte offsets of what we read. */
export const BPF_MAP_INFO = {
  bytes: 80,
  type: 0,
  id: 4,
  keySize: 8,
  valueSize: 12,
  maxEntries: 16,
  mapFlags: 20,
  name: 24,
} as const;
export const BPF_PROG_INFO = { bytes: 224, type: 0, id: 4, tag: 8, xlatedProgLen: 20, name: 64 } as const;
export const BPF_LINK_INFO = { bytes: 64, type: 0, id: 4, progId: 8, xdpIfindex: 16 } as const;

/** Of a bpffs in statfs(2): <linux/magic.h>. */
export const BPF_FS_MAGIC = 0xcafe4a11;
