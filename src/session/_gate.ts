import type { NullpoolError } from "../errors/error.ts";
import { BlockStack } from "./_block_stack.ts";
import type { CallSites } from "./_call_site.ts";
import { busyError, refusal } from "./_refusals.ts";
import {
  type SessionCall,
  type SessionState,
  type SessionTurn,
  stateAfter,
  verdictOn,
} from "./session_state.ts";

/** What a gate has to know of the open transaction. */
interface OpenTransaction {
  /** What it has failed with. */
  readonly failure: NullpoolError | undefined;
  /** Whether a statement was issued and not answered yet. */
  readonly busy: boolean;
}

/** How a gate refuses. */
export interface GateOptions {
  /** Refuses whoever is another task than the session's. */
  readonly guard?: (() => void) | undefined;
  /**
   * What to do once the session is closed, as its error says it.
   *
   * @default {"open another one"}
   */
  readonly closedHint?: string | undefined;
}

/** Who may do what, now: the state of a session and its open blocks. */
export class Gate<Handle> {
  /** The open nested blocks. */
  readonly blocks: BlockStack<Handle>;
  readonly #open: () => OpenTransaction | undefined;
  readonly #sites: CallSites | undefined;
  readonly #options: GateOptions;
  #state: SessionState = "idle";

  /**
   * @param root Speaks while no block is open.
   * @param open Finds the open transaction.
   * @param sites Remembers who called, in development mode.
   * @param options Who is refused, and what is said.
   */
  constructor(
    root: Handle,
    open: () => OpenTransaction | undefined,
    sites: CallSites | undefined,
    options: GateOptions,
  ) {
    this.blocks = new BlockStack(root, sites);
    this.#open = open;
    this.#sites = sites;
    this.#options = options;
  }

  /** Where the session stands. */
  get state(): SessionState {
    return this.#state;
  }

  /**
   * Refuses what this state, or another handle's block, forbids, and whoever
   * is another task.
   *
   * @returns Where the call leads.
   * @throws {StateError} When it is refused.
   */
  allow(call: SessionCall, handle: Handle): SessionState {
    const next = this.#check(call);
    this.#options.guard?.();
    this.blocks.check(call, handle);
    this.#sites?.note(call);
    return next;
  }

  /**
   * Refuses what this state forbids, whoever asks.
   *
   * @returns Where the call leads.
   * @throws {StateError} When it is refused.
   */
  permit(call: SessionCall): SessionState {
    const next = this.#check(call);
    this.#sites?.note(call);
    return next;
  }

  /**
   * Refuses what has to wait for a statement.
   *
   * @throws {StateError} When one is running.
   */
  refuseBusy(call: string): void {
    if (!this.#open()?.busy) return;
    throw busyError(call, "a statement", this.#sites?.of("execute"));
  }

  #check(call: SessionCall): SessionState {
    const verdict = verdictOn(this.#state, call);
    if ("next" in verdict) return verdict.next;
    throw refusal(call, verdict.refusal, {
      state: this.#state,
      failure: this.#open()?.failure,
      closedHint: this.#options.closedHint ?? "open another one",
      placeOf: (earlier) => this.#sites?.of(earlier) ?? "",
    });
  }

  /** Goes where a call leads. */
  enter(state: SessionState): void {
    this.#state = state;
  }

  /** Follows what has happened. */
  turn(turn: SessionTurn): void {
    this.#state = stateAfter(this.#state, turn);
  }
}
