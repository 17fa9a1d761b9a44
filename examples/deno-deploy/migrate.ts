import { prepare } from "../order_desk/prepare.ts";
import { openEngine } from "./engine.ts";
import { runProgram } from "./program.ts";

await runProgram(async () => {
  await using engine = openEngine();
  await prepare(engine);
  console.log("The database is up to date");
});
