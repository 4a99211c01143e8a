/**
 * The running balancer as the operator sees it. It holds the Setup, gives each change to the data plane, and
 * runs commands one at a time, in the order in which they came; those that only look do not wait.
 */
import { type Endpoint, formatEndpoint } from '../core/address.js';
import { type Configuration, isTransparent } from '../core/configuration.js';
import type { ServerState } from '../core/server-state.js';
import type { EngineName } from '../engine/engine.js';
import type { DataPlane } from '../proxy/data-plane.js';
import { Refusal } from '../proxy/refusal.js';
import type { CertificateReport } from '../tls/credential.js';
import type { LoadedTls } from '../tls/load.js';
import type { Origin } from './argument.js';
import { ClientWalks } from './client-walks.js';
import { CommandQueue } from './command-queue.js';
import { CommandRunner } from './command-runner.js';
import { printReplies, Script, type ScriptReply } from './config-file.js';
import { configurationText } from './configuration-text.js';
import { ControlKeeper } from './control-keeper.js';
import { Draft, emptySetup, type Floors, type Setup } from './draft.js';
import { CommandError, ConfigurationError, causeOf } from './errors.js';
import type { PenEvent } from './event-log.js';
import { listenCause } from './listen-cause.js';
import { LogKeeper } from './log-keeper.js';
import { Observer } from './observer.js';
import { prepared } from './preparation.js';
import { isSame, published, replacedSlots } from './published.js';
import { replaceFile } from './replace-file.js';
import type { AdminDoor, CommandLine, ServiceOptions } from './service-options.js';
import { setupProblems } from './setup-problems.js';
import type { Moment } from './snapshot.js';
import { statisticsLines, statisticsPage } from './statistics-page.js';
import { needsTls, TlsKeeper } from './tls-keeper.js';
import { TransparencyWatch } from './transparency-watch.js';
import { Views } from './views.js';

/** A name server may keep a command waiting longer than anybody waits for the end. */
const STOP_PATIENCE_MS = 1_000;
/** How often the workers' counts of trouble are looked at. */
const WATCH_MS = 1_000;

/** What a draft says of the state of servers, by slot. */
type DraftState = Pick<Draft, 'blacklists' | 'drains'>;

export class Service {
  readonly clientWalks = new ClientWalks();
  readonly views = new Views({
    setup: () => this.#setup,
    dataPlane: () => this.dataPlane,
    moment: () => this.#moment(),
  });
  readonly #options: ServiceOptions;
  readonly #log: LogKeeper;
  #setup: Setup = emptySetup;
  /** What the command line alone says: every reading of the file begins with it. */
  #base: Setup = emptySetup;
  #file: string | undefined;
  #fileText = '';
  #dataPlane: DataPlane | undefined;
  #watch: NodeJS.Timeout | undefined;
  #admin: AdminDoor | undefined;
  #replies: readonly ScriptReply[] = [];
  #state: DraftState = { blacklists: new Map(), drains: new Map() };
  #observer: Observer | undefined;
  #startedMs = 0;
  readonly #queue = new CommandQueue();
  readonly #runner: CommandRunner;
  readonly #control = new ControlKeeper();
  readonly #tls = new TlsKeeper({
    events: {
      changed: () => this.#republish(),
      staleStaples: () => void this.#queue.inTurn(async () => this.#restaple()),
    },
    wallMs: () => this.#options.wallMs(),
  });

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#log = new LogKeeper({
      monotonicMs: options.monotonicMs,
      wallMs: options.wallMs,
      warn: (line, isOver) => this.tell(isOver ? 'good' : 'bad', line),
    });
    this.#runner = new CommandRunner(this, {
      queue: this.#queue,
      draft: () => new Draft(this.#setup, this.#floors),
      commit: (draft) => this.#commit(draft),
      refresh: () => this.#dataPlane?.refresh?.(),
      print: options.print,
    });
  }

  get setup(): Setup {
    return this.#setup;
  }

  get engines(): readonly EngineName[] {
    return this.#options.engines;
  }

  /** The engine in use, undefined before the start. */
  get engine(): EngineName | 'xdp' | undefined {
    return this.#dataPlane?.engine;
  }

  /** The worker threads that run, undefined before the start. */
  get threads(): number | undefined {
    return this.#dataPlane?.threads;
  }

  get dataPlane(): DataPlane {
    if (!this.#dataPlane) throw new CommandError('pen has not started yet');
    return this.#dataPlane;
  }

  get observer(): Observer {
    if (!this.#observer) throw new CommandError('pen has not started yet');
    return this.#observer;
  }

  /** Where the admin pages are served, undefined if nowhere. */
  get adminEndpoint(): Endpoint | undefined {
    return this.#admin?.endpoint;
  }

  /** The token that the admin pages ask for. */
  get adminToken(): string | undefined {
    return this.#setup.adminToken?.token;
  }

  /** The Setup as the data plane has it. */
  get published(): Setup {
    return { ...this.#setup, configuration: published(this.#setup.configuration, this.#tls) };
  }

  get state(): ServerState {
    return this.dataPlane.servers;
  }

  get listening(): Endpoint | undefined {
    return this.#dataPlane?.listening;
  }

  /** The control address as it was given; '' if there is none. */
  get controlText(): string {
    return this.#control.text;
  }

  get pid(): number {
    return this.#options.pid;
  }

  get allowExit(): boolean {
    return this.#options.allowExit;
  }

  /** The certificates in use. */
  get certificates(): readonly CertificateReport[] {
    return this.#tls.inForce.loaded.certificates;
  }

  wallMs(): number {
    return this.#options.wallMs();
  }

  monotonicMs(): number {
    return this.#options.monotonicMs();
  }

  idlers(): number {
    return this.#dataPlane?.idlers() ?? 0;
  }

  /** Checks command line and file, whole. Throws ConfigurationError with every problem; starts nothing. */
  async prepare(commandLine: CommandLine): Promise<void> {
    const { base, setup, fileText, replies, state } = await prepared(commandLine, this);
    this.#base = base;
    this.#file = commandLine.file;
    this.#fileText = fileText;
    this.#replies = replies;
    this.#state = state;
    this.#setup = setup;
    this.#control.use(setup);
    try {
      this.#adoptTls(this.#setup, this.#loadTls(this.#setup));
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      throw new ConfigurationError([{ text: error.message, isUsage: false }]);
    }
  }

  /** Starts the data plane, then does what the command line and the file told it to do. */
  async start(): Promise<void> {
    const { configuration, listen, engine, admin } = this.#setup;
    const sink = await this.#log.open(configuration.settings);
    this.#dataPlane = await this.#options.startDataPlane(
      published(configuration, this.#tls),
      listen?.endpoint,
      engine,
      this.#setup,
    );
    await this.#log.use(configuration, sink, this.#dataPlane.logRings);
    const watch = new TransparencyWatch(this.#dataPlane.transparency, (level, line) => this.tellAt(level, line));
    this.#watch = setInterval(() => watch.look(this.monotonicMs()), WATCH_MS).unref();
    this.#tls.start();
    this.#drain(this.#state.drains);
    this.#blacklist(this.#state.blacklists);
    this.#startedMs = this.monotonicMs();
    this.#observer = new Observer({
      setup: () => this.#setup,
      dataPlane: this.#dataPlane,
      monotonicMs: () => this.monotonicMs(),
      wallMs: this.#options.wallMs,
      log: (line) => this.log(0, line),
    });
    const { version } = this.#options;
    this.#observer.events.record({ kind: 'pen', mood: 'good', text: `pen ${version} has started` });
    this.#observer.start();
    if (admin) this.#admin = await this.#options.openAdmin(admin.endpoint, this);
    const replies = this.#replies;
    this.#replies = [];
    await this.#queue.inTurn(() => printReplies(replies, this.#options.print));
  }

  /** Opens the control port or socket. Throws CommandError, also for a port that strangers could reach. */
  openControl(text: string, { root }: { root: boolean }): Promise<void> {
    return this.#control.open(text, this.#setup, { root, execute: (line, origin) => this.execute(line, origin) });
  }

  /** The reply to one command, newlines included; an error is a reply. Never rejects. */
  execute(line: string, origin: Origin): Promise<string> {
    return this.#runner.execute(line, origin);
  }

  /**
   * HUP: logs are opened anew, and if the file has changed, the settings become command line plus file. Never rejects;
   * problems are logged.
   */
  reload(): Promise<void> {
    return this.#queue.inTurn(async () => {
      await this.#log.reopen();
      await this.#refreshTls();
      if (this.#file === undefined) return;
      try {
        const file = await Script.of(this.#file);
        if (file.problems.length === 0 && file.text === this.#fileText) return;
        await this.#runner.applyScript(file, new Draft(this.#base, this.#floors));
        this.#fileText = file.text;
        this.log(0, `settings read again from ${this.#file}`);
        this.observer.events.record({ kind: 'command', mood: 'plain', text: `settings read again from ${this.#file}` });
      } catch (error) {
        const short = causeOf((error as Error).message);
        for (const problem of error instanceof ConfigurationError ? error.lines : [short])
          this.log(0, `old settings kept: ${problem}`);
        this.observer.events.record({ kind: 'command', mood: 'bad', text: `old settings kept: ${short}` });
      }
    });
  }

  /** Reads certificates and keys again. Throws CommandError, and then the old ones stay. */
  async reloadTls(): Promise<void> {
    this.#adoptTls(this.#setup, this.#loadTls(this.#setup));
    this.#republish();
  }

  /** USR1: the page to the web_stats file, or lines to the log. Never rejects. */
  writeStatistics(): Promise<void> {
    return this.#queue.inTurn(async () => {
      const { webStats } = this.#setup;
      try {
        const statistics = await this.views.statistics();
        if (webStats !== undefined) await replaceFile(webStats, statisticsPage(statistics));
        else for (const line of statisticsLines(statistics)) this.log(0, line);
      } catch (error) {
        this.log(0, `no statistics: ${(error as Error).message}`);
      }
    });
  }

  /** Writes every setting to `file`, or to the file of -F. Throws CommandError. */
  async write(file = this.#file): Promise<void> {
    if (file === undefined) throw new CommandError('expected FILE (pen was started without -F)');
    await replaceFile(file, configurationText(this.#setup, this.#base.configuration.servers.length));
  }

  /** Ends the process once the reply to the present command is on its way. */
  exitSoon(): void {
    setImmediate(() => this.#options.exit(0));
  }

  /** For an error that nobody has caught, and for a data plane that died. */
  fatal(error: unknown): void {
    const said = error instanceof Refusal ? error.message : (error as Error).stack;
    this.log(0, `fatal: ${said ?? error}`);
    if (this.#setup.configuration.settings.abortOnError) this.#options.abort();
    else this.#options.exit(1);
  }

  log(level: number, line: string): void {
    if (level <= this.#setup.configuration.settings.debug) this.#options.log(level, line);
  }

  /** What an operator should hear of: a line of the log, and an event. */
  tell(mood: PenEvent['mood'], line: string): void {
    this.log(0, line);
    this.#observer?.events.record({ kind: 'pen', mood, text: line });
  }

  /** The same for bad news that come with a level: what is only for `debug` is no event. */
  tellAt(level: number, line: string): void {
    if (level === 0) this.tell('bad', line);
    else this.log(level, line);
  }

  /** Closes the control port, gives the command that is running a moment to end, and stops the data plane. */
  async stop(): Promise<void> {
    clearInterval(this.#watch);
    this.#observer?.stop();
    this.#tls.stop();
    await this.#control.close();
    await this.#admin?.close();
    await this.#queue.emptied(STOP_PATIENCE_MS);
    await this.#dataPlane?.stop();
    await this.#log.close();
  }

  /** Makes the draft the Setup. What can fail comes first, so that a failure changes nothing. */
  async #commit(draft: Draft): Promise<void> {
    const was = this.#setup;
    const setup = draft.finish();
    const { dataPlane } = this;
    const [problem] = setupProblems(setup);
    if (problem !== undefined) throw new CommandError(problem);
    this.#control.require(setup);
    const loaded = needsTls(was, setup) ? this.#loadTls(setup) : undefined;
    const sink = await this.#log.open(setup.configuration.settings);
    const isMoved = !isSame(was.admin?.endpoint, setup.admin?.endpoint);
    const replaced = replacedSlots(was, setup);
    const before = this.#tls.inForce;
    let door: AdminDoor | undefined;
    try {
      if (isMoved && setup.admin) door = await this.#options.openAdmin(setup.admin.endpoint, this);
      if (setup.listen && setup.listen !== was.listen && !isSame(setup.listen.endpoint, was.listen?.endpoint)) {
        await this.#listen(setup.listen.endpoint, published(setup.configuration, this.#tls));
      }
      if (loaded !== undefined) this.#adoptTls(setup, loaded);
      // Before the workers hear of it: they let go of what they keep ready for a server that drains.
      this.#drain(new Map([...replaced.map((slot) => [slot, false] as const), ...draft.drains]));
      dataPlane.configure(published(setup.configuration, this.#tls));
    } catch (error) {
      this.#tls.restore(before);
      this.#tls.start();
      await sink?.close();
      await door?.close();
      throw error instanceof Refusal ? new CommandError(error.message) : error;
    }
    await this.#log.use(setup.configuration, sink, dataPlane.logRings);
    if (isMoved) {
      // Not awaited: the request that brought this command has still to be answered there.
      void this.#admin?.close();
      this.#admin = door;
    }
    this.#setup = setup;
    this.#control.use(setup);
    const { configuration } = setup;
    if (isTransparent(configuration.settings) && !isTransparent(was.configuration.settings)) {
      this.#options.becameTransparent?.(configuration);
    }
    for (const slot of replaced) this.state.clearCounts(slot);
    this.#blacklist(new Map([...replaced.map((slot) => [slot, 0] as const), ...draft.blacklists]));
  }

  #restaple(): void {
    for (const line of this.#tls.restaple()) this.log(0, line);
  }

  /** Never rejects; problems are logged. */
  async #refreshTls(): Promise<void> {
    if (this.#tls.inForce.loaded.plan === undefined) return;
    try {
      await this.reloadTls();
      this.log(0, 'certificates read again');
    } catch (error) {
      this.tell('bad', `old certificates kept: ${causeOf((error as Error).message)}`);
    }
  }

  /** Throws CommandError. */
  #loadTls({ tls, configuration, engine }: Setup): LoadedTls {
    const inUse = this.#dataPlane?.engine ?? engine;
    return this.#tls.load(tls, configuration.servers, {
      nowMs: this.#options.wallMs(),
      engine: inUse === 'xdp' ? 'auto' : inUse,
    });
  }

  #adoptTls(setup: Setup, loaded: LoadedTls): void {
    this.#tls.adopt(setup.tls, loaded);
    for (const warning of loaded.warnings) this.log(0, warning);
    if (this.#dataPlane) this.#tls.start();
  }

  #republish(): void {
    this.#dataPlane?.configure(published(this.#setup.configuration, this.#tls));
  }

  async #listen(endpoint: Endpoint, next: Configuration): Promise<void> {
    try {
      await this.dataPlane.listen(endpoint, next);
    } catch (error) {
      if (error instanceof Refusal) throw new CommandError(error.message);
      const where = formatEndpoint(endpoint);
      const text = `cannot listen on '${where}': ${listenCause(error, endpoint)}`;
      throw new CommandError(text, { isFromOutside: true, cause: error });
    }
  }

  #blacklist(seconds: ReadonlyMap<number, number>): void {
    const now = this.monotonicMs();
    for (const [slot, sec] of seconds) this.state.setBlacklistedUntil(slot, sec === 0 ? 0 : now + sec * 1000, true);
  }

  #drain(drains: ReadonlyMap<number, boolean>): void {
    for (const [slot, isDraining] of drains) this.state.setDraining(slot, isDraining);
  }

  #moment(): Moment {
    const { version, wallMs } = this.#options;
    return {
      monotonicMs: this.monotonicMs(),
      wallMs: wallMs(),
      startedMs: this.#startedMs,
      version,
      certificates: this.certificates,
      logLost: this.#log.lost,
    };
  }

  /** Tables in use never shrink. */
  get #floors(): Floors {
    const { clientsMax, connectionsMax } = this.#setup.configuration.settings;
    return { clientsMax, connectionsMax };
  }
}
