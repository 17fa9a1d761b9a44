import { assert, assertEquals } from "@std/assert";
import { MARK_KINDS } from "../../src/dev/_inspector_lane.ts";
import { collectGarbage } from "../support/collect_garbage.ts";
import { waitFor } from "../support/wait_for.ts";
import { type BusyApp, busyApp, HOSTILE } from "./busy_app.ts";
import { Looker, openBrowser } from "./looking.ts";

/** A test with a browser and an app; the browser's own ops are not ours. */
function look(
  name: string,
  run: (looker: Looker, app: BusyApp) => Promise<void>,
  { exposeParameters = false } = {},
): void {
  Deno.test({
    name: `inspector: ${name}`,
    async fn() {
      const abort = new AbortController();
      const browser = await openBrowser();
      try {
        const { signal } = abort;
        await using app = await busyApp({ exposeParameters, signal });
        try {
          const looker = await Looker.at(browser, app.url);
          await run(looker, app);
          await looker.leave();
        } finally {
          abort.abort();
        }
      } finally {
        await browser.close();
      }
    },
  });
}

/** Has the app do everything that is marked. */
async function makeTrouble(app: BusyApp): Promise<void> {
  const all = [
    "GET /n-plus-one",
    "POST /slow",
    "POST /refused",
    "POST /broken",
    "POST /retry",
    "POST /leak",
  ];
  for (const each of all) {
    const [method, path = ""] = each.split(" ");
    await app.ask(path, method);
  }
}

look("a request appears while the page is open", async (looker, app) => {
  const { page } = looker;
  assert(await page.locator("#empty").isVisible());
  await app.ask("/orders");
  await app.ask("/orders", "POST");
  await app.ask("/refused", "POST");
  // The newest is on top.
  await looker.seesAll("#rows .title", [
    "POST /refused",
    "POST /orders",
    "GET /orders",
  ]);
  await looker.seesAll("#rows .outcome", ["409", "201", "200"]);
  await looker.seesAll("#rows .bar.sign", ["↶", "✓"]);
  const transports = await looker.lines.locator(".flight")
    .evaluateAll((blocks) =>
      blocks.map((block) => block.getAttribute("data-transport"))
    );
  assertEquals([...new Set(transports)], ["interactive", "batch", "one-shot"]);
  // BEGIN, two statements and COMMIT went together: one block, four stripes.
  const batch = looker.line("POST /orders").locator(".flight");
  assertEquals(await batch.locator(".piece").count(), 4);
  await looker.line("POST /orders").locator(".flush").waitFor();
  assertEquals(await looker.lines.locator(".bar.answer").count(), 3);
  const said = await looker.line("GET /orders").locator("[role=img]")
    .getAttribute("aria-label");
  assert(said?.includes("2 statements in 1 round trip"), said ?? "");
  // Nothing but the page itself was asked for.
  for (const url of looker.asked) assert(url.startsWith(app.url), url);
});

look("everything that is wrong is marked", async (looker, app) => {
  await makeTrouble(app);
  await waitFor(async () => {
    collectGarbage();
    const kinds = await looker.lines.locator(".mark").evaluateAll((chips) =>
      chips.map((chip) => chip.getAttribute("data-kind"))
    );
    return MARK_KINDS.every((kind) => kinds.includes(kind));
  });
  const lines = "[...document.querySelectorAll('#rows tr')]";
  for (const kind of MARK_KINDS) {
    await looker.page.selectOption("#mark", kind);
    const has = `line.querySelector('[data-kind=${kind}]') !== null`;
    // A task brings the request along that waits for it.
    await looker.until(
      `${lines}.some((line) => ${has}) && ${lines}.every((line) => ${has} || line.nextElementSibling?.ariaLevel === '2')`,
    );
  }
});

look("tasks are under the request that waits for them", async (looker, app) => {
  await app.ask("/orders");
  await app.ask("/tasks");
  await looker.seesAll("#rows .title", [
    "GET /tasks",
    ...[0, 1, 2, 3, 4, 5].map((n) => `task ${n}`),
    "GET /orders",
  ]);
  const levels = await looker.lines.evaluateAll((lines) =>
    lines.map((line) => line.getAttribute("aria-level"))
  );
  assertEquals(levels, ["1", "2", "2", "2", "2", "2", "2", "1"]);
});

look("SQL and names are text, whatever they look like", async (looker, app) => {
  const { page } = looker;
  await app.ask("/hostile", "POST");
  await looker.seesLines(2);
  const line = looker.line("task <img");
  assertEquals(await line.locator(".title").innerText(), `task ${HOSTILE}`);
  await line.click();
  await page.locator("#details .statement summary").click();
  const text = await page.locator("#details .statement pre").innerText();
  assertEquals(text, `select 1 /* ${HOSTILE} */`);
  assertEquals(await page.locator("img").count(), 0);
  assertEquals(await page.title(), "Nullpool inspector");
});

look("values are shown to who asks for them", async (looker, app) => {
  const { page } = looker;
  await app.ask("/orders/7");
  await looker.line("/orders/:id").click();
  await page.locator("#details summary").first().click();
  const text = await page.locator("#details pre").innerText();
  assert(text.includes('where "orders"."id" = $1'), text);
  assertEquals(await page.locator(".values").count(), 0);
  await page.click("#values");
  await looker.seesAll(".values li", ['"7"']);
  await page.click("#values");
  await page.locator(".values").waitFor({ state: "detached" });
}, { exposeParameters: true });

look(
  "where values are not kept it says how they would be",
  async (looker, app) => {
    await app.ask("/orders/7");
    await looker.line("/orders/:id").click();
    assert(await looker.page.locator("#no-values").isVisible());
    assert(!await looker.page.locator("#values").isVisible());
  },
);

look("the keyboard is enough", async (looker, app) => {
  const { page } = looker;
  for (let n = 1; n <= 3; n++) await app.ask(`/orders/${n}`);
  await looker.seesLines(3);
  await page.keyboard.press("/");
  assertEquals(await looker.active(), "search");
  // Past the search's neighbours, to the one line that Tab stops at.
  for (let n = 0; n < 6; n++) await page.keyboard.press("Tab");
  assertEquals(await looker.active(), "3");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  assertEquals(await looker.active(), "1");
  await page.keyboard.press("Home");
  assertEquals(await looker.active(), "3");
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowUp");
  assertEquals(await looker.active(), "2");
  const outline = await page.evaluate(
    "getComputedStyle(document.activeElement).outlineStyle",
  );
  assertEquals(outline, "solid");

  await page.keyboard.press("Enter");
  assertEquals(await looker.active(), "details-title");
  assertEquals(await page.locator("[aria-selected=true]").count(), 1);
  await page.keyboard.press("Escape");
  assert(!await page.locator("#details").isVisible());
  assertEquals(await looker.active(), "2");

  // What comes in does not take the place of who is reading.
  await app.ask("/orders/4");
  await looker.seesLines(4);
  assertEquals(await looker.active(), "2");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  assertEquals(await looker.active(), "4");

  // Where its line goes away, the keyboard goes to the next one.
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.evaluate(
    "(search.value = 'nowhere', search.dispatchEvent(new Event('input')), 0)",
  );
  await looker.seesLines(0);
  await page.evaluate(
    "(search.value = '', search.dispatchEvent(new Event('input')), 0)",
  );
  await looker.seesLines(4);
  await page.focus("#search");
  for (let n = 0; n < 6; n++) await page.keyboard.press("Tab");
  assertEquals(await looker.active(), "4");
});

look("what is looked for is found", async (looker, app) => {
  const { page } = looker;
  await app.ask("/orders");
  await app.ask("/orders/7");
  await app.ask("/refused", "POST");
  await looker.seesLines(3);
  await page.fill("#search", "GET orders");
  await looker.seesLines(2);
  await page.fill("#search", "insert into");
  await looker.seesAll("#rows .title", ["POST /refused"]);
  await page.fill("#search", "nowhere to be found");
  await page.locator("#no-match").waitFor();
  await page.fill("#search", "");
  await page.selectOption("#transport", "one-shot");
  await looker.seesLines(2);
});

look(
  "a pause holds everything, and going on shows what was missed",
  async (looker, app) => {
    const { page } = looker;
    await app.ask("/orders");
    await looker.seesLines(1);
    await page.click("#pause");
    await looker.sees("#state", "Paused");
    await app.ask("/orders/1");
    await app.ask("/orders/2");
    // It would have been here by now: another page is told.
    const other = await page.context().newPage();
    await other.goto(`${app.url}/_nullpool`);
    await other.locator("#rows tr").nth(2).waitFor();
    assertEquals(await looker.lines.count(), 1);
    await page.click("#pause");
    await looker.seesLines(3);
    await page.click("#clear");
    await looker.seesLines(0);
    await app.ask("/orders/3");
    await looker.seesLines(1);
  },
);

look("where it was refused it asks again", async (looker, app) => {
  const { page } = looker;
  await page.route("**/stream", (route) => route.fulfill({ status: 503 }), {
    times: 1,
  });
  await page.click("#pause");
  await page.click("#pause");
  await looker.sees("#state", "Connecting");
  await looker.sees("#state", "Live");
  await app.ask("/orders");
  await looker.seesLines(1);
  // The browser's own word for the refusal.
  assertEquals(looker.complaints.splice(0).length, 1);
});

look("it is busy with 200 requests, and says so once", async (looker, app) => {
  const { page } = looker;
  await page.evaluate(
    "said = []; new MutationObserver(() => said.push(document.getElementById('said').textContent)).observe(document.getElementById('said'), { childList: true, characterData: true, subtree: true })",
  );
  await Promise.all(
    Array.from({ length: 10 }, async (_, n) => {
      for (let each = 0; each < 20; each++) await app.ask(`/orders/${n + 1}`);
    }),
  );
  await looker.seesLines(200);
  await looker.sees("#total-lanes", "200");
  await looker.until("said.length > 0");
  const said = await page.evaluate("said") as string[];
  assert(said.length <= 3, said.join());
  assert(/^\d+ new lanes/.test(said[0] ?? ""), said.join());
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [1280, 400]) {
    look(
      `everybody can use it, ${colorScheme}, ${width} wide`,
      async (own, app) => {
        const browser = own.page.context().browser();
        assert(browser !== null);
        const looker = await Looker.at(browser, app.url, {
          colorScheme,
          reducedMotion: "reduce",
          viewport: { width, height: 800 },
        });
        await looker.isAccessible("empty");
        await app.ask("/tasks");
        await app.ask("/n-plus-one");
        await app.ask("/broken", "POST");
        await app.ask("/slow", "POST");
        await looker.seesLines(10);
        await looker.isAccessible("busy");
        const moves = await looker.page.evaluate(
          "getComputedStyle(document.querySelector('#rows tr')).animationName",
        );
        assertEquals(moves, "none");
        await looker.line("/broken").click();
        await looker.page.locator("#details summary").nth(1).click();
        await looker.isAccessible("with its details");
        const overflow = await looker.page.evaluate(
          "document.documentElement.scrollWidth - innerWidth",
        );
        assertEquals(overflow, 0);
        await looker.leave();
      },
    );
  }
}

look(
  "its script also works when a bundler has renamed everything",
  async (looker, app) => {
    const file = await Deno.makeTempFile({ suffix: ".js" });
    try {
      const { success } = await new Deno.Command(Deno.execPath(), {
        args: [
          "bundle",
          "--minify",
          "--quiet",
          `--output=${file}`,
          "src/dev/_inspector_script.ts",
        ],
      }).output();
      assert(success);
      const bundled: { inspectorScript(): string } = await import(
        `file://${file}`
      );
      const script = bundled.inspectorScript();
      assert(!script.includes("class ViewLanes"));
      await looker.page.route("**/_nullpool", async (route) => {
        const answer = await route.fetch();
        const body = (await answer.text()).replace(
          /(<script[^>]*>)[^]*(<\/script>)/,
          (_, start, end) => start + script + end,
        );
        await route.fulfill({ response: answer, body });
      });
      await looker.page.reload();
      await app.ask("/orders");
      await looker.seesLines(1);
      await looker.line("/orders").click();
      await looker.page.locator("#details pre").first().waitFor({
        state: "attached",
      });
    } finally {
      await Deno.remove(file);
    }
  },
);
