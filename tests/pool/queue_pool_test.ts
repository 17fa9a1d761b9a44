import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { mock } from "node:test";
import { ConnectionError, PoolError } from "../../mod.ts";
import type { Connection } from "../../src/driver/connection.ts";
import type { PoolHolder } from "../../src/driver/pool_holder.ts";
import { QueuePool } from "../../src/pool/queue_pool.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { GatedDriver, settle } from "./gated_driver.ts";

/** SQLAlchemy's four numbers: size, checked in, overflow, checked out. */
function numbers(pool: QueuePool): number[] {
  const { size, idle, overflow, checkedOut } = pool.status();
  return [size, idle, overflow, checkedOut];
}

function checkouts(pool: QueuePool, count: number): Promise<Connection[]> {
  return Promise.all(Array.from({ length: count }, () => pool.checkout()));
}

async function checkinAll(
  pool: QueuePool,
  connections: readonly Connection[],
): Promise<void> {
  for (const connection of connections) await pool.checkin(connection);
}

Deno.test("QueuePool opens nothing before need", async () => {
  const driver = recordingDriver();
  const pool = new QueuePool(driver);
  assertEquals(numbers(pool), [5, 0, -5, 0]);
  assertEquals(driver.log, []);
  await pool.dispose();
  assertEquals(driver.log, []);
});

// SQLAlchemy, QueuePoolTest.test_queuepool_close
Deno.test("QueuePool.status() has SQLAlchemy's four numbers", async () => {
  const pool = new QueuePool(recordingDriver(), {
    poolSize: 3,
    maxOverflow: -1,
  });
  const seen: number[][] = [];
  const out: Connection[] = [];
  for (let i = 0; i < 6; i++) {
    out.push(await pool.checkout());
    seen.push(numbers(pool));
  }
  assertEquals(seen, [
    [3, 0, -2, 1],
    [3, 0, -1, 2],
    [3, 0, 0, 3],
    [3, 0, 1, 4],
    [3, 0, 2, 5],
    [3, 0, 3, 6],
  ]);
  await checkinAll(pool, out.splice(1, 3));
  assertEquals(numbers(pool), [3, 3, 3, 3]);
  await checkinAll(pool, out);
  assertEquals(numbers(pool), [3, 3, 0, 0]);
  const [first, second] = await checkouts(pool, 2);
  assertEquals(numbers(pool), [3, 1, 0, 2]);
  await checkinAll(pool, [first, second].filter((each) => each !== undefined));
  assertEquals(numbers(pool), [3, 3, 0, 0]);
  await pool.dispose();
});

// SQLAlchemy, test_unlimited
Deno.test("QueuePool poolSize 0 keeps all, maxOverflow -1 opens all", async () => {
  for (const maxOverflow of [42, 0, -1]) {
    const pool = new QueuePool(recordingDriver(), { poolSize: 0, maxOverflow });
    await checkinAll(pool, await checkouts(pool, 30));
    assertEquals(numbers(pool), [0, 30, 0, 0]);
    await pool.dispose();
  }
  const pool = new QueuePool(recordingDriver(), {
    poolSize: 2,
    maxOverflow: -1,
  });
  await checkinAll(pool, await checkouts(pool, 30));
  assertEquals(numbers(pool), [2, 2, 0, 0]);
  await pool.dispose();
});

// SQLAlchemy, test_overflow_no_gc
Deno.test("QueuePool closes overflow when it comes back", async () => {
  const driver = recordingDriver();
  const pool = new QueuePool(driver, { poolSize: 2, maxOverflow: 2 });
  for (let i = 0; i < 5; i++) await checkinAll(pool, await checkouts(pool, 4));
  const closes = driver.log.filter((entry) => entry === "close");
  assertEquals(closes.length, 10);
  await pool.dispose();
});

// SQLAlchemy, test_fifo and test_lifo
Deno.test("QueuePool lends the one that is idle longest, or with lifo shortest", async () => {
  for (const lifo of [false, true]) {
    const pool = new QueuePool(recordingDriver(), { lifo });
    const out = await checkouts(pool, 3);
    await checkinAll(pool, out);
    const again = await checkouts(pool, 3);
    assertEquals(
      again.map((each) => out.indexOf(each)),
      lifo ? [2, 1, 0] : [0, 1, 2],
    );
    await checkinAll(pool, again);
    await pool.dispose();
  }
});

Deno.test("QueuePool serves in order of arrival, and hands connections over", async () => {
  const driver = recordingDriver();
  const pool = new QueuePool(driver, { poolSize: 1, maxOverflow: 1 });
  const served: number[] = [];
  await Promise.all(Array.from({ length: 10 }, async (_, n) => {
    const connection = await pool.checkout();
    served.push(n);
    await settle();
    await pool.checkin(connection);
  }));
  assertEquals(served, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertEquals(pool.status().waits, 8);
  // Overflow is not closed and opened again while somebody waits.
  assertEquals(driver.log.filter((entry) => entry === "connect").length, 2);
  await pool.dispose();
});

Deno.test("QueuePool a wait ends by timeout, abort or dispose", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const pool = new QueuePool(recordingDriver(), {
      poolSize: 1,
      maxOverflow: 1,
    });
    const held = [
      await pool.checkout({ holder: { name: "GET /orders" } }),
      await pool.checkout({ holder: { name: "task 2" } }),
    ];
    const late = assertRejects(() => pool.checkout(), PoolError);
    mock.timers.tick(29_999);
    await settle();
    assertEquals(pool.status().waiting, 1);
    mock.timers.tick(1);
    const timeout = await late;
    assertEquals(timeout.code, "POOL_TIMEOUT");
    assertMatch(
      timeout.message,
      /^Cannot checkout connection: 2 of 2 in use for 30000 ms \("GET \/orders" for \d+ ms, "task 2" for \d+ ms\)$/,
    );
    const abort = new AbortController();
    const aborted = pool.checkout({ signal: abort.signal });
    abort.abort(new Error("gone"));
    await assertRejects(() => aborted, Error, "gone");
    await assertRejects(
      () => pool.checkout({ signal: abort.signal }),
      Error,
      "gone",
    );
    const refused = assertRejects(() => pool.checkout(), PoolError, "disposed");
    await pool.dispose();
    await refused;
    await checkinAll(pool, held);
    assertEquals(pool.status().waits, 3);
    assertEquals(numbers(pool), [1, 0, -1, 0]);
  } finally {
    mock.timers.reset();
  }
});

Deno.test("QueuePool with timeout 0 waits for ever", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const pool = new QueuePool(recordingDriver(), {
      poolSize: 1,
      maxOverflow: 0,
      timeout: 0,
    });
    const held = await pool.checkout();
    const patient = pool.checkout();
    mock.timers.tick(2 ** 31 - 1);
    await settle();
    await pool.checkin(held);
    assertStrictEquals(await patient, held);
    await pool.checkin(held);
    await pool.dispose();
  } finally {
    mock.timers.reset();
  }
});

Deno.test("QueuePool refuses to wait for itself", async () => {
  const pool = new QueuePool(recordingDriver(), {
    poolSize: 1,
    maxOverflow: 1,
  });
  const request: PoolHolder = { name: "request" };
  const tasks = [1, 2].map((n) => ({ name: `task ${n}`, parent: request }));
  const held = await pool.checkout({ holder: request });
  // Two tasks share the slot that their request leaves them.
  const first = await pool.checkout({ holder: tasks[0] });
  const second = pool.checkout({ holder: tasks[1] });
  await pool.checkin(first);
  const again = await second;
  // But nothing is left for a task of a task.
  const error = await assertRejects(
    () => pool.checkout({ holder: { name: "deep", parent: tasks[1] } }),
    PoolError,
    '"deep" would wait for the connection of "request"',
  );
  assertEquals(error.code, "POOL_SELF_DEADLOCK");
  await checkinAll(pool, [held, again]);
  await pool.dispose();
});

// SQLAlchemy, test_overflow_reset_on_failed_connect
Deno.test("QueuePool gives the slot of a failed connect on", async () => {
  const driver = new GatedDriver();
  const pool = new QueuePool(driver, { poolSize: 1, maxOverflow: 0 });
  for (let i = 0; i < 3; i++) {
    const failed = assertRejects(() => pool.checkout(), Error, "refused");
    const next = pool.checkout();
    await settle();
    driver.connects.forEach((connect) => connect.fail());
    await failed;
    await settle();
    assertEquals(driver.connects.size, 1);
    driver.connects.forEach((connect) => connect.succeed());
    await pool.checkin(await next);
    driver.isOpen = true;
    await pool.invalidate();
    driver.isOpen = false;
  }
  assertEquals(driver.open, 0);
});

Deno.test("QueuePool gives the slot of an aborted connect on", async () => {
  const driver = new GatedDriver();
  const pool = new QueuePool(driver, { poolSize: 1, maxOverflow: 0 });
  const abort = new AbortController();
  const aborted = assertRejects(
    () => pool.checkout({ signal: abort.signal }),
    Error,
  );
  const next = pool.checkout();
  await settle();
  assertEquals(driver.signals, [abort.signal]);
  abort.abort();
  await aborted;
  driver.openGates();
  await pool.checkin(await next);
  await pool.dispose();
  assertEquals(driver.open, 0);
});

// SQLAlchemy, test_hanging_connect_within_overflow
Deno.test("QueuePool a connect that hangs holds up nobody else", async () => {
  const driver = new GatedDriver();
  const pool = new QueuePool(driver, { poolSize: 1, maxOverflow: 1 });
  const hanging = pool.checkout();
  await settle();
  driver.isOpen = true;
  for (let i = 0; i < 3; i++) await pool.checkin(await pool.checkout());
  driver.openGates();
  await pool.checkin(await hanging);
  await pool.dispose();
});

Deno.test("QueuePool one served and aborted in the same turn hands it on", async () => {
  const driver = recordingDriver();
  const pool = new QueuePool(driver, { poolSize: 1, maxOverflow: 0 });
  for (const isAwaited of [true, false]) {
    const held = await pool.checkout();
    const abort = new AbortController();
    const aborted = assertRejects(
      () => pool.checkout({ signal: abort.signal }),
      Error,
      "gone",
    );
    const next = isAwaited ? pool.checkout() : undefined;
    void pool.checkin(held);
    abort.abort(new Error("gone"));
    await aborted;
    assertStrictEquals(await (next ?? pool.checkout()), held);
    await pool.checkin(held);
    assertEquals(numbers(pool), [1, 1, 0, 0]);
  }
  assertEquals(driver.log, ["connect"]);
  await pool.dispose();
});

// SQLAlchemy, test_recycle
Deno.test("QueuePool replaces a connection that is older than recycle", async () => {
  mock.timers.enable({ apis: ["Date"], now: 10_000 });
  try {
    const pool = new QueuePool(recordingDriver(), {
      poolSize: 1,
      maxOverflow: 0,
      recycle: 30,
    });
    const first = await pool.checkout();
    await pool.checkin(first);
    mock.timers.tick(30);
    assertStrictEquals(await pool.checkout(), first);
    mock.timers.tick(1);
    // Only at a checkout: whoever has it keeps it.
    assert(first.usable);
    await pool.checkin(first);
    const second = await pool.checkout();
    assertNotStrictEquals(second, first);
    assertFalse(first.usable);
    await pool.checkin(second);
    await pool.dispose();
  } finally {
    mock.timers.reset();
  }
});

// SQLAlchemy, test_error_on_pooled_reconnect_cleanup_recycle
Deno.test("QueuePool a replacement that fails loses no slot", async () => {
  const driver = new GatedDriver();
  const pool = new QueuePool(driver, { poolSize: 1, maxOverflow: 2 });
  driver.isOpen = true;
  const connection = await pool.checkout();
  await pool.invalidate(connection, { soft: true });
  await pool.checkin(connection);
  driver.isOpen = false;
  const failed = assertRejects(() => pool.checkout(), Error, "refused");
  await settle();
  driver.connects.forEach((connect) => connect.fail());
  await failed;
  driver.openGates();
  await checkinAll(pool, await checkouts(pool, 3));
  await pool.dispose();
  assertEquals(driver.open, 0);
});

Deno.test("QueuePool a connection counts until it is closed", async () => {
  const driver = new GatedDriver();
  driver.isOpen = true;
  const pool = new QueuePool(driver, { poolSize: 2, maxOverflow: 0 });
  const [one, two] = await checkouts(pool, 2);
  assert(one && two);
  driver.isOpen = false;
  void pool.checkin(one, { discard: true });
  const waiting = pool.checkout();
  await settle();
  assertEquals([driver.open, pool.status().closing], [2, 1]);
  assertEquals(driver.connects.size, 0);
  // Idle and due: its replacement waits for its close as well.
  const all = pool.invalidate(two, { soft: true });
  await all;
  void pool.checkin(two);
  await settle();
  assertEquals([driver.open, driver.connects.size], [2, 0]);
  driver.openGates();
  await pool.checkin(await waiting);
  await pool.dispose();
  assertEquals(driver.open, 0);
});

Deno.test("QueuePool one whose connection is replaced keeps its turn", async () => {
  const driver = new GatedDriver();
  driver.isOpen = true;
  const pool = new QueuePool(driver, { poolSize: 1, maxOverflow: 0 });
  const old = await pool.checkout();
  await pool.invalidate(old, { soft: true });
  await pool.checkin(old);
  driver.isOpen = false;
  const order: string[] = [];
  async function borrow(name: string): Promise<void> {
    const connection = await pool.checkout();
    order.push(name);
    await pool.checkin(connection);
  }
  const replaced = borrow("replaced");
  const later = borrow("later");
  await settle();
  assertEquals(pool.status().waiting, 2);
  driver.openGates();
  await Promise.all([replaced, later]);
  assertEquals(order, ["replaced", "later"]);
  await pool.dispose();
});

Deno.test("QueuePool replaces at once where there is room", async () => {
  const driver = new GatedDriver();
  driver.isOpen = true;
  const pool = new QueuePool(driver, { poolSize: 1, maxOverflow: 1 });
  const old = await pool.checkout();
  await pool.invalidate(old, { soft: true });
  await pool.checkin(old);
  driver.isOpen = false;
  const replaced = pool.checkout();
  await settle();
  assertEquals([driver.closes.size, driver.connects.size], [1, 1]);
  driver.openGates();
  await pool.checkin(await replaced);
  await pool.dispose();
});

Deno.test("QueuePool prePing asks a kept connection, never a fresh one", async () => {
  const driver = recordingDriver();
  const pool = new QueuePool(driver, { prePing: true });
  await pool.checkin(await pool.checkout());
  assertEquals(driver.log, ["connect"]);
  await pool.checkin(await pool.checkout());
  assertEquals(driver.log, ["connect", "select 1"]);
  await pool.dispose();
});

// SQLAlchemy, _ConnectionFairy._checkout(): `attempts = 2`
Deno.test("QueuePool prePing gives up after two reconnects", async () => {
  const driver = new GatedDriver();
  driver.isOpen = true;
  const pool = new QueuePool(driver, {
    poolSize: 2,
    maxOverflow: 0,
    prePing: true,
  });
  const [first, other] = await checkouts(pool, 2);
  assert(first && other);
  let next = first;
  driver.isOpen = false;
  const unlucky = assertRejects(() => pool.checkout(), ConnectionError);
  for (let i = 0; i < 3; i++) {
    void pool.checkin(next);
    await settle();
    // While it is pinged, somebody else opens the one that comes next.
    if (i < 2) {
      driver.isOpen = true;
      if (i === 0) pool.detach(other);
      driver.closes.forEach((close) => close.succeed());
      await pool.invalidate(undefined, { soft: true });
      next = await pool.checkout();
      driver.isOpen = false;
    }
    driver.sends.forEach((ping) => ping.fail());
    await settle();
    assertEquals(pool.status().waiting, i < 2 ? 1 : 0);
  }
  const error = await unlucky;
  assertEquals(error.code, "CONNECT_FAILED");
  assertFalse(error.maybeExecuted);
  driver.openGates();
  await checkinAll(pool, await checkouts(pool, 2));
  await pool.dispose();
});

Deno.test("QueuePool a ping without an answer fails after 5 s, or by the signal", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const driver = new GatedDriver();
    driver.isOpen = true;
    const pool = new QueuePool(driver, {
      poolSize: 1,
      maxOverflow: 0,
      prePing: true,
    });
    const first = await pool.checkout();
    await pool.checkin(first);
    driver.isOpen = false;
    const abort = new AbortController();
    const aborted = assertRejects(
      () => pool.checkout({ signal: abort.signal }),
      Error,
      "gone",
    );
    await settle();
    assertEquals(driver.sends.size, 1);
    abort.abort(new Error("gone"));
    await aborted;
    // The answer may still come: nobody else may get that connection.
    assertFalse(first.usable);
    driver.openGates();
    const second = await pool.checkout();
    await pool.checkin(second);
    driver.isOpen = false;
    const slow = pool.checkout();
    await settle();
    mock.timers.tick(5_000);
    await settle();
    assertFalse(second.usable);
    driver.openGates();
    assertNotStrictEquals(await slow, second);
    await pool.checkin(await slow);
    await pool.dispose();
  } finally {
    mock.timers.reset();
  }
});

// SQLAlchemy, InvalidatePoolError
Deno.test("QueuePool a ping that fails condemns the others, one given up does not", async () => {
  for (const isGivenUp of [true, false]) {
    const driver = new GatedDriver();
    driver.isOpen = true;
    const pool = new QueuePool(driver, { prePing: true });
    const [first, second] = await checkouts(pool, 2);
    assert(first && second);
    await checkinAll(pool, [first, second]);
    driver.isOpen = false;
    const abort = new AbortController();
    const pinging = pool.checkout({ signal: abort.signal });
    await settle();
    if (isGivenUp) {
      const aborted = assertRejects(() => pinging, Error, "gone");
      abort.abort(new Error("gone"));
      await aborted;
    } else driver.sends.forEach((ping) => ping.fail());
    driver.openGates();
    const lent = isGivenUp ? await pool.checkout() : await pinging;
    assertFalse(first.usable);
    assertEquals(lent === second, isGivenUp);
    assertEquals(second.usable, isGivenUp);
    await pool.checkin(lent);
    await pool.dispose();
  }
});

Deno.test("QueuePool what was being opened during a loss is replaced", async () => {
  const driver = new GatedDriver();
  driver.isOpen = true;
  const pool = new QueuePool(driver);
  const lost = await pool.checkout();
  driver.isOpen = false;
  const opening = pool.checkout();
  await settle();
  driver.connections.forEach((connection) => connection.usable = false);
  const returned = pool.checkin(lost, { discard: true });
  driver.openGates();
  await returned;
  const doubtful = await opening;
  await pool.checkin(doubtful);
  const sure = await pool.checkout();
  assertNotStrictEquals(sure, doubtful);
  await pool.checkin(sure);
  assertStrictEquals(await pool.checkout(), sure);
  await pool.dispose({ deadline: 0 });
});

// SQLAlchemy, test_invalidate and test_detach_via_invalidate
Deno.test("QueuePool.invalidate() closes under the holder", async () => {
  const driver = recordingDriver();
  const pool = new QueuePool(driver, { poolSize: 1, maxOverflow: 0 });
  const first = await pool.checkout();
  await pool.invalidate(first);
  assertEquals(driver.log, ["connect", "close"]);
  const second = await pool.checkout();
  // Its holder gives it back as usual, once.
  await pool.checkin(first);
  await assertRejects(() => pool.checkin(first), PoolError, "not lent");
  await pool.invalidate(first);
  assertEquals(numbers(pool), [1, 0, 0, 1]);
  await pool.checkin(second);
  // Idle it is closed as well.
  await pool.invalidate(second);
  assertEquals(numbers(pool), [1, 0, -1, 0]);
  const error = await assertRejects(
    () => new QueuePool(driver).invalidate(first),
    PoolError,
    "Cannot invalidate connection",
  );
  assertEquals(error.code, "POOL_CHECKIN");
  await pool.dispose();
});

// SQLAlchemy, test_recycle_on_soft_invalidate
Deno.test("QueuePool.invalidate() softly replaces at the next checkout", async () => {
  const driver = recordingDriver();
  const pool = new QueuePool(driver, { poolSize: 1, maxOverflow: 0 });
  const first = await pool.checkout();
  await pool.invalidate(first, { soft: true });
  assert(first.usable);
  await pool.checkin(first);
  assert(first.usable);
  const second = await pool.checkout();
  assertFalse(first.usable);
  await pool.checkin(second);
  assertStrictEquals(await pool.checkout(), second);
  await pool.checkin(second);
  await pool.dispose();
});

Deno.test("QueuePool.invalidate() of all spares the holders", async () => {
  const driver = recordingDriver();
  const pool = new QueuePool(driver);
  const [idle, lent] = await checkouts(pool, 2);
  assert(idle && lent);
  await pool.checkin(idle);
  await pool.invalidate();
  assertFalse(idle.usable);
  assert(lent.usable);
  await pool.checkin(lent);
  assertNotStrictEquals(await pool.checkout(), lent);
  assertFalse(lent.usable);
  await pool.dispose({ deadline: 0 });
});

// SQLAlchemy, test_notify_waiters
Deno.test("QueuePool.invalidate() serves who waits", async () => {
  const pool = new QueuePool(recordingDriver(), {
    poolSize: 1,
    maxOverflow: 0,
  });
  const held = await pool.checkout();
  const served: number[] = [];
  const waiting = [0, 1, 2, 3, 4].map(async (n) => {
    const connection = await pool.checkout();
    served.push(n);
    await pool.checkin(connection);
  });
  await pool.invalidate(held);
  await Promise.all(waiting);
  assertEquals(served, [0, 1, 2, 3, 4]);
  await pool.dispose();
});

// SQLAlchemy, test_detach
Deno.test("QueuePool.detach() forgets a connection", async () => {
  const driver = recordingDriver();
  const pool = new QueuePool(driver, { poolSize: 1, maxOverflow: 0 });
  const first = await pool.checkout();
  const waiting = pool.checkout();
  pool.detach(first);
  const second = await waiting;
  assertNotStrictEquals(second, first);
  await pool.checkin(second);
  await pool.dispose({ deadline: 0 });
  assert(first.usable);
  for (const call of [() => pool.detach(first), () => pool.detach(second)]) {
    const error = assertThrows(call, PoolError, "Cannot detach connection");
    assertEquals(error.code, "POOL_CHECKIN");
  }
  await assertRejects(() => pool.checkin(first), PoolError, "not lent");
  await assertRejects(() => pool.invalidate(first), PoolError, "not lent");
});

// SQLAlchemy, test_recycle_pool_no_race: one invalidation for each loss
Deno.test("QueuePool one loss replaces what is older, and nothing newer", async () => {
  const driver = new GatedDriver();
  driver.isOpen = true;
  const pool = new QueuePool(driver, { poolSize: 20 });
  const out = await checkouts(pool, 15);
  await checkinAll(pool, out.splice(0, 8));
  for (const connection of driver.connections.slice(8)) {
    connection.usable = false;
  }
  // Lost together, told one by one, while others come and go.
  for (const connection of out) {
    await pool.checkin(connection, { discard: true });
    await pool.checkin(await pool.checkout());
  }
  await checkinAll(pool, await checkouts(pool, 15));
  const isReplaced = driver.connections.map(({ isGone }) => isGone);
  assertEquals(isReplaced, Array.from({ length: 30 }, (_, n) => n < 15));
  await pool.dispose();
});

Deno.test("QueuePool a discarded connection that works condemns no other", async () => {
  const driver = recordingDriver();
  const pool = new QueuePool(driver);
  const [first, second] = await checkouts(pool, 2);
  assert(first && second);
  await pool.checkin(second);
  await pool.checkin(first, { discard: true });
  assertStrictEquals(await pool.checkout(), second);
  await pool.checkin(second);
  await pool.dispose();
});

Deno.test("QueuePool resets only what was not ended", async () => {
  for (const resetOnReturn of ["rollback", "none"] as const) {
    const driver = recordingDriver();
    const pool = new QueuePool(driver, { resetOnReturn });
    const connection = await pool.checkout();
    await pool.checkin(connection);
    await pool.checkout();
    await pool.checkin(connection, { inTransaction: true });
    assertEquals(
      driver.log,
      resetOnReturn === "none" ? ["connect"] : ["connect", "rollback"],
    );
    assertStrictEquals(await pool.checkout(), connection);
    await pool.dispose({ deadline: 0 });
  }
});

// SQLAlchemy: "failing reset invalidates the connection"
Deno.test("QueuePool closes a connection that cannot be reset", async () => {
  const driver = new GatedDriver();
  driver.isOpen = true;
  const pool = new QueuePool(driver, { poolSize: 1, maxOverflow: 0 });
  const first = await pool.checkout();
  driver.isOpen = false;
  const waiting = pool.checkout();
  const returned = pool.checkin(first, { inTransaction: true });
  await settle();
  assertEquals([pool.status().closing, pool.status().waiting], [1, 1]);
  let isIdle = false;
  const idle = pool.idle().then(() => isIdle = true);
  driver.sends.forEach((reset) => reset.fail());
  await settle();
  assertFalse(isIdle);
  driver.openGates();
  await Promise.all([returned, idle]);
  assertNotStrictEquals(await waiting, first);
  await pool.checkin(await waiting);
  await pool.dispose();
});

// SQLAlchemy, test_no_double_checkin
Deno.test("QueuePool.checkin() takes each connection once", async () => {
  const pool = new QueuePool(recordingDriver());
  const connection = await pool.checkout();
  await pool.checkin(connection);
  const error = await assertRejects(() => pool.checkin(connection), PoolError);
  assertEquals(error.code, "POOL_CHECKIN");
  assertEquals(numbers(pool), [5, 1, -4, 0]);
  await pool.dispose();
});

Deno.test("QueuePool.dispose() closes what is idle, and the rest when it comes back", async () => {
  const driver = recordingDriver();
  const pool = new QueuePool(driver);
  const [idle, lent] = await checkouts(pool, 2);
  assert(idle && lent);
  await pool.checkin(idle);
  await pool.dispose();
  assertFalse(idle.usable);
  assert(lent.usable);
  await pool.checkin(lent);
  assertFalse(lent.usable);
  await assertRejects(() => pool.checkout(), PoolError, "disposed");
  await pool.dispose({ deadline: 1_000 });
});

Deno.test("QueuePool.dispose() lends nothing that is still being opened", async () => {
  const driver = new GatedDriver();
  const pool = new QueuePool(driver);
  const opening = assertRejects(() => pool.checkout(), PoolError, "disposed");
  await settle();
  let isDisposed = false;
  const disposed = pool.dispose().then(() => isDisposed = true);
  await settle();
  assertFalse(isDisposed);
  driver.openGates();
  await Promise.all([opening, disposed]);
  assertEquals(driver.open, 0);
  assertEquals(driver.connections.map(({ closeCount }) => closeCount), [1]);
});

Deno.test("QueuePool.dispose() waits for holders until the deadline", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const driver = recordingDriver();
    const pool = new QueuePool(driver);
    const [early, late] = await checkouts(pool, 2);
    assert(early && late);
    const disposed = pool.dispose({ deadline: 1_000 });
    await pool.checkin(early);
    mock.timers.tick(999);
    await settle();
    assert(late.usable);
    mock.timers.tick(1);
    await disposed;
    assertFalse(late.usable);
    await pool.checkin(late);
    await assertRejects(() => pool.checkin(late), PoolError, "not lent");
    assertEquals(driver.log.filter((entry) => entry === "close").length, 2);
  } finally {
    mock.timers.reset();
  }
});

// SQLAlchemy, test_recreate
Deno.test("QueuePool.recreate() makes another one with the same options", async () => {
  const driver = recordingDriver();
  const old = new QueuePool(driver, {
    poolSize: 1,
    maxOverflow: 0,
    timeout: 5,
    prePing: true,
  });
  const held = await old.checkout();
  const pool = old.recreate();
  await old.dispose();
  assertEquals(numbers(pool), [1, 0, -1, 0]);
  const connection = await pool.checkout();
  await assertRejects(() => pool.checkout(), PoolError, "1 of 1 in use");
  await pool.checkin(connection);
  await pool.checkin(await pool.checkout());
  assertEquals(driver.log, ["connect", "connect", "select 1"]);
  await old.checkin(held);
  assertFalse(held.usable);
  await pool.dispose();
});

Deno.test("QueuePool counts waits and their time", async () => {
  const pool = new QueuePool(recordingDriver(), {
    poolSize: 1,
    maxOverflow: 0,
  });
  const held = await pool.checkout();
  assertEquals([pool.status().waits, pool.status().waitTime], [0, 0]);
  const waiting = pool.checkout();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await pool.checkin(held);
  await pool.checkin(await waiting);
  const { waits, waitTime } = pool.status();
  assertEquals(waits, 1);
  assert(waitTime >= 19, `${waitTime} ms`);
  await pool.dispose();
});

Deno.test("QueuePool bears a driver that rejects where it must not", async () => {
  const driver = recordingDriver();
  const pool = new QueuePool({
    ...driver,
    async connect() {
      await driver.connect();
      return {
        usable: true,
        send: () => Promise.reject(new Error("sent")),
        close: () => Promise.reject(new Error("closed")),
      };
    },
  }, { poolSize: 1, maxOverflow: 0, prePing: true });
  for (let i = 0; i < 3; i++) await pool.checkin(await pool.checkout());
  await pool.checkin(await pool.checkout(), { inTransaction: true });
  await pool.dispose();
  assertEquals(driver.log.length, 4);
});

Deno.test("QueuePool refuses bad options by name", () => {
  const bad: Record<string, number[]> = {
    poolSize: [-1, 1.5, NaN, Infinity],
    maxOverflow: [-2, 0.5, NaN],
    timeout: [-1, NaN, Infinity, 2 ** 31],
    recycle: [-2, NaN],
  };
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      assertThrows(
        () => new QueuePool(recordingDriver(), { [name]: value }),
        RangeError,
        `"${name}"`,
      );
    }
  }
  const resetOnReturn = JSON.parse('"commit"');
  assertThrows(
    () => new QueuePool(recordingDriver(), { resetOnReturn }),
    RangeError,
    '"resetOnReturn"',
  );
});

Deno.test("QueuePool runs where there is no navigator, and not on workerd", () => {
  const own = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  try {
    Object.defineProperty(globalThis, "navigator", {
      value: { userAgent: "Cloudflare-Workers" },
      configurable: true,
    });
    const error = assertThrows(
      () => new QueuePool(recordingDriver()),
      PoolError,
      "the request that opened it",
    );
    assertEquals(error.code, "POOL_UNSUPPORTED");
    Reflect.deleteProperty(globalThis, "navigator");
    new QueuePool(recordingDriver());
  } finally {
    if (own) Object.defineProperty(globalThis, "navigator", own);
  }
});
