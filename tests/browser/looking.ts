import { assert, assertEquals } from "@std/assert";
import axe from "axe-core";
import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
} from "playwright-core";
import { chromiumProgram } from "../support/chromium.ts";
import { waitFor } from "../support/wait_for.ts";

/** Starts the browser of this machine. */
export async function openBrowser(): Promise<Browser> {
  const executablePath = chromiumProgram();
  assert(
    executablePath !== undefined,
    "No browser: install chromium-headless-shell, or set NULLPOOL_TEST_CHROMIUM",
  );
  // A browser refuses to be root in a sandbox.
  const args = Deno.uid() === 0 ? ["--no-sandbox"] : [];
  return await chromium.launch({ executablePath, args });
}

/** Somebody who looks at an inspector. */
export class Looker {
  readonly page: Page;
  /** What the browser complained about, and addresses that were asked for. */
  readonly complaints: string[] = [];
  readonly asked = new Set<string>();
  /** The lines of the list. */
  readonly lines: Locator;

  private constructor(page: Page) {
    this.page = page;
    this.lines = page.locator("#rows tr");
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => this.complaints.push(error.message));
    page.on("request", (request) => this.asked.add(request.url()));
  }

  static async at(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<Looker> {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 },
      ...options,
    });
    context.setDefaultTimeout(10_000);
    const looker = new Looker(await context.newPage());
    await looker.page.goto(`${url}/_nullpool`);
    await looker.sees("#state", "Live");
    return looker;
  }

  /** A line by something that is said in it. */
  line(text: string): Locator {
    return this.lines.filter({ hasText: text }).first();
  }

  /** Waits until an expression holds; the page's policy allows no `eval`. */
  async until(expression: string): Promise<void> {
    try {
      await waitFor(async () => await this.page.evaluate(expression) === true);
    } catch (cause) {
      throw new Error(`It did not hold: ${expression}`, { cause });
    }
  }

  /** Waits until something says exactly this. */
  async sees(selector: string, text: string): Promise<void> {
    const found = `document.querySelector('${selector}')?.textContent`;
    await this.until(`${found} === ${JSON.stringify(text)}`);
  }

  /** Waits until these, and no others, are there, in this order. */
  async seesAll(selector: string, texts: readonly string[]): Promise<void> {
    const found = `[...document.querySelectorAll(${
      JSON.stringify(selector)
    })].map((each) => each.textContent)`;
    const wanted = JSON.stringify(texts);
    await this.until(
      `JSON.stringify(${found}) === ${JSON.stringify(wanted)}`,
    );
  }

  /** Waits until there are so many lines. */
  async seesLines(count: number): Promise<void> {
    await this.until(
      `document.querySelectorAll('#rows tr').length === ${count}`,
    );
  }

  /** What has the keyboard: its name, its lane, or its tag. */
  async active(): Promise<string> {
    return String(
      await this.page.evaluate(
        "document.activeElement.id || document.activeElement.dataset.id || document.activeElement.tagName",
      ),
    );
  }

  /** Checks the page as axe does (WCAG 2.2, A and AA, and good practice). */
  async isAccessible(what: string): Promise<void> {
    await this.page.evaluate(axe.source);
    const found = await this.page.evaluate(
      "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => html + failureSummary).join(', ')}`))",
    );
    assertEquals(found, [], what);
  }

  async leave(): Promise<void> {
    await this.page.context().close();
    assertEquals(this.complaints, []);
  }
}
