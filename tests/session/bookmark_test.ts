import { assert, assertEquals, assertThrows } from "@std/assert";
import { integer, pgTable } from "drizzle-orm/pg-core";
import { Bookmark, createEngine, sessionmaker } from "../../mod.ts";
import { serveNeon } from "../../src/dev/mod.ts";
import { neon } from "../../src/neon/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { testDatabase } from "../support/postgres.ts";

const kept = pgTable("kept", { n: integer().primaryKey() });

Deno.test("a bookmark is as far as the furthest commit, in whatever order they are told", () => {
  const bookmark = new Bookmark("0/FF");
  assertEquals([bookmark.noted, bookmark.position], [undefined, "0/FF"]);
  const told = [
    ["0/A", "0/A"],
    ["0/9", "0/A"],
    ["0/10", "0/10"],
    ["1/0", "1/0"],
    ["0/FFFFFFFF", "1/0"],
    ["A/0", "A/0"],
    ["10/0", "10/0"],
    ["9/FFFFFFFF", "10/0"],
  ] as const;
  for (const [position, furthest] of told) {
    bookmark.note(position);
    assertEquals(bookmark.noted, furthest);
    assertEquals(bookmark.position, furthest);
  }
});

Deno.test("a commit counts, also where a user was further in a log that is gone", () => {
  const bookmark = new Bookmark("FF/0");
  bookmark.note("1/0");
  assertEquals(bookmark.position, "1/0");
});

Deno.test("what is no position of the log is refused, and not told", () => {
  const engine = createEngine(recordingDriver());
  const Session = sessionmaker(engine);
  for (
    const rubbish of [
      "",
      "m4rk3r",
      "0",
      "0/",
      "/0",
      "0/G",
      "0/1 ",
      "123456789/0",
    ]
  ) {
    for (
      const make of [
        () => new Bookmark(rubbish),
        () => Session({ bookmark: rubbish }),
      ]
    ) {
      const error = assertThrows(make, RangeError, '"bookmark"');
      assert(rubbish.length < 2 || !error.message.includes(rubbish));
    }
  }
});

Deno.test("sessions share a bookmark on one database only, because another has another log", () => {
  const own = createEngine(recordingDriver());
  const other = createEngine(recordingDriver());
  const Session = sessionmaker(own);
  const db = Session({ readYourWrites: true });
  const beside = Session(db.identity);
  const elsewhere = Session.on(other)(db.identity);
  db.identity.bookmark?.note("0/1");
  assertEquals(
    [db.bookmark, beside.bookmark, elsewhere.bookmark],
    ["0/1", "0/1", undefined],
  );
  elsewhere.identity.bookmark?.note("0/2");
  assertEquals(
    [db.bookmark, beside.bookmark, elsewhere.bookmark],
    ["0/1", "0/1", "0/2"],
  );
});

Deno.test("sessions share a bookmark on engines with other options, because their database is the same", () => {
  const own = createEngine(recordingDriver());
  const variant = own.with({ settings: { search_path: "other" } });
  const Session = sessionmaker(own);
  const db = Session({ readYourWrites: true });
  const beside = Session.on(variant)(db.identity);
  beside.identity.bookmark?.note("0/1");
  assertEquals([db.bookmark, beside.bookmark], ["0/1", "0/1"]);
});

Deno.test("a commit over HTTP does not wait for ever for its position", async () => {
  await using database = await testDatabase({
    setup: "create table kept (n int)",
  });
  await using server = await serveNeon({
    backend: database.url,
    port: 0,
    faults: ({ text }) =>
      text.includes("pg_current_wal_insert_lsn")
        ? { kind: "stall" }
        : undefined,
  });
  await using engine = createEngine(neon(server.url), {
    transaction: { statementTimeout: 0 },
  });
  const Session = sessionmaker(engine, { schema: { kept } });
  await using db = Session({ readYourWrites: true });
  db.add(kept, { n: 1 });
  await db.commit();
  assertEquals(db.stats.requests, 2);
  assertEquals(db.bookmark, undefined);
  assertEquals(await database.query("select n from kept"), [{ n: 1 }]);
});
