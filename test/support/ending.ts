/** What a scenario has started is ended when its test ends, the last started first, whatever else fails. */
export interface Scene {
  after(end: () => unknown): void;
}

const stacks = new WeakMap<Scene, Array<() => unknown>>();

/** Runs `end` when the test `t` is over, before everything that was registered earlier. */
export function atEnd(t: Scene, end: () => unknown): void {
  const stack = stacks.get(t);
  if (stack) {
    stack.push(end);
    return;
  }
  const fresh = [end];
  stacks.set(t, fresh);
  t.after(() => unwind(fresh));
}

async function unwind(stack: Array<() => unknown>): Promise<void> {
  const failures: unknown[] = [];
  for (let end = stack.pop(); end; end = stack.pop()) {
    try {
      await end();
    } catch (failure) {
      failures.push(failure);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, 'several things did not end cleanly');
}
