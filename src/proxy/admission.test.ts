import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultSettings, emptyConfiguration, NONE, type Settings } from '../core/configuration.js';
import { ServerState } from '../core/server-state.js';
import { createEngine } from '../engine/choose.js';
import type { EngineHandler } from '../engine/engine.js';
import { Admission } from './admission.js';
import { ConnectionTable, STATE } from './connection-table.js';
import type { FromWorker } from './messages.js';

const nobody: EngineHandler = {
  listening() {},
  accepted() {},
  connected() {},
  received() {},
  sent() {},
  timer() {},
  turn() {},
};

interface Worker {
  readonly threads?: number;
  readonly place?: number;
  readonly capacity?: number;
}

/** An admission without a listener: its line and its places. */
async function admission(settings: Partial<Settings>, worker: Worker = {}, shortage = new SharedArrayBuffer(4)) {
  const { threads = 1, place = 0, capacity = 1000 } = worker;
  const table = new ConnectionTable(ConnectionTable.allocate());
  const sent: FromWorker['type'][] = [];
  const admission = new Admission(
    { shortage, threads, place, connectionCapacity: capacity, configuration: emptyConfiguration },
    await createEngine('node', nobody),
    table,
    new ServerState(ServerState.allocate()),
    { send: ({ type }) => sent.push(type), next: () => undefined },
  );
  admission.configure({ ...defaultSettings, ...settings });
  return { admission, table, sent };
}

test('Admission divides the idlers among the workers, half of the descriptors at most, none if transparent', async () => {
  const rows: [Partial<Settings>, Worker, number][] = [
    [{ idlers: 0 }, {}, 0],
    [{ idlers: 5 }, {}, 5],
    [{ idlers: 5 }, { threads: 2, place: 0 }, 3],
    [{ idlers: 5 }, { threads: 2, place: 1 }, 2],
    [{ idlers: 1 }, { threads: 4, place: 3 }, 0],
    [{ idlers: 5000 }, { capacity: 100 }, 100],
    [{ idlers: 5, transparent: 'port' }, {}, 0],
  ];
  for (const [settings, worker, share] of rows) {
    const { admission: one } = await admission(settings, worker);
    assert.equal(one.idlerShare, share, JSON.stringify([settings, worker]));
  }
});

test('Admission lets in as many as the least of -x and what idlers leave of the descriptors', async () => {
  const rows: [Partial<Settings>, Worker, number][] = [
    [{ connectionsMax: 3 }, {}, 3],
    [{ connectionsMax: 30 }, { capacity: 4 }, 4],
    [{ connectionsMax: 30, idlers: 3 }, { capacity: 10 }, 8],
    [{ connectionsMax: 30, idlers: 99 }, { capacity: 10 }, 5],
  ];
  for (const [settings, worker, places] of rows) {
    const { admission: one } = await admission(settings, worker);
    let taken = 0;
    while (one.tryEnter()) taken++;
    assert.equal(taken, places, JSON.stringify([settings, worker]));
  }
});

test('Admission gives places to those in line in the order they came, and passes over those that have gone', async () => {
  const { admission: one, table } = await admission({ connectionsMax: 1 });
  assert.ok(one.tryEnter());
  const rows = [0, 1, 2, 3].map(() => table.allocate(STATE.waiting));
  for (const row of rows) one.wait(row);
  assert.equal(one.beginTurn(), false);
  one.leave();
  assert.equal(one.tryEnter(), false, 'nobody comes in before those in line');
  table.release(rows[0]);
  assert.ok(one.beginTurn());
  assert.equal(one.next(), rows[1]);
  assert.equal(one.next(), NONE);
  one.leave();
  assert.ok(one.beginTurn());
  assert.equal(one.next(), rows[2]);
});

test('Admission goes on at once with a line that is too long for a turn, unless all whom it tried wait again', async () => {
  const { admission: one, table } = await admission({ connectionsMax: 100 });
  for (let i = 0; i < 70; i++) one.wait(table.allocate(STATE.waiting));
  const turn = (entered: (row: number) => void = () => {}): number => {
    let count = 0;
    for (let row = one.next(); row !== NONE; row = one.next(), count++) entered(row);
    return count;
  };
  one.mayAdmit = true;
  for (const [places, wakeAt] of [
    [32, 0],
    [32, 0],
    [6, Infinity],
  ]) {
    assert.ok(one.beginTurn());
    assert.equal(turn(), places);
    assert.equal(one.wakeAt(), wakeAt);
    one.timer(1);
    assert.equal(one.wakeAt(), Infinity);
  }
  assert.equal(one.beginTurn(), false);

  // Their servers are busy: whoever has to wait again gives its place back first.
  for (let i = 0; i < 70; i++) one.wait(table.allocate(STATE.waiting));
  one.mayAdmit = true;
  assert.ok(one.beginTurn());
  const again = (row: number): void => {
    one.leave();
    one.wait(row);
  };
  assert.equal(turn(again), 32);
  assert.equal(one.wakeAt(), Infinity);
  // A single one who need not.
  let isFirst = true;
  assert.ok(one.beginTurn());
  const butOne = (row: number): void => {
    if (!isFirst) again(row);
    isFirst = false;
  };
  assert.equal(turn(butOne), 32);
  assert.equal(one.wakeAt(), 0);
});

test('Admission lets nobody in line try before the time to try again', async () => {
  const { admission: one, table } = await admission({ connectionsMax: 1 });
  one.wait(table.allocate(STATE.waiting));
  one.mayAdmit = true;
  one.retryLater();
  assert.equal(one.beginTurn(), false);
  const at = one.wakeAt();
  one.timer(at - 1);
  assert.equal(one.wakeAt(), at);
  one.timer(at);
  assert.equal(one.wakeAt(), Infinity);
  assert.ok(one.beginTurn());
});

test('Admission has the other workers told of a place only if one of them is short of it', async () => {
  const shortage = new SharedArrayBuffer(4);
  const { admission: one, sent } = await admission({ connectionsMax: 2 }, { threads: 2 }, shortage);
  for (const isShort of [false, true, false]) {
    assert.ok(one.tryEnter());
    if (isShort) Atomics.store(new Int32Array(shortage), 0, 1);
    one.leave();
  }
  assert.deepEqual(sent, ['placesFree']);
});
