import { assertEquals } from "@std/assert";
import { command } from "../../src/driver/statement.ts";
import { writeFlight } from "../../src/wire/frontend.ts";

/** The text that would be parsed for a statement. */
function parsed(text: string): string {
  const texts: string[] = [];
  function ignore(): void {}
  writeFlight([command(text)], {
    parse: (message) => texts.push(message.text),
    bind: ignore,
    describe: ignore,
    execute: ignore,
    sync: ignore,
  });
  return texts.join();
}

Deno.test("writeFlight() puts a refusal in the place of COPY FROM STDIN", () => {
  const copies = [
    "copy t from stdin",
    "COPY t (a, b) FROM STDIN WITH (FORMAT csv)",
    "/* c */ -- x\n copy t from stdin",
    "-- x\r\ncopy t from stdin",
    "/* a /* b */ c */ copy t from stdin",
    "; copy t\nfrom\n stdin",
  ];
  for (const text of copies) {
    assertEquals(parsed(text).split(" ", 1), ["do"], text);
  }
  const others = [
    "copy t to stdout",
    "copy t from 'a folder/stdin'",
    "-- copy t from stdin\nselect 1",
    "/* copy t from stdin */ select 1",
    "select 'copy t from stdin'",
  ];
  for (const text of others) assertEquals(parsed(text), text);
});

Deno.test("writeFlight() reads each comment once", () => {
  // Read again for each way to group them, they would not end.
  const comments = "/* x */\n".repeat(5_000);
  assertEquals(parsed(`${comments}select 1`), `${comments}select 1`);
  assertEquals(
    parsed(`${comments}copy t from stdin`),
    parsed("copy t from stdin"),
  );
});
