import { assertEquals } from "@std/assert";
import { sql } from "drizzle-orm";
import { pgTable, serial, text } from "drizzle-orm/pg-core";
import { createEngine, type Session, sessionmaker } from "../../mod.ts";
import { driverBeds } from "../support/drivers.ts";

const visits = pgTable("visits", {
  id: serial().primaryKey(),
  user: text(),
  currentDate: text("current_date"),
});

/** Tests with a session over a row of `visits`, over every driver. */
function test(name: string, run: (db: Session) => Promise<void>): void {
  for (const [driver, makeBed] of Object.entries(driverBeds)) {
    Deno.test(`Session ${name}, over ${driver}`, async () => {
      await using bed = await makeBed();
      await using engine = createEngine(bed.driver, {
        pureFunctions: ["current_catalog"],
      });
      const Session = sessionmaker(engine);
      await Session.begin(async (db) => {
        await db.execute(
          'create table visits (id serial primary key, "user" text, "current_date" text)',
        );
        await db.execute("insert into visits default values");
      });
      await using db = Session();
      await run(db);
      await db.close();
    });
  }
}

test("tells one time in a transaction, however it is asked for", async (db) => {
  for (
    const time of [
      "now()",
      "current_timestamp",
      "CURRENT_TIMESTAMP",
      "current_timestamp(6)",
      "localtimestamp",
      "current_time",
      "localtime",
      "'now'::timestamptz",
      "timestamp with time zone ' NOW '",
      "cast('now' as timestamp)",
      "greatest('now', 'epoch'::timestamptz)",
    ]
  ) {
    await db.begin();
    const read = () =>
      db.select({ time: sql<string>`(${sql.raw(time)})::text` }).from(visits);
    const [first] = await read();
    const [second] = await read();
    assertEquals([time, second], [time, first]);
    await db.rollback();
  }
});

test("reads in one shot what only the rows say", async (db) => {
  const kinds: Record<string, readonly [of: unknown, isOneShot: boolean]> = {
    day: [sql`current_date`, false],
    "special day": [sql`'today'::date`, false],
    "special day and time": [sql`timestamp 'yesterday 12:00'`, false],
    "special day in a list": [sql`'{tomorrow}'::date[]`, false],
    user: [sql`user`, false],
    "current user": [sql`current_user`, false],
    "session's user": [sql`session_user`, false],
    role: [sql`current_role`, false],
    schema: [sql`current_schema`, false],
    "schema, called": [sql`current_schema()`, false],
    setting: [sql`current_setting('role')`, false],
    "named as pure": [sql`current_catalog`, true],
    columns: [visits.user, true],
    "column of a word": [visits.currentDate, true],
    "column behind a dot": [sql`${visits}.user`, true],
    parameter: [sql`${"now"}::text`, true],
    text: [sql`'unknown'`, true],
  };
  for (const [name, [what, isOneShot]] of Object.entries(kinds)) {
    const before = db.stats.transports["one-shot"];
    await db.select({ what: sql`(${what})::text` }).from(visits);
    const made = db.stats.transports["one-shot"] - before;
    assertEquals([name, made], [name, isOneShot ? 1 : 0]);
    await db.rollback();
  }
});
