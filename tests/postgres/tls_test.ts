import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionError, createEngine, sessionmaker } from "../../mod.ts";
import { postgres, type PostgresOptions } from "../../src/postgres/mod.ts";
import { connectAdmin } from "../support/admin_client.ts";
import { bundleWorker } from "../support/bundle_worker.ts";
import { CERTIFICATE } from "../support/certificate.ts";
import {
  controlPostgres,
  startPostgres,
} from "../support/embedded_postgres.ts";
import { startRawWorkerd } from "../support/raw_workerd.ts";
import { waitFor } from "../support/wait_for.ts";
import { flightsOf } from "./login_flights.ts";

const { authority, cert, key } = CERTIFICATE;

/** A server that speaks TLS, whose role `localhost` logs in by certificate. */
async function withTls(run: (url: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  await Deno.chmod(folder, 0o777);
  const files = {
    "server.crt": cert,
    "server.key": key,
    "ca.crt": authority,
    "hba.conf": `hostssl all localhost all cert
      host all all all scram-sha-256`,
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${name}`, text, { mode: 0o600 });
    if (Deno.uid() === 0) await Deno.chown(`${folder}/${name}`, 65534, 65534);
  }
  const server = await startPostgres(
    folder,
    `ssl = on
      ssl_cert_file = '${folder}/server.crt'
      ssl_key_file = '${folder}/server.key'
      ssl_ca_file = '${folder}/ca.crt'
      hba_file = '${folder}/hba.conf'
    `,
  );
  try {
    await run(server.url);
  } finally {
    await controlPostgres(server, "stop").catch(() => {});
    await Deno.remove(folder, { recursive: true });
  }
}

/** Whether it speaks TLS, and as whom. */
async function login(url: string, options?: PostgresOptions): Promise<unknown> {
  await using engine = createEngine(postgres(url, options));
  return await sessionmaker(engine).begin(async (db) => {
    const { rows } = await db.execute(
      `select current_user as role, ssl from pg_stat_ssl
        where pid = pg_backend_pid()`,
    );
    return rows[0];
  });
}

const YES = true;
const NO = false;

Deno.test("postgres() verifies a server that speaks TLS, and shows it a certificate", async () => {
  await withTls(async (url) => {
    const own = { role: "nullpool", ssl: YES };
    assertEquals(await login(url), { ...own, ssl: NO });
    assertEquals(await login(`${url}?sslmode=no-verify`), own);
    const bound = `${url}?channel_binding=require`;
    assertEquals(await login(bound, { tls: { ca: authority } }), own);
    const refusals: readonly (readonly [string, PostgresOptions, string])[] = [
      [`${url}?sslmode=verify-full`, {}, "SELF_SIGNED_CERT_IN_CHAIN"],
      [
        url,
        { tls: { ca: authority, servername: "elsewhere.example" } },
        "ERR_TLS_CERT_ALTNAME_INVALID",
      ],
    ];
    for (const [url, options, reason] of refusals) {
      const error = await assertRejects(
        () => login(url, options),
        ConnectionError,
      );
      assertEquals(
        [error.code, error.maybeExecuted],
        ["CONNECT_FAILED", NO],
      );
      assert(error.message.endsWith(`: ${reason}`), error.message);
    }

    await using admin = await connectAdmin(url);
    await admin.query("create role localhost login");
    const { host } = new URL(url);
    const byCertificate = `postgres://localhost@${host}/postgres`;
    // What was given stays as it was: it is used again, also by others.
    const tls = Object.freeze({ ca: authority, cert, key });
    for (let time = 0; time < 2; time++) {
      assertEquals(await login(byCertificate, { tls }), {
        role: "localhost",
        ssl: YES,
      });
    }
    assertEquals({ ...tls }, { ca: authority, cert, key });
    // As a pool of `pg` leaves what it was given before.
    const shared = Object.defineProperty({ ...tls }, "key", {
      enumerable: NO,
    });
    assertEquals(await login(byCertificate, { tls: shared }), {
      role: "localhost",
      ssl: YES,
    });
  });
});

Deno.test("postgres() needs two round trips less over TLS as well", async () => {
  await withTls(async (url) => {
    const [first = 0, ...later] = await flightsOf(url, 3, {
      tls: { ca: authority },
    });
    assertEquals(later, [first - 2, first - 2]);
    const direct = await flightsOf(`${url}?sslnegotiation=direct`, 3, {
      tls: { ca: authority },
    });
    // One less each: nobody asks for TLS.
    assertEquals(direct, [first - 1, first - 3, first - 3]);
  });
});

Deno.test("postgres() verifies a server also where the environment says not to", async () => {
  const variable = "NODE_TLS_REJECT_UNAUTHORIZED";
  await withTls(async (url) => {
    Deno.env.set(variable, "0");
    try {
      const verified = `${url}?sslmode=verify-full`;
      for (const each of [verified, `${verified}&channel_binding=require`]) {
        const error = await assertRejects(() => login(each), ConnectionError);
        assert(error.message.includes("SELF_SIGNED"), error.message);
      }
      const tls = { servername: "localhost" };
      await assertRejects(() => login(url, { tls }), ConnectionError);
      // Who asks for it by name gets it.
      await login(`${url}?sslmode=no-verify`);
    } finally {
      Deno.env.delete(variable);
    }
  });
});

for (const negotiation of ["postgres", "direct"]) {
  Deno.test(`postgres() cancels over TLS what it gives up, sslnegotiation=${negotiation}`, async () => {
    await withTls(async (url) => {
      await using engine = createEngine(
        postgres(`${url}?sslnegotiation=${negotiation}`, {
          tls: { ca: authority },
        }),
      );
      await using admin = await connectAdmin(url);
      async function asleep(): Promise<number> {
        const rows = await admin.query(
          "select from pg_stat_activity where query ~ '^select pg_sleep'",
        );
        return rows.length;
      }
      const leaving = new AbortController();
      await using db = sessionmaker(engine)({
        transaction: { signal: leaving.signal },
      });
      const given = assertRejects(() => db.execute("select pg_sleep(60)"));
      await waitFor(async () => await asleep() === 1);
      leaving.abort();
      await given;
      await waitFor(async () => await asleep() === 0);
    });
  });
}

Deno.test("postgres() on workerd is let in by what the runtime trusts alone", async () => {
  const contents = await bundleWorker("tests/postgres/tls_worker.ts", {
    tcp: true,
  });
  await withTls(async (url) => {
    await using worker = await startRawWorkerd(contents, {
      POSTGRES_URL: url,
      AUTHORITY: authority,
    });
    const login = async (how: string) =>
      await (await fetch(`http://127.0.0.1:${worker.port}${how}`)).text();
    assertEquals(await login("/"), "in");
    for (
      const how of [
        "/?sslmode=no-verify",
        "/?sslmode=require&sslnegotiation=direct",
        "/authority",
      ]
    ) {
      const told = await login(how);
      assert(told.startsWith("CONNECT_FAILED: Cannot connect to"), told);
    }
  });
});
