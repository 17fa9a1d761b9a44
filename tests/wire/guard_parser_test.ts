import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  ConnectionError,
  createEngine,
  type Driver,
  sessionmaker,
} from "../../mod.ts";
import {
  authenticationOk,
  backendKeyData,
  readyForQuery,
} from "../../src/dev/_messages.ts";
import { neonWebSocket } from "../../src/neon/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { message } from "../dev/raw_tunnel.ts";
import { socketPeer } from "../neon/socket_peer.ts";

/** A server that says one thing to what it hears first, and one to the next. */
interface Odd extends AsyncDisposable {
  readonly driver: Driver;
}

function overTcp(first: Uint8Array, second: Uint8Array): Promise<Odd> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  async function serve(): Promise<void> {
    for await (const conn of listener) {
      using _ = conn;
      const buffer = new Uint8Array(65_536);
      for (const answer of [first, second]) {
        if (await conn.read(buffer) === null) break;
        await conn.write(answer);
      }
      // Until the client is gone.
      while (await conn.read(buffer).catch(() => null) !== null);
    }
  }
  const serving = serve();
  const { port } = listener.addr;
  return Promise.resolve({
    driver: postgres(`postgres://app:secret@127.0.0.1:${port}/app`),
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
    },
  });
}

async function overWebSocket(
  first: Uint8Array,
  second: Uint8Array,
): Promise<Odd> {
  const peer = await socketPeer((socket) => {
    // The first flight shares a frame with the login.
    socket.on("message", () => socket.send(Buffer.concat([first, second])));
  });
  const url = `postgres://app:secret@127.0.0.1:${new URL(peer.url).port}/app`;
  return {
    driver: neonWebSocket(url),
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  };
}

const LOGIN = Buffer.concat([
  authenticationOk(),
  backendKeyData(1, 1),
  readyForQuery(),
]);

const NOTHING = new Uint8Array();

/** What the packages throw at, in their socket's event. */
const ODD: Readonly<Record<string, readonly [Uint8Array, Uint8Array]>> = {
  "a login by GSSAPI": [message("R", "\0\0\0\x07"), NOTHING],
  "a login by an unknown mechanism": [
    message("R", "\0\0\0\x0aNO-SUCH-1\0\0"),
    NOTHING,
  ],
  "a login without a kind": [message("R", ""), NOTHING],
  "a login that comes twice": [LOGIN, message("R", "\0\0\0\x07")],
  "columns without an end": [LOGIN, message("T", "\0\x03a\0")],
  "a row with too few values": [
    LOGIN,
    Buffer.concat([
      message("T", `\0\x01a\0${"\0".repeat(18)}`),
      message("D", "\0\x05\0\0\0\x01a"),
    ]),
  ],
};

for (const serve of [overTcp, overWebSocket]) {
  for (const [name, [first, second]] of Object.entries(ODD)) {
    Deno.test(`${name} is told at once, and ends no process: ${serve.name}()`, async () => {
      await using odd = await serve(first, second);
      await using engine = createEngine(odd.driver);
      await using db = sessionmaker(engine)();
      const error = await assertRejects(
        () => db.execute("select 1"),
        ConnectionError,
      );
      const { code, message } = error;
      assert(/cannot be read|SASL/.test(message), message);
      const isRefused = serve === overTcp && first !== LOGIN;
      assertEquals(code, isRefused ? "CONNECT_FAILED" : "CONNECTION_LOST");
    });
  }
}
