import { assert, assertEquals, assertFalse } from "@std/assert";
import { mock } from "node:test";
import type { Connection } from "../../src/driver/connection.ts";
import { PoolError } from "../../src/errors/pool_error.ts";
import { NullPool } from "../../src/pool/null_pool.ts";
import type { Pool } from "../../src/pool/pool.ts";
import type { PoolHolder } from "../../src/driver/pool_holder.ts";
import { QueuePool } from "../../src/pool/queue_pool.ts";
import { StaticPool } from "../../src/pool/static_pool.ts";
import { type Random, seeded, testSeed } from "../support/random.ts";
import {
  GatedConnection,
  GatedDriver,
  type Pending,
  settle,
} from "./gated_driver.ts";

const ROUNDS = 400;
const STEPS = 60;
const TIMEOUT = 5_000;

/** One checkout that was asked for. */
interface Asked {
  readonly abort: AbortController;
  readonly holder: PoolHolder;
  /** What came of it. */
  connection?: Connection;
  error?: unknown;
  done: boolean;
}

/** A pool, its driver, and what they owe to their users. */
class Play {
  readonly driver = new GatedDriver();
  readonly random: Random;
  readonly limit: number;
  readonly size: number;
  /** Whether connections are only opened, lent, kept and discarded. */
  readonly isCalm: boolean;
  readonly pool: Pool;
  readonly asked: Asked[] = [];
  readonly lent = new Map<Connection, Asked>();
  readonly detached = new Set<Connection>();
  isDisposed = false;

  constructor(random: Random, round: number) {
    this.random = random;
    this.isCalm = round % 2 === 0;
    const poolSize = 1 + random(3);
    const maxOverflow = random(3);
    const timeout = TIMEOUT;
    const kind = round % 4 === 0 ? random(3) : 2;
    if (kind === 0) {
      [this.limit, this.size] = [poolSize + maxOverflow, 0];
      this.pool = new NullPool(this.driver, { maxOpen: this.limit, timeout });
    } else if (kind === 1) {
      [this.limit, this.size] = [1, 1];
      this.pool = new StaticPool(this.driver, { timeout });
    } else {
      [this.limit, this.size] = [poolSize + maxOverflow, poolSize];
      this.pool = new QueuePool(this.driver, {
        poolSize,
        maxOverflow,
        timeout,
        lifo: random(2) === 0,
        prePing: !this.isCalm && random(2) === 0,
        recycle: this.isCalm ? -1 : [-1, 3_000][random(2)] ?? -1,
      });
    }
  }

  pick<Item>(items: Iterable<Item>): Item | undefined {
    const all = [...items];
    return all[this.random(all.length)];
  }

  checkout(): void {
    const parent = this.random(3) === 0
      ? this.pick(this.lent.values())?.holder
      : undefined;
    const asked: Asked = {
      abort: new AbortController(),
      holder: { name: `checkout ${this.asked.length}`, parent },
      done: false,
    };
    this.asked.push(asked);
    this.pool.checkout({ signal: asked.abort.signal, holder: asked.holder })
      .then((connection) => {
        assert(!this.lent.has(connection), "lent to two holders");
        assert(!this.detached.has(connection), "lent after its detach");
        this.lent.set(connection, asked);
        asked.connection = connection;
      }, (error) => asked.error = error)
      .finally(() => asked.done = true);
  }

  checkin(): void {
    const connection = this.pick(this.lent.keys());
    if (connection === undefined) return;
    this.lent.delete(connection);
    void this.pool.checkin(connection, {
      discard: this.random(5) === 0,
      inTransaction: !this.isCalm && this.random(5) === 0,
    });
  }

  abort(): void {
    this.pick(this.asked.filter(({ done }) => !done))?.abort.abort();
  }

  answer(gate: Set<Pending>, failures: number): void {
    const pending = this.pick(gate);
    if (this.random(10) < failures) pending?.fail();
    else pending?.succeed();
  }

  break(): void {
    const connection = this.pick(this.driver.connections);
    if (connection) connection.usable = false;
  }

  invalidate(): void {
    if (!(this.pool instanceof QueuePool)) return;
    const soft = this.random(2) === 0;
    const one = this.random(3) > 0;
    const connection = one ? this.pick(this.lent.keys()) : undefined;
    if (one && connection === undefined) return;
    void this.pool.invalidate(connection, { soft });
  }

  detach(): void {
    // What was closed under its holder can only be given back.
    const connection = this.pick(
      this.driver.connections.filter((each) =>
        this.lent.has(each) && each.closeCount === 0
      ),
    );
    if (connection === undefined || !(this.pool instanceof QueuePool)) return;
    this.pool.detach(connection);
    this.lent.delete(connection);
    this.detached.add(connection);
  }

  dispose(): void {
    this.isDisposed = true;
    const deadline = this.random(2) === 0 ? this.random(2_000) : undefined;
    void this.pool.dispose({ deadline });
  }

  async step(): Promise<void> {
    const { connects, closes, sends } = this.driver;
    const actions: (() => void)[] = [
      () => this.checkout(),
      () => this.checkout(),
      () => this.checkin(),
      () => this.checkin(),
      () => this.abort(),
      () => this.answer(connects, 2),
      () => this.answer(connects, 2),
      () => this.answer(closes, 0),
      () => this.answer(closes, 0),
      () => mock.timers.tick(this.random(TIMEOUT / 2)),
    ];
    if (!this.isCalm) {
      actions.push(
        () => this.answer(sends, 3),
        () => this.answer(sends, 3),
        () => this.break(),
        () => this.invalidate(),
        () => this.detach(),
        () => this.random(20) === 0 ? this.dispose() : undefined,
      );
    }
    // One, two or three things in the same turn.
    for (let i = this.random(3); i >= 0; i--) this.pick(actions)?.();
    await settle();
    this.check();
  }

  check(): void {
    const { checkedOut, idle, waiting } = this.pool.status();
    const open = this.driver.open - this.#detachedOpen();
    assert(open <= this.limit, `${open} open, ${this.limit} allowed`);
    assert(idle <= this.size, `${idle} kept, ${this.size} allowed`);
    assert(checkedOut <= this.lent.size, "lent to nobody");
    for (const { closeCount } of this.driver.connections) {
      assert(closeCount <= 1, "closed twice");
    }
    const pending = this.asked.filter(({ done }) => !done);
    assert(waiting <= pending.length, "more wait than asked");
    if (this.isDisposed) assertEquals([waiting, idle], [0, 0]);
    if (waiting > 0) {
      assertEquals(idle, 0, "somebody waits beside an idle connection");
    }
    if (this.isCalm) this.#checkOrder();
  }

  /** Those who wait came after all those who were served. */
  #checkOrder(): void {
    const { waiting } = this.pool.status();
    const isServed = ({ connection, abort }: Asked) =>
      connection !== undefined || this.driver.signals.includes(abort.signal);
    const rest = this.asked.filter(({ error }) => error === undefined);
    const place = rest.findIndex((asked) => !isServed(asked));
    const waits = place === -1 ? [] : rest.slice(place);
    assertFalse(waits.some(isServed), "served before one who came earlier");
    assertEquals(waits.length, waiting);
  }

  #detachedOpen(): number {
    return [...this.detached].filter((each) =>
      each instanceof GatedConnection && !each.isGone
    ).length;
  }

  /** Everybody ends; then everything must be there again, and go. */
  async end(): Promise<void> {
    this.driver.openGates();
    await settle();
    while (this.lent.size > 0) {
      for (const connection of [...this.lent.keys()]) {
        this.lent.delete(connection);
        await this.pool.checkin(connection);
      }
      await settle();
    }
    assertEquals(this.asked.filter(({ done }) => !done), [], "waits for ever");
    if (!this.isDisposed) {
      const all = await Promise.all(
        Array.from({ length: this.limit }, () => this.pool.checkout()),
      );
      assertEquals(new Set(all).size, this.limit);
      for (const connection of all) await this.pool.checkin(connection);
    }
    const disposed = this.pool.dispose({ deadline: 0 });
    mock.timers.tick(1);
    await disposed;
    for (const connection of this.driver.connections) {
      const isOurs = !this.detached.has(connection);
      assertEquals(connection.closeCount, isOurs ? 1 : 0);
    }
    const { checkedOut, idle, waiting, closing } = this.pool.status();
    assertEquals([checkedOut, idle, waiting, closing], [0, 0, 0, 0]);
  }
}

Deno.test("pools keep their promises whatever happens", async () => {
  const seed = testSeed();
  const random = seeded(seed);
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  const outcomes = new Set<unknown>();
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const play = new Play(random, round);
      for (let step = 0; step < STEPS; step++) await play.step();
      await play.end();
      for (const { error } of play.asked) {
        outcomes.add(error instanceof PoolError ? error.code : typeof error);
      }
    }
  } finally {
    mock.timers.reset();
  }
  assertEquals(
    outcomes,
    new Set([
      "undefined",
      "object",
      "POOL_TIMEOUT",
      "POOL_DISPOSED",
      "POOL_SELF_DEADLOCK",
    ]),
  );
});
