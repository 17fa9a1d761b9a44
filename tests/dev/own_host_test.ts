import { assert, assertEquals } from "@std/assert";
import { type NeonServerOptions, serveNeon } from "../../src/dev/mod.ts";
import { isOwnHost } from "../../src/dev/_own_host.ts";
import { testDatabase } from "../support/postgres.ts";

Deno.test("isOwnHost() knows this machine's names, and no others", () => {
  const own = { hostname: "127.0.0.1", allowedHosts: ["db.localtest.me"] };
  const hosts: [string | undefined, boolean][] = [
    ["localhost", true],
    ["localhost:5433", true],
    ["LOCALHOST:5433", true],
    ["api.localhost:5433", true],
    ["127.0.0.1:5433", true],
    ["127.1.2.3", true],
    ["[::1]:5433", true],
    ["db.localtest.me:5433", true],
    ["evil.example", false],
    ["localhost.evil.example", false],
    ["127.0.0.1.evil.example", false],
    ["evil.example:127", false],
    ["", false],
    [undefined, false],
  ];
  for (const [host, expected] of hosts) {
    assertEquals(isOwnHost(host, own), expected, String(host));
    // Whoever leaves this machine has other names.
    assert(isOwnHost(host, { ...own, hostname: "0.0.0.0" }));
  }
});

/** The status line of a request under some host's name. */
async function statusUnder(
  host: string,
  request: string,
  options: Partial<NeonServerOptions> = {},
): Promise<string | undefined> {
  await using database = await testDatabase();
  await using server = await serveNeon({
    backend: database.url,
    port: 0,
    ...options,
  });
  const socket = await Deno.connect({
    hostname: "127.0.0.1",
    port: server.port,
  });
  await socket.write(
    new TextEncoder().encode(`${request}\r\nhost: ${host}\r\n\r\n`),
  );
  const buffer = new Uint8Array(1_000);
  const length = await socket.read(buffer) ?? 0;
  socket.close();
  return /^HTTP\/1\.1 (\d+)/
    .exec(new TextDecoder().decode(buffer.subarray(0, length)))?.[1];
}

Deno.test("serveNeon() refuses what was meant for another host", async () => {
  const preflight = "OPTIONS /sql HTTP/1.1";
  const upgrade = "GET /v2 HTTP/1.1\r\nupgrade: websocket\r\n" +
    "connection: upgrade\r\nsec-websocket-version: 13\r\n" +
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
  assertEquals(await statusUnder("localhost", preflight), "200");
  assertEquals(await statusUnder("localhost", upgrade), "101");
  assertEquals(await statusUnder("evil.example", preflight), "403");
  assertEquals(await statusUnder("evil.example", upgrade), "403");
  const allowedHosts = ["DB.localtest.me"];
  assertEquals(
    await statusUnder("db.localtest.me", preflight, { allowedHosts }),
    "200",
  );
});
