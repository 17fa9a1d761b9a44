import { type Challenge, deriveKeys, type ScramKeys } from "./_scram.ts";

/**
 * What a login says before it was asked.
 *
 * - `"nothing"`: each message waits for the answer to the one before it.
 * - `"sync"`: behind its last message a Sync, which changes nothing: an answer
 *   to it shows that whoever is there reads what comes early.
 * - `"all"`: its first message goes along with the start-up, and the first
 *   flight with its last one. `"trial"` is the first time that this is done.
 */
export type Early = "nothing" | "sync" | "trial" | "all";

/** How often what was said early may have been the cause of a failure. */
const DOUBTS = 3;

/**
 * What a driver has learned of its server by logging in.
 *
 * PostgreSQL reads what comes early, and so does PgBouncer. Of what else may
 * stand there nobody knows, so that it is found out step by step, by one login
 * at a time: the others say nothing early. Where one fails, the next that says
 * nothing decides whether that was the cause.
 */
export class LoginMemory {
  #next: Early = "sync";
  /** What may have been the cause of a failure. */
  #doubted: Early | undefined;
  #doubts = 0;
  #kept: { readonly of: string; readonly keys: ScramKeys } | undefined;

  /** What the next login says early; who tries something is the only one. */
  take(): Early {
    const early = this.#next;
    if (early !== "all") this.#next = "nothing";
    return early;
  }

  /** What a login has said early was read. */
  learn(next: "trial" | "all"): void {
    this.#next = next;
    this.#doubted = undefined;
    if (next === "all") this.#doubts = 0;
  }

  /** A login ended before it could find anything out. */
  giveBack(early: Early): void {
    if (early === "sync" || early === "trial") this.#next = early;
  }

  /** A login failed, and what it had said early may be the cause. */
  doubt(early: Early): void {
    this.#next = "nothing";
    this.#doubted = early;
    this.#doubts++;
  }

  /** One that said nothing early was let in: so that was the cause. */
  convict(): void {
    const doubted = this.#doubted;
    this.#doubted = undefined;
    // What stood there before may come back.
    if (doubted === "all" && this.#doubts < DOUBTS) this.#next = "sync";
  }

  /** One that said nothing early failed as well: so it was not. */
  acquit(): void {
    const doubted = this.#doubted;
    this.#doubted = undefined;
    if (doubted === "all") this.#doubts--;
    if (doubted && this.#doubts < DOUBTS) this.#next = doubted;
  }

  /**
   * The keys that answer a challenge, if they are known: salt and count belong
   * to the role, and stay (RFC 5802, section 3, allows to keep what was made of
   * them). A pooler may have other ones each time.
   */
  keysFor(password: string, challenge: Challenge): ScramKeys | undefined {
    return this.#kept?.of === nameOf(password, challenge)
      ? this.#kept.keys
      : undefined;
  }

  /** Makes the keys, which costs thousands of hashes, and keeps them. */
  async makeKeys(password: string, challenge: Challenge): Promise<ScramKeys> {
    const keys = await deriveKeys(password, challenge);
    this.#kept = { of: nameOf(password, challenge), keys };
    return keys;
  }
}

function nameOf(password: string, { salt, iterations }: Challenge): string {
  return `${iterations} ${salt} ${password}`;
}
