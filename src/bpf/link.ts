/** Attaching a program to a network interface. The link holds the program there for as long as anybody holds the link. */
import { bpfAttributes } from '../sys/bpf.js';
import { ERRNO } from '../sys/errno.js';
import { interfaceIndex } from '../sys/network-interface.js';
import * as uapi from '../sys/uapi/bpf.js';
import { checkBpf, IncompatibleError } from './errors.js';
import { Handle, objectInfo, openPinned } from './handle.js';

/**
 * Where the program runs: in the driver (native), in the network stack after the driver has made a buffer of the frame
 * (generic: any interface, slower), or in the network card (offload).
 */
export type XdpMode = 'native' | 'generic' | 'offload';

const MODE_FLAGS = {
  native: uapi.XDP_FLAGS_DRV_MODE,
  generic: uapi.XDP_FLAGS_SKB_MODE,
  offload: uapi.XDP_FLAGS_HW_MODE,
} as const;

const CAPABILITIES = [uapi.CAP_NET_ADMIN, uapi.CAP_BPF];

interface Attachable {
  readonly name: string;
  readonly fd: number;
}

export interface LinkInfo {
  readonly id: number;
  readonly programId: number;
  /** 0 once the interface has gone, or after `detach`. */
  readonly interfaceIndex: number;
}

export class XdpLink extends Handle {
  private constructor(name: string, fd: number) {
    super(name, fd);
  }

  /**
   * Runs the program on every frame that the interface receives, until the link is closed (or its last pin removed).
   * Requires kernel 5.9. Throws a SystemError (ENODEV) if there is no such interface, a BpfError if it cannot be done.
   */
  static attach(program: Attachable, interfaceName: string, mode: XdpMode): XdpLink {
    const index = interfaceIndex(interfaceName);
    const at = uapi.BPF_ATTR.linkCreate;
    const attr = bpfAttributes()
      .u32(at.progFd, program.fd)
      .u32(at.targetIfindex, index)
      .u32(at.attachType, uapi.BPF_XDP)
      .u32(at.flags, MODE_FLAGS[mode]);
    const other = mode === 'native' ? ', try generic' : '';
    const fd = checkBpf(
      attr.call(uapi.BPF_LINK_CREATE),
      `attach program '${program.name}' to '${interfaceName}' in ${mode} mode`,
      CAPABILITIES,
      {
        EBUSY: 'another XDP program is attached there',
        EEXIST: 'an XDP program is attached there in another mode',
        EINVAL: `the driver refused: no ${mode} mode, a program made for another one, or below kernel 5.9${other}`,
        EOPNOTSUPP: `the driver has no ${mode} mode, or not with this MTU and these offloads${other}`,
        ERANGE: `the MTU is too large for ${mode} mode${other}`,
        ENODEV: 'the interface has gone',
      },
    );
    return new XdpLink(interfaceName, fd);
  }

  /** The link pinned at `path`; throws an IncompatibleError if it is one of another kind. */
  static open(path: string): XdpLink {
    const link = new XdpLink(path, openPinned(path, 'bpf-link'));
    const type = objectInfo(link.fd, uapi.BPF_LINK_INFO.bytes).getUint32(uapi.BPF_LINK_INFO.type, true);
    if (type === uapi.BPF_LINK_TYPE_XDP) return link;
    link.close();
    throw new IncompatibleError(`adopt '${path}'`, `it is a link of type ${type}, not of XDP`);
  }

  get info(): LinkInfo {
    const at = uapi.BPF_LINK_INFO;
    const info = objectInfo(this.fd, at.bytes);
    return {
      id: info.getUint32(at.id, true),
      programId: info.getUint32(at.progId, true),
      interfaceIndex: info.getUint32(at.xdpIfindex, true),
    };
  }

  /**
   * Puts another program in place between two frames. With `replacing` only if that is the one there now; else false.
   */
  update(program: Attachable, replacing?: Attachable): boolean {
    const at = uapi.BPF_ATTR.linkUpdate;
    const attr = bpfAttributes().u32(at.linkFd, this.fd).u32(at.newProgFd, program.fd);
    if (replacing !== undefined) attr.u32(at.flags, uapi.BPF_F_REPLACE).u32(at.oldProgFd, replacing.fd);
    const result = attr.call(uapi.BPF_LINK_UPDATE);
    if (replacing !== undefined && result === -ERRNO.EPERM && this.info.programId !== idOf(replacing)) return false;
    checkBpf(result, `put program '${program.name}' in place at '${this.name}'`, CAPABILITIES, {
      ENOLINK: 'the link has been detached, or the interface has gone',
      EINVAL: 'the program was made for another mode',
    });
    return true;
  }

  /** Takes the program off the interface though others may hold the link (a pin). Requires kernel 5.9. */
  detach(): void {
    const attr = bpfAttributes().u32(0, this.fd);
    checkBpf(attr.call(uapi.BPF_LINK_DETACH), `detach from '${this.name}'`, CAPABILITIES);
  }
}

function idOf(program: Attachable): number {
  return objectInfo(program.fd, uapi.BPF_PROG_INFO.bytes).getUint32(uapi.BPF_PROG_INFO.id, true);
}
