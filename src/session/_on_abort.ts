/** All that waits for one signal. */
interface Waiting {
  /** What is called back. */
  readonly callbacks: Set<() => void>;
  /** Calls it back. */
  readonly listener: () => void;
}

const WAITING = new WeakMap<AbortSignal, Waiting>();

/**
 * Calls back when a signal fires, also one that has. It listens once, however
 * many wait for that signal, as all sessions of a server for its end: Node
 * warns of more than ten listeners, as of a leak.
 *
 * @param signal What is waited for.
 * @param callback Given its reason; it must not throw.
 * @returns Waits no more.
 */
export function onAbort(
  signal: AbortSignal,
  callback: (reason: unknown) => void,
): () => void {
  const own = () => callback(signal.reason);
  if (signal.aborted) {
    own();
    return () => {};
  }
  const { callbacks, listener } = WAITING.get(signal) ?? listenTo(signal);
  callbacks.add(own);
  return () => {
    const isLast = callbacks.delete(own) && callbacks.size === 0;
    if (!isLast) return;
    signal.removeEventListener("abort", listener);
    WAITING.delete(signal);
  };
}

function listenTo(signal: AbortSignal): Waiting {
  const callbacks = new Set<() => void>();
  const waiting = {
    callbacks,
    // Who waits no more, because of another one's end, is passed over.
    listener: () => callbacks.forEach((each) => each()),
  };
  WAITING.set(signal, waiting);
  signal.addEventListener("abort", waiting.listener);
  return waiting;
}
