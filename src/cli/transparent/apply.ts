/**
 * `pen transparent-setup --apply` and `--undo`: all of it or nothing. What is ours is known by its name (firewall) and
 * its owner (rules and routes), so nobody else's is ever touched, applying twice is applying once, and undoing needs
 * to know nothing of how it was applied.
 */
import { StartError } from '../errors.js';
import { ipfwRules, ipfwUndo } from './bsd-rules.js';
import { type MarkRule, parseIptables } from './facts.js';
import { linuxFamilies, readOwnRoutes, readRoutes, readRules } from './linux-host.js';
import {
  IPTABLES_CHAIN,
  inverse,
  iptablesText,
  iptablesUndoText,
  NFT_TABLE,
  nftText,
  nftUndoText,
  routeWords,
  ruleWords,
} from './linux-rules.js';
import type { Means } from './script.js';
import { type Family, hex, OWNER, type TransparentSetup } from './setup.js';
import type { Run } from './tools.js';

interface Call {
  readonly program: string;
  readonly words: readonly string[];
  readonly input?: string;
}

/** Something to be done, and how it is taken back. */
interface Step {
  readonly todo: Call;
  readonly back: readonly Call[];
}

/** Makes it so. Throws a StartError, having left everything as it was. Gives what was done, a line each. */
export async function apply(run: Run, setup: TransparentSetup, means: Means): Promise<string[]> {
  const steps = means === 'ipfw' ? await ipfwSteps(run, setup) : await linuxSteps(run, setup, means);
  const done: Step[] = [];
  for (const step of steps) {
    const { status, complaint } = await run(step.todo.program, step.todo.words, step.todo.input);
    if (status === 0) {
      done.push(step);
      continue;
    }
    for (const back of done.reverse().flatMap((one) => one.back)) await run(back.program, back.words, back.input);
    throw new StartError(`cannot ${shown(step.todo)}: ${complaint} (nothing was changed)`);
  }
  return steps.map(({ todo }) => shown(todo));
}

/** Takes away what is ours. Throws a StartError naming what could not be, the rest having gone. */
export async function undo(run: Run, setup: TransparentSetup, means: Means): Promise<string[]> {
  const calls = means === 'ipfw' ? [{ program: 'ipfw', words: ipfwUndo(setup) }] : await linuxRemains(run);
  const failures: string[] = [];
  for (const call of calls) {
    const { status, complaint } = await run(call.program, call.words, call.input);
    if (status !== 0) failures.push(`${shown(call)}: ${complaint}`);
  }
  if (failures.length > 0) throw new StartError(`cannot ${failures.join('; cannot ')}`);
  return calls.map(shown);
}

/** What the firewall is spoken to with: nft, or iptables where only that is there. Throws a StartError if neither is. */
export async function linuxMeans(run: Run): Promise<'nft' | 'iptables'> {
  if ((await run('nft', ['--version'])).status === 0) return 'nft';
  if ((await run('iptables-restore', ['--version'])).status === 0) return 'iptables';
  throw new StartError('cannot set up the firewall: neither nft nor iptables-restore is there (install nftables)');
}

async function linuxSteps(run: Run, setup: TransparentSetup, means: Means): Promise<Step[]> {
  const families = linuxFamilies();
  const [rules, own, there] = await Promise.all([
    readRules(run, families),
    readOwnRoutes(run, families),
    readRoutes(run, families, [setup.table]),
  ]);
  if (rules.some(({ owner, mark }) => owner !== OWNER && mark === setup.mark)) {
    throw new StartError(
      `cannot use mark ${hex(setup.mark)}: a routing rule of others has it (choose one with --mark)`,
    );
  }
  if (there.some(({ owner }) => owner !== OWNER)) {
    throw new StartError(`cannot use table ${setup.table}: it has routes of others (choose one with --table)`);
  }
  const steps = families.flatMap((family) => {
    const ruled = rules.filter((rule) => rule.owner === OWNER && rule.family === family);
    const isRight = ({ mark, table }: MarkRule) => mark === setup.mark && table === setup.table;
    const routed = own.filter((route) => route.family === family);
    return [
      ...ruled.filter((rule) => !isRight(rule)).map((rule) => removal(ruleWords(rule, family))),
      ...routed.filter(({ table }) => table !== setup.table).map((route) => removal(routeWords(route, family))),
      ...(routed.some(({ table }) => table === setup.table) ? [] : [addition(routeWords(setup, family))]),
      ...(ruled.some(isRight) ? [] : [addition(ruleWords(setup, family))]),
    ];
  });
  const firewall = means === 'nft' ? [await nftStep(run, setup)] : await iptablesSteps(run, setup, families);
  return [...steps, ...firewall];
}

async function nftStep(run: Run, setup: TransparentSetup): Promise<Step> {
  const before = await run('nft', ['-s', 'list', 'table', 'inet', NFT_TABLE]);
  const back = nftUndoText() + (before.status === 0 ? before.stdout : '');
  return { todo: nft(nftText(setup)), back: [nft(back)] };
}

async function iptablesSteps(run: Run, setup: TransparentSetup, families: readonly Family[]): Promise<Step[]> {
  const steps: Step[] = [];
  for (const family of families) {
    const { stdout } = await run(iptables(family, 'save'), ['-t', 'mangle']);
    const { isOurs, isHooked, own } = parseIptables(stdout);
    const unhook = isHooked ? [] : [`-D PREROUTING -j ${IPTABLES_CHAIN}`];
    const before = ['*mangle', ...unhook, `:${IPTABLES_CHAIN} - [0:0]`, ...own, 'COMMIT', ''].join('\n');
    const back = [restore(family, isOurs ? before : iptablesUndoText(true))];
    steps.push({ todo: restore(family, iptablesText(setup, isHooked)), back });
  }
  return steps;
}

/** Everything of ours that is there, in the order in which it may go. */
async function linuxRemains(run: Run): Promise<Call[]> {
  const families = linuxFamilies();
  const calls: Call[] = [];
  if ((await run('nft', ['list', 'table', 'inet', NFT_TABLE])).status === 0) calls.push(nft(nftUndoText()));
  for (const family of families) {
    const { status, stdout } = await run(iptables(family, 'save'), ['-t', 'mangle']);
    const { isOurs, isHooked } = parseIptables(stdout);
    if (status === 0 && isOurs) calls.push(restore(family, iptablesUndoText(isHooked)));
  }
  const [rules, routes] = await Promise.all([readRules(run, families), readOwnRoutes(run, families)]);
  return [
    ...calls,
    ...rules.filter(({ owner }) => owner === OWNER).map((rule) => ip(inverse(ruleWords(rule, rule.family)))),
    ...routes.map((route) => ip(inverse(routeWords(route, route.family)))),
  ];
}

/** The rules of that number give way to new ones; they are ours if all of them forward. */
async function ipfwSteps(run: Run, setup: TransparentSetup): Promise<Step[]> {
  const { stdout } = await run('ipfw', ['list', String(setup.table)]);
  const before = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' ').slice(1));
  if (before.some(([action]) => action !== 'fwd')) {
    throw new StartError(`cannot use rule number ${setup.table}: it has rules of others (choose one with --table)`);
  }
  const remove: Call = { program: 'ipfw', words: ipfwUndo(setup) };
  const again = before.map((words): Call => ({ program: 'ipfw', words: ['-q', 'add', String(setup.table), ...words] }));
  const added = ipfwRules(setup).map(
    (words, i): Step => ({ todo: { program: 'ipfw', words }, back: i === 0 ? [remove] : [] }),
  );
  return [...(before.length > 0 ? [{ todo: remove, back: again }] : []), ...added];
}

function addition(words: readonly string[]): Step {
  return { todo: ip(words), back: [ip(inverse(words))] };
}

function removal(words: readonly string[]): Step {
  return { todo: ip(inverse(words)), back: [ip(words)] };
}

function ip(words: readonly string[]): Call {
  return { program: 'ip', words };
}

function nft(input: string): Call {
  return { program: 'nft', words: ['-f', '-'], input };
}

function restore(family: Family, input: string): Call {
  return { program: iptables(family, 'restore'), words: ['--noflush'], input };
}

function iptables(family: Family, what: 'save' | 'restore'): string {
  return `${family === 4 ? 'iptables' : 'ip6tables'}-${what}`;
}

/** A call as one would type it; of what is fed to it the part that matters. */
function shown({ program, words, input }: Call): string {
  if (input === undefined) return [program, ...words].join(' ');
  return `${program} ${words.join(' ')} (${program === 'nft' ? `table inet ${NFT_TABLE}` : `chain ${IPTABLES_CHAIN}`})`;
}
