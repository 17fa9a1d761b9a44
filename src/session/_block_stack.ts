import type { CallSites } from "./_call_site.ts";
import { busyError, endedError, openBlockError } from "./_refusals.ts";
import type { Savepoint } from "./savepoint.ts";
import type { SessionCall } from "./session_state.ts";

/** One open nested block. */
export interface Block<Handle> {
  /** Who may speak while it is the innermost one. */
  readonly handle: Handle;
  /** None for a block that is the root transaction. */
  readonly savepoint: Savepoint | undefined;
  /** Set when its end has begun: nobody may speak until it is over. */
  isEnding: boolean;
  /** Where it was opened, in development mode. */
  readonly place: string;
}

/** The open nested blocks of a session, and who may speak. */
export class BlockStack<Handle> {
  readonly #root: Handle;
  readonly #sites: CallSites | undefined;
  readonly #blocks: Block<Handle>[] = [];

  /**
   * @param root Speaks while no block is open.
   * @param sites Remembers who called, in development mode.
   */
  constructor(root: Handle, sites: CallSites | undefined) {
    this.#root = root;
    this.#sites = sites;
  }

  /** Who may speak now. */
  get innermost(): Handle {
    return this.#blocks.at(-1)?.handle ?? this.#root;
  }

  /** Whether any block is open. */
  get isOpen(): boolean {
    return this.#blocks.length > 0;
  }

  /** Whether one of them is a savepoint. */
  get hasSavepoint(): boolean {
    return this.#blocks.some(({ savepoint }) => savepoint !== undefined);
  }

  /** Opens one inside the others. */
  push(handle: Handle, savepoint: Savepoint | undefined): Block<Handle> {
    const place = this.#sites?.of("beginNested") ?? "";
    const block = { handle, savepoint, isEnding: false, place };
    this.#blocks.push(block);
    return block;
  }

  /** Whether it has not ended. */
  includes(block: Block<Handle>): boolean {
    return this.#blocks.includes(block);
  }

  /** Whether a handle is that of an open block, or the session itself. */
  has(handle: Handle): boolean {
    return handle === this.#root ||
      this.#blocks.some((block) => block.handle === handle);
  }

  /** Ends one with all inside it; one that has ended is left alone. */
  leave(block: Block<Handle>): void {
    const at = this.#blocks.indexOf(block);
    if (at >= 0) this.#blocks.length = at;
  }

  /** Ends all. */
  clear(): void {
    this.#blocks.length = 0;
  }

  /**
   * Refuses whoever may not speak.
   *
   * @throws {StateError} When the handle is dead, or an inner block is open.
   */
  check(call: SessionCall, handle: Handle): void {
    if (!this.has(handle)) throw endedError(call);
    const inner = this.#blocks.at(-1);
    if (handle !== this.innermost) throw openBlockError(call, inner?.place);
    // With a savepoint end all that are inside it.
    const at = this.#blocks.findIndex(({ isEnding }) => isEnding);
    if (at < 0) return;
    // A block's own handle is dead from here on; a bare savepoint has none.
    const outer = this.#blocks[at - 1]?.handle ?? this.#root;
    throw handle === outer
      ? busyError(call, "the rollback of a savepoint", this.#blocks[at]?.place)
      : endedError(call);
  }
}
