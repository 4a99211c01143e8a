import assert from 'node:assert/strict';
import { test } from 'node:test';
import { epollEventLayout } from './epoll.js';

test('struct epoll_event is packed on x86 and aligned elsewhere', () => {
  const table = { x64: [12, 4], ia32: [12, 4], arm: [16, 8], arm64: [16, 8], riscv64: [16, 8] };
  for (const [arch, want] of Object.entries(table)) {
    const { words, data } = epollEventLayout(arch);
    assert.deepEqual([words * 4, data * 4], want, arch);
  }
});
