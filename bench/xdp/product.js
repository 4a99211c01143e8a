/** The parts of the built product that are measured or measured with, typed by their sources. */
const built = (/** @type {string} */ file) => import(new URL(`../../dist/src/${file}`, import.meta.url).href);

export const asm = /** @type {typeof import('../../src/bpf/asm/index.js')} */ (await built('bpf/asm/index.js'));
export const bpf = /** @type {typeof import('../../src/bpf/index.js')} */ (await built('bpf/index.js'));
export const uapi = /** @type {typeof import('../../src/sys/uapi/bpf.js')} */ (await built('sys/uapi/bpf.js'));
export const program = /** @type {typeof import('../../src/dsr/program/index.js')} */ (
  await built('dsr/program/index.js')
);
export const tables = /** @type {typeof import('../../src/dsr/bpf-tables.js')} */ (await built('dsr/bpf-tables.js'));
export const record = /** @type {typeof import('../../src/dsr/record.js')} */ (await built('dsr/record.js'));
export const layout = /** @type {typeof import('../../src/dsr/layout.js')} */ (await built('dsr/layout.js'));
export const address = /** @type {typeof import('../../src/core/address.js')} */ (await built('core/address.js'));
export const network = /** @type {typeof import('../../src/sys/network-interface.js')} */ (
  await built('sys/network-interface.js')
);
export const frame = {
  .../** @type {typeof import('../../src/frame/ethernet.js')} */ (await built('frame/ethernet.js')),
  .../** @type {typeof import('../../src/frame/ipv4.js')} */ (await built('frame/ipv4.js')),
  .../** @type {typeof import('../../src/frame/ipv6.js')} */ (await built('frame/ipv6.js')),
  .../** @type {typeof import('../../src/frame/udp.js')} */ (await built('frame/udp.js')),
  .../** @type {typeof import('../../src/frame/tcp.js')} */ (await built('frame/tcp.js')),
};
