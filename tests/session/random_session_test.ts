import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  createEngine,
  DatabaseError,
  type Engine,
  NullpoolError,
  QueuePool,
  type Session,
  sessionmaker,
  type SessionTransaction,
  type TransactionHandle,
} from "../../mod.ts";
import type { Driver } from "../../src/driver/driver.ts";
import { postgres } from "../../src/postgres/mod.ts";
import {
  type SessionCall,
  type SessionState,
  verdictOn,
} from "../../src/session/session_state.ts";
import { testDatabase } from "../support/postgres.ts";
import { type Random, seeded, testSeed } from "../support/random.ts";

const ROUNDS = 2_000;
const MAX_DEPTH = 3;

/** Who issues statements: the session, or what a block was given. */
type Speaker = Session | SessionTransaction;

/** A savepoint, or a block that is the root transaction. */
interface Open {
  /** Who may speak inside. */
  readonly speaker: Speaker;
  /** How many rows were pending when it was opened. */
  readonly rowsBefore: number;
}

class UserError extends Error {}

/** Random calls of one session, and what a correct one would answer. */
class Play {
  readonly #random: Random;
  readonly #db: Session;
  readonly #newId: () => number;
  readonly saved: number[] = [];
  readonly calls: string[] = [];
  #state: SessionState = "idle";
  #pending: number[] = [];
  #open: Open[] = [];
  #handles: { handle: TransactionHandle; open: Open }[] = [];
  #isExplicit = false;
  #hasWritten = false;
  #isRollbackOnly = false;
  #isInBlock = false;
  #failure: unknown;

  constructor(random: Random, db: Session, newId: () => number) {
    this.#random = random;
    this.#db = db;
    this.#newId = newId;
  }

  get #innermost(): Speaker {
    return this.#open.at(-1)?.speaker ?? this.#db;
  }

  /** The code that a call has to be refused with, if it has to be. */
  #refusal(call: SessionCall, speaker: Speaker): string | undefined {
    const verdict = verdictOn(this.#state, call);
    if ("refusal" in verdict) return verdict.refusal;
    if (speaker === this.#innermost) return undefined;
    const isOpen = speaker === this.#db ||
      this.#open.some((open) => open.speaker === speaker);
    return isOpen ? "NESTED_BLOCK_OPEN" : "TRANSACTION_ENDED";
  }

  async #expect(
    name: string,
    refusal: string | undefined,
    call: () => PromiseLike<unknown>,
  ): Promise<boolean> {
    this.calls.push(name);
    let error: unknown;
    try {
      await call();
    } catch (thrown) {
      error = thrown;
    }
    const code = error instanceof NullpoolError ? error.code : error;
    assertEquals(code, refusal, name);
    if (code === "TRANSACTION_FAILED") {
      // The first failure stays the first.
      assertStrictEquals((error as NullpoolError).cause, this.#failure);
    }
    return error === undefined;
  }

  #begun(): void {
    if (this.#state === "idle") this.#state = "active";
  }

  #ended(): void {
    this.#state = this.#isInBlock ? "ended" : "idle";
    this.#pending = [];
    this.#open = [];
    this.#isExplicit = this.#hasWritten = this.#isRollbackOnly = false;
  }

  async insert(speaker: Speaker): Promise<void> {
    const id = this.#newId();
    const refusal = this.#refusal("execute", speaker);
    const isDone = await this.#expect(
      `insert ${id}`,
      refusal,
      () => speaker.execute(`insert into notes values (${id})`),
    );
    if (!isDone) return;
    this.#begun();
    this.#pending.push(id);
    this.#hasWritten = true;
  }

  async fail(speaker: Speaker): Promise<void> {
    const refusal = this.#refusal("execute", speaker);
    if (refusal !== undefined) return await this.insert(speaker);
    this.calls.push("fail");
    try {
      await speaker.execute("no sql");
    } catch (error) {
      this.#failure = error;
    }
    assert(this.#failure instanceof DatabaseError);
    this.#hasWritten = true;
    this.#state = "failed";
  }

  async begin(): Promise<void> {
    const isOpen = this.#isExplicit || this.#hasWritten;
    const refusal = this.#refusal("begin", this.#db) ??
      (isOpen ? "TRANSACTION_OPEN" : undefined);
    if (await this.#expect("begin", refusal, () => this.#db.begin())) {
      this.#begun();
      this.#isExplicit = true;
    }
  }

  async commit(): Promise<void> {
    const refusal = this.#refusal("commit", this.#db) ??
      (this.#isRollbackOnly ? "ROLLBACK_ONLY" : undefined);
    if (await this.#expect("commit", refusal, () => this.#db.commit())) {
      this.saved.push(...this.#pending);
      if (this.#state !== "idle") this.#ended();
    }
  }

  async rollback(): Promise<void> {
    await this.#expect("rollback", undefined, () => this.#db.rollback());
    if (this.#state === "active" || this.#state === "failed") this.#ended();
  }

  async close(): Promise<void> {
    await this.#expect("close", undefined, () => this.#db.close());
    this.#ended();
    this.#state = "closed";
  }

  async setRollbackOnly(): Promise<void> {
    const refusal = this.#state === "failed"
      ? undefined
      : this.#refusal("execute", this.#innermost);
    const isDone = await this.#expect(
      "setRollbackOnly",
      refusal,
      async () => await Promise.resolve(this.#db.setRollbackOnly()),
    );
    if (!isDone) return;
    this.#begun();
    this.#isRollbackOnly = true;
  }

  async openSavepoint(speaker: Speaker): Promise<void> {
    const refusal = this.#refusal("beginNested", speaker);
    let handle: TransactionHandle | undefined;
    await this.#expect("beginNested", refusal, async () => {
      handle = await speaker.beginNested();
    });
    if (handle === undefined) return;
    this.#begun();
    const open = { speaker, rowsBefore: this.#pending.length };
    this.#open.push(open);
    this.#handles.push({ handle, open });
  }

  /** Ends one of all savepoints there ever were, dead ones included. */
  async endSavepoint(): Promise<void> {
    const chosen = this.#handles[this.#random(this.#handles.length)];
    if (chosen === undefined) return await this.insert(this.#innermost);
    const { handle, open } = chosen;
    const at = this.#open.indexOf(open);
    assertEquals(handle.isActive, at >= 0);
    const dead = at < 0 ? "TRANSACTION_ENDED" : undefined;
    if (this.#random(2) === 0) {
      const refusal = dead ?? this.#refusal("release", open.speaker);
      const isDone = await this.#expect(
        "release",
        refusal,
        () => handle.commit(),
      );
      if (isDone) this.#open.length = at;
    } else if (
      await this.#expect("rollbackTo", dead, () => handle.rollback())
    ) this.#undo(open);
  }

  #undo(open: Open): void {
    this.#pending.length = open.rowsBefore;
    this.#open.length = this.#open.indexOf(open);
    if (this.#state === "failed") this.#state = "active";
  }

  /** A block, with random calls inside; it may throw at its end. */
  async block(speaker: Speaker, depth: number): Promise<void> {
    const refusal = this.#refusal("beginNested", speaker);
    const isRoot = this.#open.length === 0 && !this.#isExplicit &&
      !this.#hasWritten;
    const isThrowing = this.#random(3) === 0;
    let open: Open | undefined;
    let error: unknown;
    this.calls.push("block {");
    try {
      await speaker.transaction(async (tx) => {
        this.#begun();
        open = { speaker: tx, rowsBefore: this.#pending.length };
        this.#open.push(open);
        if (isRoot) this.#isExplicit = this.#isInBlock = true;
        await this.steps(tx, depth + 1);
        if (isThrowing) throw new UserError();
      });
    } catch (thrown) {
      error = thrown;
    }
    this.calls.push("}");
    if (open === undefined) {
      assert(error instanceof NullpoolError);
      assertEquals<string | undefined>(error.code, refusal);
      return;
    }
    const isLive = this.#open.includes(open);
    // Whoever asked for the rollback has dealt with the failure.
    const hasFailed = this.#state === "failed" && isLive &&
      !(isRoot && this.#isRollbackOnly);
    if (isThrowing) assert(error instanceof UserError);
    else if (hasFailed) {
      assert(error instanceof NullpoolError);
      assertEquals(error.code, "TRANSACTION_FAILED");
    } else assertEquals(error, undefined);
    if (isRoot) this.#endRoot(isLive, isThrowing);
    else if (isLive) {
      if (isThrowing || hasFailed) this.#undo(open);
      else this.#open.length = this.#open.indexOf(open);
    }
  }

  #endRoot(isLive: boolean, isThrowing: boolean): void {
    this.#isInBlock = false;
    if (this.#state === "ended") this.#state = "idle";
    if (!isLive) return;
    const isSaved = this.#state === "active" && !isThrowing &&
      !this.#isRollbackOnly;
    if (isSaved) this.saved.push(...this.#pending);
    this.#ended();
  }

  /** Anybody who could speak now, or could once. */
  #someone(speaker: Speaker): Speaker {
    const all = [speaker, this.#innermost, this.#innermost, this.#db];
    return all[this.#random(all.length)] ?? speaker;
  }

  async steps(speaker: Speaker, depth = 0): Promise<void> {
    for (let count = 1 + this.#random(5); count > 0; count--) {
      await this.#step(speaker, depth);
      assertEquals(this.#db.state, this.#state, "state");
      assertEquals(this.#db.inTransaction, this.#isOpen, "inTransaction");
    }
  }

  get #isOpen(): boolean {
    return this.#state === "active" || this.#state === "failed";
  }

  async #step(speaker: Speaker, depth: number): Promise<void> {
    const someone = this.#someone(speaker);
    switch (this.#random(16)) {
      case 0:
        return await this.begin();
      case 1:
      case 2:
        return await this.commit();
      case 3:
        return await this.rollback();
      case 4:
        return await this.fail(someone);
      case 5:
        return await this.openSavepoint(someone);
      case 6:
      case 7:
        return await this.endSavepoint();
      case 8:
        return this.#random(4) === 0
          ? await this.setRollbackOnly()
          : await this.insert(someone);
      case 9:
        return this.#random(8) === 0
          ? await this.close()
          : await this.insert(someone);
      case 10:
      case 11:
        return depth < MAX_DEPTH
          ? await this.block(someone, depth)
          : await this.insert(someone);
      default:
        return await this.insert(someone);
    }
  }
}

/** A driver that checks what is sent: savepoints nest, and no name comes twice. */
function watched(driver: Driver): Driver {
  return {
    ...driver,
    async connect(options) {
      const connection = await driver.connect(options);
      let open: string[] = [];
      let used = new Set<string>();
      const send: typeof connection.send = (statements) => {
        for (const { text } of statements) {
          const [, verb, name = ""] =
            /^(savepoint|release savepoint|rollback to savepoint) (\S+)$/
              .exec(text) ?? [];
          if (verb === "savepoint") {
            assert(!used.has(name), `${name} comes twice`);
            used.add(name);
            open.push(name);
          } else if (verb !== undefined) {
            assert(open.includes(name), `${name} is not open`);
            const isReleased = verb === "release savepoint";
            open = open.slice(0, open.indexOf(name) + (isReleased ? 0 : 1));
          } else if (/^(begin|commit|rollback)/.test(text)) {
            open = [];
            used = new Set();
          }
        }
        return connection.send(statements);
      };
      return {
        get usable() {
          return connection.usable;
        },
        send,
        close: () => connection.close(),
      };
    },
  };
}

async function playRound(
  engine: Engine,
  random: Random,
  newId: () => number,
): Promise<number[]> {
  const db = sessionmaker(engine)();
  const play = new Play(random, db, newId);
  try {
    await play.steps(db);
    if (db.state !== "closed") await play.close();
    assertEquals(engine.status().checkedOut, 0, "a connection without holder");
    return play.saved;
  } catch (error) {
    console.log(play.calls.join("; "));
    throw error;
  }
}

Deno.test("Session keeps the table of states whatever is called", async () => {
  await using database = await testDatabase({
    setup: "create table notes (id int primary key)",
  });
  // Twenty thousand statements would hide what other tests look for in the log.
  await database.query(
    `alter database "${database.name}" set log_statement = 'none'`,
  );
  await using engine = createEngine(watched(postgres(database.url)), {
    pool: (driver) => new QueuePool(driver, { poolSize: 1, maxOverflow: 0 }),
  });
  const random = seeded(testSeed());
  const saved: number[] = [];
  let ids = 0;
  for (let round = 0; round < ROUNDS; round++) {
    saved.push(...await playRound(engine, random, () => ++ids));
    if (round % 50 !== 0) continue;
    const open = await database.query(
      `select 1 from pg_stat_activity where datname = current_database()
        and state like 'idle in transaction%'`,
    );
    assertEquals(open, [], "a transaction is open after close");
  }
  const rows = await database.query("select id from notes order by id");
  assertEquals(rows.map(({ id }) => id), saved.sort((a, b) => a - b));
  assert(saved.length > ROUNDS / 20, `only ${saved.length} rows were saved`);
});
