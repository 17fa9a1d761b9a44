import { assert, assertRejects } from "@std/assert";
import { sql } from "drizzle-orm";
import { pgTable, serial, text } from "drizzle-orm/pg-core";
import {
  createEngine,
  type Driver,
  mapTasks,
  sessionmaker,
} from "../../mod.ts";
import { serveNeon } from "../../src/dev/mod.ts";
import { neon } from "../../src/neon/mod.ts";
import { instrument } from "../../src/otel/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import { metricBed } from "./metric_bed.ts";
import { spanBed } from "./otel_bed.ts";

const people = pgTable("people", {
  id: serial().primaryKey(),
  name: text().notNull().unique(),
});

/** In every value and password: nobody may be told. */
const MARKER = "m4rk3r";
/** The same, as a number. */
const NUMBER = 73571;

/** All that is told of a driver, work and failures alike. */
async function toldOf(driver: Driver): Promise<string> {
  await using engine = createEngine(driver, {
    settings: { "app.secret": MARKER },
  });
  const spans = spanBed();
  await using metrics = metricBed();
  instrument(engine, { meterProvider: metrics.meterProvider });
  const Session = sessionmaker(engine, { schema: { people }, roles: [] })
    .with({ claims: { sub: MARKER } });
  const raw = [
    `insert into people (name) values ('${MARKER} 1')`,
    `insert into people (name) values (E'\\'${MARKER} 2')`,
    `insert into people (name) values ($$${MARKER} 3$$) -- ${MARKER}`,
    `insert into people (name) values ('${MARKER}''${NUMBER}') /* ${MARKER} */`,
    `select * from people where id = ${NUMBER} or name = U&'${MARKER}'`,
    `set local app.other = '${MARKER}'`,
    `do $do$ begin perform '${MARKER}'; end $do$`,
    `select '${MARKER}'::int`,
    `selec '${MARKER}'`,
  ];
  for (const text of raw) {
    await Session.begin((db) => db.execute(text)).catch(() => {});
  }
  await Session.begin((db) => db.insert(people).values({ name: MARKER }));
  await assertRejects(() =>
    Session.begin((db) => {
      db.add(people, { name: MARKER });
      return Promise.resolve();
    })
  );
  await Session.begin((db) =>
    db.select().from(people).where(sql`${people.name} = ${MARKER}`)
  );
  await assertRejects(() =>
    mapTasks(
      Session,
      [MARKER],
      (db, name) => db.insert(people).values({ name }),
    )
  );
  await engine.idle();
  assert(spans.spans().length > 20);
  const told = spans.spans().map(
    ({ name, attributes, events, links, status }) => ({
      name,
      attributes,
      events,
      links,
      status,
    }),
  );
  return Deno.inspect([told, await metrics.collect()], {
    depth: 20,
    iterableLimit: Infinity,
    strAbbreviateSize: Infinity,
  });
}

Deno.test("instrument() tells no value, password or URL", async () => {
  await using database = await testDatabase({
    setup: "create table people (id serial primary key, name text unique)",
  });
  const role = await database.createRole();
  await database.query(
    `alter role ${role.name} password '${MARKER}';
     grant all on people, people_id_seq to ${role.name}`,
  );
  const server = await serveNeon({ backend: database.url, port: 0 });
  const direct = new URL(role.url);
  direct.password = MARKER;
  const endpoint = new URL(direct);
  endpoint.port = String(server.port);
  try {
    for (const driver of [postgres(direct.href), neon(endpoint.href)]) {
      await database.query("delete from people");
      const told = await toldOf(driver);
      for (const secret of [MARKER, String(NUMBER), role.name, "://"]) {
        const at = told.indexOf(secret);
        // The names of the conventions' schema are the only addresses.
        const near = told.slice(Math.max(0, at - 200), at + 60);
        assert(at < 0, `${driver.name} ${secret}: ${near}`);
      }
      assert(told.includes("insert into people (name) values (?)"));
    }
  } finally {
    await server.close();
    await server.idle();
  }
});
