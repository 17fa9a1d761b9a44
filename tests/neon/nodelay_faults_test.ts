import { assert, assertEquals } from "@std/assert";
import { type DenoNet, dialDeno } from "../../src/neon/_deno_dial.ts";
import { NodelaySocket } from "../../src/neon/_nodelay_socket.ts";
import { CERTIFICATE } from "../support/certificate.ts";
import { hear, rawPeer, socketPeer } from "./socket_peer.ts";

Deno.test("NodelaySocket speaks TLS on a socket that does not wait", async () => {
  await using peer = await socketPeer((socket) => {
    socket.on("message", (data) => socket.send(data));
  }, { isSecure: true });
  const steps: string[] = [];
  const net: DenoNet = {
    async connect({ hostname, port, signal }) {
      const conn = await Deno.connect({ hostname, port, signal });
      steps.push(`connect ${hostname}`);
      return {
        read: (into) => conn.read(into),
        write: (bytes) => conn.write(bytes),
        close: () => conn.close(),
        setNoDelay() {
          steps.push("setNoDelay");
          conn.setNoDelay();
          taken = conn;
        },
      };
    },
    startTls(_, { hostname, alpnProtocols, caCerts = [] }) {
      steps.push(`startTls ${hostname} ${alpnProtocols}`);
      assert(taken !== undefined);
      return Deno.startTls(taken, { hostname, alpnProtocols, caCerts });
    },
  };
  let taken: Deno.TcpConn | undefined;
  const caCerts = [CERTIFICATE.authority];
  const socket = new NodelaySocket(
    peer.url,
    (url, signal) => dialDeno(url, signal, { net, caCerts }),
  );
  const heard = hear(socket);
  await heard.opened;
  for (const size of [5_000, 2_000_000]) {
    socket.send(new Uint8Array(size).fill(7));
    const answer = await heard.next();
    assert(answer instanceof ArrayBuffer);
    assertEquals(answer.byteLength, size);
    assert(new Uint8Array(answer).every((byte) => byte === 7));
  }
  socket.close();
  await heard.ended;
  assertEquals(steps, [
    "connect localhost",
    "setNoDelay",
    "startTls localhost http/1.1",
  ]);
});

Deno.test("NodelaySocket trusts no certificate that Deno does not", async () => {
  await using peer = await socketPeer(() => {}, { isSecure: true });
  const heard = hear(new NodelaySocket(peer.url));
  await heard.ended;
  assertEquals(heard.log, [
    "error: invalid peer certificate: UnknownIssuer",
    "close 1006 unclean",
  ]);
  const elsewhere = hear(
    new NodelaySocket(peer.url, async (url, signal) => {
      const conn = await Deno.connect({ port: Number(url.port), signal });
      return await dialDeno(new URL("wss://db.example"), signal, {
        caCerts: [CERTIFICATE.authority],
        net: {
          connect: () => Promise.resolve(conn),
          startTls: (_, options) => Deno.startTls(conn, { ...options }),
        },
      });
    }),
  );
  await elsewhere.ended;
  const [why] = elsewhere.log;
  assert(why?.includes("not valid for name"), why);
});

Deno.test("NodelaySocket that TLS cannot start on is closed", async () => {
  await using peer = rawPeer(() => Promise.resolve());
  const heard = hear(
    new NodelaySocket(
      peer.url.replace("ws:", "wss:"),
      (url, signal) =>
        dialDeno(url, signal, {
          net: {
            connect: (options) => Deno.connect(options),
            startTls: () => Promise.reject(new TypeError("no TLS here")),
          },
        }),
    ),
  );
  await heard.ended;
  assertEquals(heard.log, ["error: no TLS here", "close 1006 unclean"]);
  await peer.left;
});

Deno.test("NodelaySocket can be closed while it dials", async () => {
  const socket = new NodelaySocket(
    "ws://127.0.0.1:1/v2",
    (_, signal) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      ),
  );
  const heard = hear(socket);
  socket.close();
  assertEquals(socket.readyState, 2);
  socket.send("to nobody");
  await heard.ended;
  assertEquals(heard.log, [
    "error: Cannot open WebSocket: it was closed",
    "close 1006 unclean",
  ]);
});

Deno.test("NodelaySocket closes a connection that comes too late", async () => {
  await using peer = rawPeer(() => Promise.resolve());
  const dialled = Promise.withResolvers<void>();
  const socket = new NodelaySocket(peer.url, async (url) => {
    // As a version of Deno that cannot give a connect up.
    const conn = await dialDeno(url, new AbortController().signal);
    await dialled.promise;
    return conn;
  });
  const heard = hear(socket);
  socket.close();
  dialled.resolve();
  await heard.ended;
  await peer.left;
  assertEquals(heard.log.length, 2);
});

for (const scheme of ["ws", "wss"]) {
  Deno.test(`NodelaySocket can be closed while a ${scheme} server is silent`, async () => {
    await using listener = {
      tcp: Deno.listen({ hostname: "127.0.0.1", port: 0 }),
      [Symbol.asyncDispose]() {
        this.tcp.close();
        return Promise.resolve();
      },
    };
    const socket = new NodelaySocket(
      `${scheme}://127.0.0.1:${listener.tcp.addr.port}/v2`,
    );
    const heard = hear(socket);
    const conn = await listener.tcp.accept();
    // It has asked, and waits.
    await conn.read(new Uint8Array(1_000));
    socket.close();
    await heard.ended;
    assertEquals(heard.log, [
      "error: Cannot open WebSocket: it was closed",
      "close 1006 unclean",
    ]);
    // Below TLS Deno itself holds the socket until the server answers or leaves.
    if (scheme === "ws") assertEquals(await conn.read(new Uint8Array(1)), null);
    conn.close();
  });
}

for (const isSecure of [false, true]) {
  const kind = isSecure ? "wss" : "ws";
  Deno.test(`50 NodelaySockets end with their ${kind} server, in whatever they do`, async () => {
    let opened = 0;
    const all = Promise.withResolvers<void>();
    const peer = await socketPeer((socket) => {
      socket.send(new Uint8Array(100_000));
      if (++opened === 50) all.resolve();
    }, { isSecure });
    const caCerts = [CERTIFICATE.authority];
    const sockets = Array.from(
      { length: 50 },
      () =>
        new NodelaySocket(
          peer.url,
          (url, signal) => dialDeno(url, signal, { caCerts }),
        ),
    );
    const heard = sockets.map(hear);
    await Promise.all(heard.map((each) => each.opened));
    await all.promise;
    for (const [at, socket] of sockets.entries()) {
      if (at % 5 < 3) socket.send(new Uint8Array(1_000_000));
      if (at % 5 === 0) socket.close();
    }
    await peer[Symbol.asyncDispose]();
    await Promise.all(heard.map((each) => each.ended));
    for (const { log } of heard) {
      const failures = log.filter((line) => line.startsWith("error: "));
      assert(failures.length <= 1, log.join());
      assert(log.at(-1)?.startsWith("close "), log.join());
    }
    const lost = heard.filter(({ log }) => log.at(-1)?.endsWith("unclean"));
    assert(lost.length >= 40, "those that said no goodbye are cut off");
  });
}
