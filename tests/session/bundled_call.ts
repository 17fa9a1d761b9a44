/** Prints what `call_site_test.ts` looks at: the error of a session's misuse. */
import { createEngine, sessionmaker } from "../../mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";

const engine = createEngine(recordingDriver(), { mode: "development" });
engine.on("sessionOpen", ({ place }) => console.log(`opened${place}`));
const db = sessionmaker(engine)();
await db.close();
try {
  await db.execute("select 1");
} catch (error) {
  console.log(String(error));
}
