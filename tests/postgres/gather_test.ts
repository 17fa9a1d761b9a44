import { assertEquals } from "@std/assert";
import { gather } from "../../src/postgres/_gather.ts";

Deno.test("gather() makes one packet of what is written, and tells all of its end", () => {
  const sent: string[] = [];
  const told: unknown[] = [];
  const stream = {
    write(bytes: Uint8Array, ...rest: unknown[]): void {
      sent.push(new TextDecoder().decode(bytes));
      const [last] = rest.slice(-1);
      if (typeof last === "function") last("end");
    },
  };
  const bytesOf = (text: string) => new TextEncoder().encode(text);
  const send = gather(stream);
  stream.write(bytesOf("a"));
  stream.write(bytesOf("b"), (error: unknown) => told.push(error));
  // As `pg` on Workers ends a socket.
  stream.write(bytesOf(""), "utf8", (error: unknown) => told.push(error));
  assertEquals([sent, told], [[], []]);
  send();
  assertEquals([sent, told], [["ab"], ["end", "end"]]);
  stream.write(bytesOf("c"));
  assertEquals(sent, ["ab", "c"]);
});
