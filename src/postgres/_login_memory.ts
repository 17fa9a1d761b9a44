import { type Challenge, deriveKeys, type ScramKeys } from "./_scram.ts";

/**
 * What a login says before it was asked.
 *
 * - `"nothing"`: each message waits for the one before it.
 * - `"sync"`: behind its last message a Sync, which changes nothing: an answer
 *   to it shows that whoever is there reads what comes early.
 * - `"all"`: its first message goes along with the start-up, and the first
 *   flight with its last one. `"trial"` is the first time that this is done.
 */
export type Ahead = "nothing" | "sync" | "trial" | "all";

/**
 * What a driver has learned of its server by logging in.
 *
 * PostgreSQL reads what comes early, and so does PgBouncer. Of what else may
 * stand there nobody knows, so that it is found out, step by step, by one
 * connection at a time: one that fails does not keep the others out.
 */
export class LoginMemory {
  #next: Ahead;
  #kept: { readonly of: string; readonly keys: ScramKeys } | undefined;

  /** @param mayBeAhead Whether anything may ever be said early. */
  constructor(mayBeAhead: boolean) {
    this.#next = mayBeAhead ? "sync" : "nothing";
  }

  /** What the next login does; one that tries something is the only one. */
  take(): Ahead {
    const ahead = this.#next;
    if (ahead !== "all") this.#next = "nothing";
    return ahead;
  }

  /**
   * What has come of it.
   *
   * @param next What those that follow may do.
   */
  learn(next: Ahead): void {
    this.#next = next;
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
