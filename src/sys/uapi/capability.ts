/** Constants of Linux capabilities, from <linux/capability.h>, <linux/prctl.h> and <linux/securebits.h>. */

/** Two 32-bit words a set: struct __user_cap_data_struct is effective:32 permitted:32 inheritable:32, twice. */
export const _LINUX_CAPABILITY_VERSION_3 = 0x20080522;
export const CAP_NET_ADMIN = 12;
export const CAP_NET_RAW = 13;

export const PR_SET_KEEPCAPS = 8;
export const PR_GET_SECUREBITS = 27;
export const PR_SET_SECUREBITS = 28;
export const SECBIT_NO_SETUID_FIXUP = 1 << 2;
