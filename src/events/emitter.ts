import { checkArgument, checkFunction } from "../errors/check_argument.ts";
import type { EngineEvent, EventMap } from "./event.ts";
import { EVENT_TYPES } from "./event_types.ts";

/** Hears events of one type. */
export type Listener<Type extends keyof EventMap> = (
  event: EventMap[Type],
) => void;

/**
 * Tells listeners what happens. A listener that throws cannot break a session.
 *
 * @example One listener
 * ```ts
 * import { Emitter } from "@nullpool/db";
 * import { assertEquals } from "@std/assert";
 *
 * const emitter = new Emitter();
 * const types: string[] = [];
 * emitter.on("close", (event) => types.push(event.type));
 * emitter.emit({ type: "close" });
 * assertEquals(types, ["close"]);
 * ```
 */
export class Emitter {
  readonly #listeners = new Map<string, Set<(event: EngineEvent) => unknown>>();

  /**
   * Adds a listener.
   *
   * @param type Which events.
   * @param listener Called for each, in order of addition.
   * @returns Removes the listener.
   * @throws {TypeError} When there are no such events, or it is no function.
   */
  on<Type extends keyof EventMap>(
    type: Type,
    listener: Listener<Type>,
  ): () => void {
    checkArgument(
      Object.hasOwn(EVENT_TYPES, type),
      `listen to "${type}"`,
      `one of ${Object.keys(EVENT_TYPES).join(", ")}`,
    );
    checkFunction(listener, `listen to "${type}"`);
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    function hear(event: EngineEvent): unknown {
      return isOfType(event, type) ? listener(event) : undefined;
    }
    listeners.add(hear);
    return () => listeners.delete(hear);
  }

  /**
   * Whether anybody listens: an event nobody hears need not be made.
   *
   * @param type Which events.
   */
  hears(type: keyof EventMap): boolean {
    return (this.#listeners.get(type)?.size ?? 0) > 0;
  }

  /**
   * Tells an event.
   *
   * @param event What happened.
   */
  emit(event: EngineEvent): void {
    for (const listener of this.#listeners.get(event.type) ?? []) {
      try {
        const answer: unknown = listener(event);
        if (answer instanceof Promise) {
          answer.catch((error) => this.#tellError(event, error));
        }
      } catch (error) {
        this.#tellError(event, error);
      }
    }
  }

  /** Thrown on, it would end the process or fail a session that is well. */
  #tellError({ type }: EngineEvent, error: unknown): void {
    if (type !== "listenerError") this.emit({ type: "listenerError", error });
  }
}

function isOfType<Type extends keyof EventMap>(
  event: EngineEvent,
  type: Type,
): event is EventMap[Type] {
  return event.type === type;
}
