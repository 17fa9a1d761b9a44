import type { NullpoolError } from "../errors/error.ts";
import { BlockStack } from "./_block_stack.ts";
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

/** Who may do what, now: the state of a session and its open blocks. */
export class Gate<Handle> {
  /** The open nested blocks. */
  readonly blocks: BlockStack<Handle>;
  readonly #open: () => OpenTransaction | undefined;
  #state: SessionState = "idle";

  /**
   * @param root Speaks while no block is open.
   * @param open Finds the open transaction.
   */
  constructor(root: Handle, open: () => OpenTransaction | undefined) {
    this.blocks = new BlockStack(root);
    this.#open = open;
  }

  /** Where the session stands. */
  get state(): SessionState {
    return this.#state;
  }

  /**
   * Refuses what this state, or another handle's block, forbids.
   *
   * @returns Where the call leads.
   * @throws {StateError} When it is refused.
   */
  allow(call: SessionCall, handle: Handle): SessionState {
    const next = this.permit(call);
    this.blocks.check(call, handle);
    return next;
  }

  /**
   * Refuses what this state forbids, whoever asks.
   *
   * @returns Where the call leads.
   * @throws {StateError} When it is refused.
   */
  permit(call: SessionCall): SessionState {
    const verdict = verdictOn(this.#state, call);
    if ("next" in verdict) return verdict.next;
    throw refusal(call, verdict.refusal, this.#state, this.#open()?.failure);
  }

  /**
   * Refuses what has to wait for a statement.
   *
   * @throws {StateError} When one is running.
   */
  refuseBusy(call: string): void {
    if (this.#open()?.busy) throw busyError(call, "a statement");
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
