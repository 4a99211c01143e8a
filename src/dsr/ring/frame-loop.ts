/** The decision on frames of a ring, one after the other. Hot path: nothing is allocated for a frame. */
import type { Decision } from '../decision.js';
import { OUTCOMES, type Outcome, verdictOf, XDP_PASS, XDP_TX } from '../layout.js';
import type { FrameRing } from './frame-ring.js';

/** By outcome. */
const VERDICTS = Uint8Array.from({ length: OUTCOMES }, (_, outcome) => verdictOf(outcome as Outcome));

/** Frames decided on before the thread looks at its mail again. */
const MOST_FRAMES = 65_536;

/** Decides on what has come, at most MOST_FRAMES; `passes` sees each frame that is the host's, before the host does. */
export function decideAll(ring: FrameRing, decision: Decision, passes?: (frame: Uint8Array, length: number) => void) {
  for (let left = MOST_FRAMES; left > 0 && ring.next(); left--) {
    const verdict = VERDICTS[decision.decide(ring.frame, ring.length)];
    if (verdict === XDP_TX) ring.transmit(decision.length);
    else if (verdict === XDP_PASS) {
      if (passes !== undefined) passes(ring.frame, ring.length);
      ring.pass();
    }
  }
  ring.flush();
}
