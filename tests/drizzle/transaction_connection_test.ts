import { assert, assertEquals, assertRejects } from "@std/assert";
import { createEngine, sessionmaker, StateError } from "../../mod.ts";
import { driverBeds } from "../support/drivers.ts";

for (const [name, makeBed] of Object.entries(driverBeds)) {
  Deno.test(`Session.connection() over ${name}`, async (t) => {
    await using bed = await makeBed();
    await using engine = createEngine(bed.driver);
    await using db = sessionmaker(engine)();

    await t.step("opens nothing before need", async () => {
      await db.connection();
      await db.commit();
      assertEquals(db.stats.connections, 0);
    });

    await t.step("runs SQL in the session's transaction", async () => {
      await db.execute("create table t (id int)");
      const connection = await db.connection();
      const { rowCount, command } = await connection.query(
        "insert into t values ($1), ($2)",
        [1, 2],
      );
      assertEquals([rowCount, command], [2, "INSERT"]);
      await db.rollback();
      const { rows } = await db.execute("select to_regclass('t') as t");
      assertEquals(rows, [{ t: null }]);
    });

    await t.step("tells columns of the same name apart", async () => {
      const connection = await db.connection();
      const { rows, fields } = await connection.query<unknown[]>(
        "select $1::int as n, $2::text[] as n",
        [1, ["a", null]],
        { rowMode: "array" },
      );
      assertEquals(rows, [[1, ["a", null]]]);
      assertEquals(fields.map((field) => field.name), ["n", "n"]);
    });

    await t.step("ends with the transaction", async () => {
      const connection = await db.connection();
      assert(connection.isActive);
      await db.commit();
      await db.begin();
      assertEquals([connection.isActive, db.inTransaction], [false, true]);
      const error = await assertRejects(
        () => connection.query("select 1"),
        StateError,
      );
      assertEquals(error.code, "TRANSACTION_ENDED");
    });

    await t.step("belongs to the block that it was asked from", async () => {
      await db.transaction(async (tx) => {
        const inner = await tx.connection();
        assertEquals((await inner.query("select 1 as n")).rows, [{ n: 1 }]);
        const deeper = await tx.beginNested((own) => own.connection());
        assertEquals([inner.isActive, deeper.isActive], [true, false]);
        const error = await assertRejects(() => db.connection(), StateError);
        assertEquals(error.code, "NESTED_BLOCK_OPEN");
      });
    });
  });
}
