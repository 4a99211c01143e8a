/** Direct server return on an interface that comes up after it, or goes away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bedMissing } from '../support/bed.js';
import { dsrBed, VIP, VIP6 } from '../support/dsr-bed.js';
import { until, within } from '../support/wait.js';

const skip = bedMissing();

test('dsr_if finds IPv6 servers though its interface comes up after it', { skip }, async (t) => {
  const made = await dsrBed(t, 1);
  await made.balancer.ip('link', 'set', 'lan', 'down');
  const server = `[${made.address6Of(0)}]`;
  const balancer = await made.pen({ options: ['-O', 'dsr_if lan'], listen: `[${VIP6}]:80`, servers: [server] });
  assert.match(await balancer.ask('dsr'), /state silent/);
  await made.balancer.ip('link', 'set', 'lan', 'up');
  await until('it is found', async () => /state in-service/.test(await balancer.ask('dsr')));
});

test('dsr_if ends with a line that says so when its interface goes away', { skip }, async (t) => {
  const made = await dsrBed(t, 1);
  const servers = [made.addressOf(0)];
  const balancer = await made.pen({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers });
  await made.balancer.ip('link', 'del', 'lan');
  const { status, stderr } = await within('its end', balancer.ended);
  assert.equal(status, 1);
  assert.match(
    stderr,
    /^pen: fatal: cannot return directly on 'lan' any more: the interface has gone, .*start pen again when it is back\)$/m,
  );
});
