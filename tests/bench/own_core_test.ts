import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { clearCore, parentOf } from "../../bench/own_core.ts";

/** What the system says of where a process may run. */
async function coresOf(pid: number): Promise<string> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "";
}

/** A process that waits for its input to end. */
function waiting(): Deno.ChildProcess {
  return new Deno.Command("cat", { stdin: "piped", stdout: "null" }).spawn();
}

Deno.test({
  name: "clearCore() leaves a core to one process (Linux with two cores)",
  ignore: Deno.build.os !== "linux" || navigator.hardwareConcurrency < 2,
  async fn() {
    const before = await coresOf(Deno.pid);
    const [peer, other] = [waiting(), waiting()];
    try {
      assertEquals(await parentOf(peer.pid), Deno.pid);
      {
        await using core = await clearCore([Deno.pid]);
        await core.give(peer.pid);
        const own = await coresOf(peer.pid);
        assert(/^\d+$/.test(own), own);
        const others = await coresOf(Deno.pid);
        assertNotEquals(others, before);
        assert(!others.split(/[,-]/).includes(own), others);
        assertEquals(await coresOf(other.pid), others);
      }
      for (const { pid } of [Deno, peer, other]) {
        assertEquals(await coresOf(pid), before);
      }
    } finally {
      for (const child of [peer, other]) {
        await child.stdin.close();
        await child.status;
      }
    }
  },
});
