/** What a data plane says of a configuration or an address that it cannot serve; nothing has changed then. */
export class Refusal extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Refusal';
  }
}
