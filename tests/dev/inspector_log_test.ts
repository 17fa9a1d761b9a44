import { assert, assertEquals } from "@std/assert";
import type { EngineEvent, PoolHolder } from "../../mod.ts";
import type { Lane } from "../../src/dev/_inspector_lane.ts";
import { InspectorLog } from "../../src/dev/_inspector_log.ts";
import { heapUsed } from "../support/collect_garbage.ts";

type Told<Event = EngineEvent> = Event extends EngineEvent
  ? Omit<Event, "session">
  : never;

/** An event, and when it was told. */
type Line = readonly [at: number, event: Told];

const READS = "it only reads";
const oneShot: Told = {
  type: "flight",
  transport: "one-shot",
  reason: READS,
  isRequest: true,
  statements: 1,
  duration: 5,
};
const interactive: Told = {
  ...oneShot,
  transport: "interactive",
  reason: "it writes",
  isRequest: false,
};
const opened: Told = { type: "sessionOpen", place: "" };
const closed: Told = { type: "sessionClose", statements: 0, roundTrips: 0 };

/** Where it was asked, which no lane says. */
const address = undefined;

function connect(duration: number): Told {
  return { type: "connect", duration, address };
}

function checkout(duration: number): Told {
  return { type: "checkout", duration, address };
}

const THROWN_AWAY = true;
const KEPT = false;

function checkin(duration: number, discarded: boolean): Told {
  return { type: "checkin", duration, discarded, held: 0, address };
}

function statement(
  text: string,
  duration: number,
  more: {
    rowCount?: number;
    error?: string;
    sqlstate?: string;
    isOwn?: boolean;
    parameters?: unknown[];
  } = {},
): Told {
  const { rowCount = null, error, sqlstate, isOwn = false, parameters } = more;
  return {
    type: "statement",
    text,
    duration,
    rowCount,
    error,
    sqlstate,
    isOwn,
    address,
    flightSize: 1,
    isLast: true,
    ...(parameters && { parameters }),
  };
}

function begin(duration: number): Told {
  return { type: "begin", options: {}, duration };
}

function commit(duration: number): Told {
  return { type: "commit", statements: 0, duration };
}

function tell(
  log: InspectorLog,
  session: PoolHolder,
  lines: readonly Line[],
): void {
  for (const [at, event] of lines) {
    log.take({ ...event, session } as EngineEvent, at);
  }
}

function laneOf(lines: readonly Line[]): Lane {
  const log = new InspectorLog(10);
  tell(log, { name: "the one" }, lines);
  const lane = log.lane(1);
  assert(lane !== undefined);
  return lane;
}

/** Steps as `kind start-end flight`. */
function drawn(lane: Lane): string[] {
  return lane.steps.map(({ kind, start, end, flight }) =>
    `${kind} ${start}-${end}${flight === undefined ? "" : ` #${flight}`}`
  );
}

/** Of marks: kind and label. */
function marked(lane: Lane): string[] {
  return lane.marks.map(({ kind, label }) => `${kind}: ${label}`);
}

Deno.test("a lane has what a session did, from its making to its end", () => {
  const lane = laneOf([
    [100, { type: "sessionOpen", place: " (called at app.ts:1:2)" }],
    [120, connect(10)],
    [120, checkout(15)],
    [130, begin(8)],
    [130, statement("insert into t values ($1)", 8, { rowCount: 1 })],
    [130, interactive],
    [140, statement("with i as ..", 5, { rowCount: 2 })],
    [140, {
      type: "flush",
      inserted: 2,
      updated: 1,
      deleted: 0,
      statements: 1,
      duration: 6,
    }],
    [140, interactive],
    [150, { type: "savepoint", name: "s1", action: "begin", duration: 4 }],
    [160, commit(6)],
    [161, {
      type: "request",
      method: "POST",
      route: "/orders/:id",
      status: 201,
      duration: 61,
    }],
    [163, checkin(2, THROWN_AWAY)],
    [163, closed],
  ]);
  assertEquals(drawn(lane), [
    "wait 105-110",
    "connect 110-120",
    "begin 122-130 #1",
    "statement 122-130 #1",
    "idle 130-135",
    "flush 134-140",
    "statement 135-140 #2",
    "idle 140-146",
    "savepoint 146-150 #3",
    "idle 150-154",
    "commit 154-160 #4",
    "close 161-163",
  ]);
  assertEquals(lane.name, "the one");
  assertEquals(lane.place, " (called at app.ts:1:2)");
  assertEquals([lane.openedAt, lane.closedAt], [100, 163]);
  assert(!lane.isOpen);
  assertEquals(lane.request, {
    method: "POST",
    route: "/orders/:id",
    status: 201,
    at: 161,
  });
  assertEquals(Object.keys(lane.flights), ["1", "2"]);
  assertEquals(lane.flights[1], {
    transport: "interactive",
    reason: "it writes",
    isRequest: false,
  });
  assertEquals(lane.texts, ["insert into t values ($1)", "with i as .."]);
  assertEquals(lane.counts, {
    statements: 2,
    connections: 1,
    rows: 3,
    dropped: 0,
    roundTrips: 4,
  });
  const [flush] = lane.steps.filter(({ kind }) => kind === "flush");
  assertEquals(flush?.note, "2 inserted, 1 updated in 1 statement");
  assertEquals(lane.steps.at(-1)?.note, "thrown away");
  assertEquals(lane.marks, []);
});

Deno.test("a batch is one flight, although BEGIN is told behind its statements", () => {
  const lane = laneOf([
    [0, opened],
    [10, statement("insert 1", 8)],
    [10, statement("insert 2", 8)],
    [11, begin(10)],
    [11, commit(10)],
    [11, { ...interactive, transport: "batch", isRequest: true }],
    [12, closed],
  ]);
  assertEquals(drawn(lane), [
    "begin 1-11 #1",
    "commit 1-11 #1",
    "statement 2-10 #1",
    "statement 2-10 #1",
  ]);
  assertEquals(lane.flights[1]?.transport, "batch");
  assertEquals(lane.counts.roundTrips, 1);
});

Deno.test("reads that are sent one after the other are flights of their own", () => {
  const lane = laneOf([
    [0, opened],
    [5, statement("select 1", 5)],
    [5, statement("select 2", 5)],
    [5, oneShot],
    [9, statement("select 3", 4)],
    [9, oneShot],
  ]);
  assertEquals(lane.steps.map(({ flight }) => flight), [1, 1, 2]);
  assertEquals(lane.closedAt, undefined);
  // There is no transaction that could be idle.
  assertEquals(marked(lane), []);
});

Deno.test("N+1 is marked from five statements of a shape on", () => {
  function lane(count: number, text: (n: number) => string): Lane {
    return laneOf([
      [0, opened],
      ...Array.from(
        { length: count },
        (_, n): Line => [n + 1, statement(text(n), 0.5)],
      ),
    ]);
  }
  assertEquals(marked(lane(4, () => "select 1 where id = $1")), []);
  assertEquals(marked(lane(5, () => "select 1 where id = $1")), [
    "repeated: N+1 ×5",
  ]);
  assertEquals(marked(lane(7, (n) => `select * from t where id = ${n}`)), [
    "repeated: N+1 ×7",
  ]);
  assertEquals(marked(lane(7, (n) => `select * from t${n}`)), []);
  // What a session with settings leads each transaction with.
  const own = laneOf([
    [0, opened],
    ...[1, 2, 3, 4, 5, 6].map((at): Line => [
      at,
      statement("select set_config($1, $2, true)", 0.5, { isOwn: true }),
    ]),
  ]);
  assertEquals(marked(own), []);
  assertEquals(own.steps.length, 6);
  assertEquals(own.counts.statements, 0);
});

Deno.test("a transaction that is left idle is marked, in sum", () => {
  const idle = laneOf([
    [0, opened],
    [10, begin(5)],
    [10, statement("update t", 5)],
    [45, statement("update u", 5)],
    [80, commit(5)],
  ]);
  assertEquals(marked(idle), ["idle: idle 60 ms"]);
  // Behind a failure it is the rollback that is on its way.
  const failed = laneOf([
    [0, opened],
    [10, begin(5)],
    [
      10,
      statement("update t", 5, { error: "SERVER_ERROR", sqlstate: "42P01" }),
    ],
    [90, {
      type: "rollback",
      isInDoubt: false,
      duration: 0,
      reason: undefined,
      changes: 1,
    }],
  ]);
  assertEquals(marked(failed), ["error: error", "rollback: rolled back"]);
  assertEquals(
    failed.marks[0]?.note,
    "A statement failed: SERVER_ERROR, SQLSTATE 42P01.",
  );
  // Unless a savepoint takes it back.
  const saved = laneOf([
    [0, opened],
    [10, begin(5)],
    [10, statement("update t", 5, { error: "SERVER_ERROR" })],
    [12, { type: "savepoint", name: "s", action: "rollback", duration: 1 }],
    [90, commit(1)],
  ]);
  assertEquals(marked(saved), ["error: error", "idle: idle 77 ms"]);
});

Deno.test("what went wrong is marked, the worst first", () => {
  const lane = laneOf([
    [0, opened],
    [30, {
      type: "checkoutError",
      duration: 30,
      error: "POOL_TIMEOUT",
      sqlstate: undefined,
      address,
    }],
    [31, {
      type: "rollback",
      isInDoubt: false,
      duration: 0,
      reason: "response status 503",
      changes: 2,
    }],
    [32, {
      type: "retry",
      failures: 1,
      delay: 12,
      error: "SERIALIZATION_FAILURE",
    }],
    [33, closed],
  ]);
  assertEquals(drawn(lane), ["wait 0-30", "rollback 31-31"]);
  assertEquals(lane.marks.map(({ note }) => note), [
    "It got no connection: POOL_TIMEOUT.",
    "Run 1 failed (SERIALIZATION_FAILURE) and is repeated after 12 ms, in a session of its own.",
    "Rolled back, 2 changes were dropped: response status 503.",
  ]);
  const doubtful = laneOf([
    [0, opened],
    [31, {
      type: "rollback",
      isInDoubt: true,
      duration: 0,
      reason: undefined,
      changes: 1,
    }],
  ]);
  assertEquals(marked(doubtful), ["rollback: in doubt"]);
  assertEquals(
    doubtful.marks[0]?.note,
    "COMMIT got no answer, and nobody knows what became of it.",
  );
  // Reads that nobody commits are nothing to look at.
  const reads = laneOf([
    [0, opened],
    [5, statement("select 1", 5)],
    [5, oneShot],
    [6, {
      type: "rollback",
      isInDoubt: false,
      duration: 0,
      reason: "response status 404",
      changes: 0,
    }],
  ]);
  assertEquals(marked(reads), []);
});

Deno.test("a leaked session ends with its connection, and somebody without a session too", () => {
  const leaked = laneOf([
    [0, opened],
    [5, begin(1)],
    [90, { type: "leak", name: "the one", place: " (called at a.ts:1:1)" }],
    [95, checkin(1, THROWN_AWAY)],
  ]);
  assertEquals([leaked.closedAt, leaked.isOpen], [95, false]);
  assertEquals(marked(leaked), ["leak: leak"]);

  const borrowed = laneOf([
    [5, checkout(5)],
    [9, statement("vacuum", 3)],
    [12, checkin(1, KEPT)],
  ]);
  assertEquals([borrowed.openedAt, borrowed.closedAt], [0, 12]);
});

Deno.test("sessions are told apart by identity, and tasks know their parent", () => {
  const log = new InspectorLog(10);
  const request = { name: "a GET request" };
  const block = { name: "a block", parent: request };
  tell(log, request, [[0, opened]]);
  tell(log, { name: "task 0", parent: block }, [[1, opened]]);
  tell(log, { name: "task 0", parent: request }, [[2, opened], [3, closed]]);
  assertEquals(
    log.ids.map((id) => [log.lane(id)?.name, log.lane(id)?.parent]),
    [["a GET request", undefined], ["task 0", 1], ["task 0", 1]],
  );
  log.take({ type: "connect", session: undefined, duration: 1, address }, 4);
  log.take({ type: "close" }, 5);
  assertEquals(log.ids, [1, 2, 3]);
});

Deno.test("a log keeps the last lanes, and the text of each statement once", () => {
  const log = new InspectorLog(3);
  const text = "select * from somewhere";
  const sessions = Array.from({ length: 50 }, (_, n) => ({ name: `${n}` }));
  for (const session of sessions) {
    tell(log, session, [
      [0, opened],
      [1, statement(text, 1)],
      [2, statement(text, 1)],
      [3, statement(`select '${session.name}'`, 1)],
    ]);
  }
  assertEquals(log.ids, [48, 49, 50]);
  assertEquals(log.first, 48);
  assertEquals(log.textSize, text.length + 3 * "select '48'".length);
  // What was dropped stays so.
  tell(log, sessions[0] ?? { name: "" }, [[4, statement("select 5", 1)]]);
  assertEquals(log.lane(1), undefined);
  assertEquals(log.ids, [48, 49, 50]);
});

Deno.test("a lane is bounded, and its sums are right all the same", () => {
  const lane = laneOf([
    [0, opened],
    ...Array.from(
      { length: 5_000 },
      (_, n): Line => [n + 1, statement(`select ${n} from t${n}`, 0.5)],
    ),
  ]);
  assertEquals(lane.steps.length, 200);
  assertEquals(lane.texts.length, 200);
  assertEquals(lane.counts.statements, 5_000);
  assertEquals(lane.counts.dropped, 4_800);
  assertEquals(lane.counts.roundTrips, 5_000);
});

Deno.test("all SQL together is bounded, and each text is", () => {
  const log = new InspectorLog(100);
  for (let n = 0; n < 100; n++) {
    const long = `select '${n}${"x".repeat(20_000)}'`;
    const session = { name: "long" };
    tell(log, session, [[0, opened]]);
    for (let each = 0; each < 20; each++) {
      tell(log, session, [[1, statement(`${long} from t${each}`, 1)]]);
      tell(log, session, [[1, statement(`/*${each}*/${long}`, 1)]]);
    }
  }
  assert(log.textSize <= 4_000_000, `${log.textSize}`);
  const [text] = log.lane(100)?.texts ?? [];
  assertEquals(text?.length, 200);
});

Deno.test("values are kept apart from lanes, as short texts", () => {
  const log = new InspectorLog(1);
  tell(log, { name: "the one" }, [
    [0, opened],
    [1, begin(1)],
    [
      1,
      statement("insert", 1, {
        parameters: [
          1,
          "a 'text'",
          null,
          new Uint8Array(9),
          { deep: [true] },
          "x".repeat(5_000),
          10n,
        ],
      }),
    ],
  ]);
  assert(!JSON.stringify(log.lane(1)).includes("a 'text'"));
  const long = `"${"x".repeat(198)}…`;
  assertEquals(log.values(1), {
    1: ["1", "\"a 'text'\"", "NULL", "9 bytes", '{"deep":[true]}', long, "10"],
  });
  assertEquals(log.values(2), undefined);
});

Deno.test("all values of a lane together are bounded", () => {
  const log = new InspectorLog(1);
  const parameters = Array.from({ length: 100 }, () => "x".repeat(300));
  tell(log, { name: "the one" }, [
    [0, opened],
    ...Array.from(
      { length: 200 },
      (_, n): Line => [n, statement(`select ${n}`, 1, { parameters })],
    ),
  ]);
  const values = Object.values(log.values(1) ?? {});
  assertEquals(values.length, 5);
  const shown = log.lane(1)?.steps.filter(({ hasValues }) => hasValues);
  assertEquals(shown?.length, 5);
});

Deno.test("of a long value nothing is kept but its beginning", () => {
  const log = new InspectorLog(1);
  const session = { name: "the one" };
  const before = heapUsed();
  for (let n = 0; n < 20; n++) {
    const parameters = [{ deep: "x".repeat(2_000_000) }];
    tell(log, session, [[n, statement(`select ${n}`, 1, { parameters })]]);
  }
  const kept = heapUsed() - before;
  assert(kept < 20_000_000, `${kept}`);
});

Deno.test("a session that is left out has no lane, whatever is told of it", () => {
  const log = new InspectorLog(5);
  const own = { name: "a GET request" };
  const watched: number[] = [];
  const unwatch = log.watch((id) => watched.push(id));
  tell(log, own, [[0, opened]]);
  log.leaveOut(own);
  tell(log, own, [[1, statement("select 1", 1)], [2, closed]]);
  log.leaveOut({ name: "unknown" });
  assertEquals(log.ids, []);
  assertEquals(watched, [1, 1]);
  unwatch();
  tell(log, { name: "another" }, [[3, opened]]);
  assertEquals(watched, [1, 1]);
  assertEquals(log.textSize, 0);
});
