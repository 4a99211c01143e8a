/** The signals that an operator sends. */

export interface SignalHandlers {
  /** HUP: read the configuration file again. */
  reload(): void;
  /** USR1: write statistics. */
  statistics(): void;
  /** TERM, INT. */
  end(): void;
}

/** Takes over the signals of this process, on Windows only TERM and INT. What bin/pen has set up may stay: it does nothing. */
export function onSignals(handlers: SignalHandlers): void {
  process.on('SIGTERM', () => handlers.end());
  process.on('SIGINT', () => handlers.end());
  if (process.platform === 'win32') return;
  process.on('SIGHUP', () => handlers.reload());
  process.on('SIGUSR1', () => handlers.statistics());
}
