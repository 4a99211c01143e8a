/**
 * What every selector must do, whatever its algorithm: called by selector.test.ts with each. A case gives what it
 * got and what it wants, and leaves the comparing to the test.
 */
import { emptySlot, NONE, type ServerSpec, type Settings } from '../configuration.js';
import type { ServerTable } from '../server-table.js';
import { acls, configuration, ip, only, row, server, tableOf } from '../tables.suite.js';
import type { Selector } from './selector.js';

export interface SuiteCase {
  readonly name: string;
  run(): { readonly got: unknown; readonly want: unknown };
}

export const client = ip('192.0.2.1');

/** Clients 198.18.x.y, a port each. */
export function crowd(count: number): { address: readonly number[]; port: number }[] {
  const [a, b, c, d] = ip('198.18.0.0');
  return Array.from({ length: count }, (_, i) => ({ address: [a, b, c, d + i], port: 1024 + ((i * 7919) % 60_000) }));
}

/** A selector on a table of its own. */
export function world(selector: Selector, servers: readonly ServerSpec[], settings: Partial<Settings> = {}) {
  const table = tableOf(servers, settings);
  selector.configure(table);
  const select = (who = { address: client as readonly number[], port: 1024 }, nowMs = 0, isUnix = false) =>
    selector.select(table, who.address, who.port, isUnix, nowMs);
  return { table, selector, select };
}

export function selectorSuite(make: () => Selector): SuiteCase[] {
  const of = (servers: readonly ServerSpec[], settings?: Partial<Settings>) => world(make(), servers, settings);
  const used = (select: ReturnType<typeof of>['select'], count = 400) =>
    [...new Set(crowd(count).map((who) => select(who)))].sort((a, b) => a - b);
  const fill = (table: ServerTable, slot: number) => {
    while (table.isAvailable(slot, false, 0)) table.take(slot, false);
  };
  /** Any algorithm may choose any of these. */
  const equals = (count: number) => row(count, { weight: 1 });

  return [
    { name: 'gives NONE when there is no server', run: () => ({ got: of([]).select(), want: NONE }) },
    {
      name: 'gives NONE when all slots are empty',
      run: () => ({ got: of([emptySlot, emptySlot]).select(), want: NONE }),
    },
    { name: 'gives the only server when there is one', run: () => ({ got: used(of(equals(1)).select), want: [0] }) },
    {
      name: 'uses all servers when many clients come',
      run: () => ({ got: used(of(equals(5)).select), want: [0, 1, 2, 3, 4] }),
    },
    {
      name: 'passes over empty slots, slot 0 included',
      run: () => {
        const [a, b] = equals(2);
        return { got: used(of([emptySlot, a, emptySlot, b]).select), want: [1, 3] };
      },
    },
    {
      name: 'passes over the blacklisted until their time is over',
      run: () => {
        const { table, select } = of(equals(3));
        table.state.setBlacklistedUntil(1, 1000);
        const late = new Set(crowd(400).map((who) => select(who, 1000)));
        return { got: [used(select), late.size], want: [[0, 2], 3] };
      },
    },
    {
      name: 'passes over the full',
      run: () => {
        const servers = equals(3).map((spec, slot) => ({ ...spec, max: slot === 2 ? 1 : 0 }));
        const { table, select } = of(servers);
        fill(table, 2);
        return { got: used(select), want: [0, 1] };
      },
    },
    {
      name: 'passes over a server with pendingMax connects in progress',
      run: () => {
        const { table, select } = of(equals(2), { pendingMax: 3 });
        fill(table, 0);
        return { got: used(select), want: [1] };
      },
    },
    {
      name: 'gives NONE when all are full or blacklisted',
      run: () => {
        const { table, select } = of(row(3, { weight: 1, max: 2 }));
        fill(table, 0);
        fill(table, 1);
        table.state.setBlacklistedUntil(2, 1000);
        return { got: used(select), want: [NONE] };
      },
    },
    {
      name: 'gives a server whose ACL permits the client, and to Unix clients any',
      run: () => {
        const servers = equals(3).map((spec, slot) => ({ ...spec, acl: slot === 1 ? 0 : 4 }));
        const selector = make();
        const table = tableOf(servers, {}, { acls: acls({ 4: [only(false, '192.0.2.1')] }) });
        selector.configure(table);
        const slots = (isUnix: boolean) => {
          return new Set(Array.from({ length: 60 }, (_, i) => selector.select(table, client, i, isUnix, 0)));
        };
        return { got: [[...slots(false)], [...slots(true)].includes(NONE)], want: [[1], false] };
      },
    },
    {
      name: 'reserves nothing',
      run: () => {
        const { table, select } = of(equals(2));
        used(select);
        return { got: [table.state.connections(0), table.state.pending(1)], want: [0, 0] };
      },
    },
    {
      name: 'obeys a new configuration when it is told',
      run: () => {
        const { table, selector, select } = of(equals(2));
        const before = used(select);
        table.configure(configuration([emptySlot, server(1, { weight: 1 }), server(7, { weight: 1 })]));
        selector.configure(table);
        const grown = used(select);
        table.configure(configuration([]));
        selector.configure(table);
        return { got: [before, grown, used(select)], want: [[0, 1], [1, 2], [NONE]] };
      },
    },
    {
      name: 'keeps the live ones even when one of four is down',
      run: () => {
        const { table, select } = of(equals(4));
        table.state.setBlacklistedUntil(1, 1000);
        const counts = [0, 0, 0, 0];
        for (const who of crowd(9000)) counts[select(who)]++;
        return {
          got: counts.map((n, slot) => (slot === 1 ? n : Math.abs(n - 3000) < 240)),
          want: [true, 0, true, true],
        };
      },
    },
    {
      name: 'reaches a server in the last slots of a large table',
      run: () => {
        const servers = Array.from({ length: 5000 }, (_, slot) =>
          slot > 4997 ? server(slot, { weight: 1 }) : emptySlot,
        );
        return { got: used(of(servers).select), want: [4998, 4999] };
      },
    },
  ];
}
