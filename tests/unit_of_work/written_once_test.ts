import { assertEquals } from "@std/assert";
import { customType, pgTable, serial } from "drizzle-orm/pg-core";
import { createEngine, sessionmaker } from "../../mod.ts";
import { serveNeon } from "../../src/dev/serve_neon.ts";
import { neon } from "../../src/neon/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { testDatabase } from "../support/postgres.ts";

const ROWS = 5;

for (const over of ["postgres", "neon"] as const) {
  Deno.test(`a value is encoded once to be sent, whoever counts or hears it, over ${over}`, async () => {
    let encoded = 0;
    const counted = customType<{ data: string; driverData: string }>({
      dataType: () => "text",
      toDriver(value) {
        encoded++;
        return value;
      },
    });
    const items = pgTable("items", {
      id: serial().primaryKey(),
      name: counted("name").notNull(),
    });
    await using database = await testDatabase({
      setup: "create table items (id serial primary key, name text not null)",
    });
    await using server = await serveNeon({ backend: database.url, port: 0 });
    await using engine = createEngine(
      over === "neon" ? neon(server.url) : postgres(database.url),
    );
    const db = sessionmaker(engine, { schema: { items } })();
    db.addAll(
      items,
      Array.from({ length: ROWS }, (_, n) => ({ name: `${n}` })),
    );
    await db.commit();
    // To see whether it is written as SQL, to be checked, and to be sent.
    assertEquals(encoded, 3 * ROWS);
    await db.close();
  });
}
