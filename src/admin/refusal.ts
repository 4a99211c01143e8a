/** A request that is not done, and the HTTP status that says so. */
export class Refusal extends Error {
  readonly code = 'ERR_PEN_ADMIN_REFUSAL';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.headers = headers;
  }
}
