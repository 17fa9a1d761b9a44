import { html, raw } from "hono/html";
import { inspectorScript } from "./_inspector_script.ts";
import { inspectorStyle } from "./_inspector_style.ts";

type Html = ReturnType<typeof html>;

/**
 * What the page may do: run its own script and style, and ask its own server.
 * No text becomes markup, not even by mistake (Trusted Types).
 *
 * @param nonce Of this answer alone.
 */
export function pagePolicy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

/**
 * The page, without anything to show yet.
 *
 * @param nonce As the policy says it.
 */
export function inspectorPage(nonce: string): Html {
  return html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Nullpool inspector</title>
        <link rel="icon" href="${raw(ICON)}">
        <style nonce="${nonce}">${raw(inspectorStyle())}</style>
      </head>
      <body>
        ${top()} ${filters()}
        <main>${list()} ${details()}</main>
        ${legend()}
        <p id="said" class="unseen" aria-live="polite"></p>
        <script type="module" nonce="${nonce}">${raw(
          inspectorScript(),
        )}</script>
      </body>
    </html>
  `;
}

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='none' stroke='%236470e8' stroke-width='2'%3E%3Ccircle cx='8' cy='8' r='5.5'/%3E%3Cpath d='M3 13 13 3'/%3E%3C/svg%3E";

function top(): Html {
  return html`
    <header class="top">
      <div class="brand">
        <h1><span aria-hidden="true">∅</span> Nullpool inspector</h1>
        <p><span id="database">…</span> · <span id="mode"></span></p>
      </div>
      <dl class="totals">
        <div>
          <dt>Lanes</dt>
          <dd id="total-lanes">0</dd>
        </div>
        <div>
          <dt>Median</dt>
          <dd id="total-median">–</dd>
        </div>
        <div>
          <dt>95 % within</dt>
          <dd id="total-slow">–</dd>
        </div>
        <div>
          <dt>Round trips each</dt>
          <dd id="total-trips">–</dd>
        </div>
        <div>
          <dt>Marked</dt>
          <dd id="total-marked">0</dd>
        </div>
      </dl>
      <section class="pool" aria-labelledby="pool-title">
        <h2 id="pool-title">Pool</h2>
        <p id="pool-says"></p>
        <div id="slots" class="slots" aria-hidden="true"></div>
      </section>
      <div class="run">
        <span id="state" class="state" role="status">Connecting</span>
        <button id="pause" type="button">Pause</button>
        <button id="clear" type="button">Clear</button>
      </div>
    </header>
  `;
}

function filters(): Html {
  return html`
    <form id="filters" role="search">
      <input
        id="search"
        type="search"
        aria-label="Find"
        aria-keyshortcuts="/"
        autocomplete="off"
        spellcheck="false"
        placeholder="Find a route, a session, SQL ( / )"
      >
      <select id="mark" aria-label="Marks">
        <option value="">With or without marks</option>
        <option value="any">With a mark</option>
        <option value="error">✕ Errors</option>
        <option value="leak">◌ Leaks</option>
        <option value="retry">↻ Retries</option>
        <option value="rollback">↶ Rollbacks</option>
        <option value="repeated">≡ N+1</option>
        <option value="idle">‖ Idle in transaction</option>
      </select>
      <select id="transport" aria-label="Transport">
        <option value="">Every transport</option>
        <option value="one-shot">One-shot</option>
        <option value="batch">Batch</option>
        <option value="interactive">Interactive</option>
      </select>
      <div class="zoom" role="group" aria-label="Time scale">
        <button id="closer" type="button" aria-label="Half the time">+</button>
        <button id="fit" type="button">Fit</button>
        <button id="wider" type="button" aria-label="Twice the time">−</button>
      </div>
    </form>
  `;
}

function list(): Html {
  return html`
    <div class="list">
      <table
        id="lanes"
        role="treegrid"
        aria-label="Requests and tasks, the newest first"
        hidden
      >
        <thead>
          <tr role="row">
            <th role="columnheader" scope="col" class="c-name">Request or task</th>
            <th role="columnheader" scope="col" class="c-answer">Outcome</th>
            <th role="columnheader" scope="col" class="c-time number">Time</th>
            <th role="columnheader" scope="col" class="c-sent number">
              <abbr title="Statements in round trips">SQL in trips</abbr>
            </th>
            <th role="columnheader" scope="col" class="fall">
              <span class="unseen">Waterfall</span>
              <span id="axis" class="axis" aria-hidden="true"></span>
            </th>
          </tr>
        </thead>
        <tbody id="rows"></tbody>
      </table>
      <div id="empty" class="nothing">
        <div class="figure" aria-hidden="true">∅</div>
        <p>
          <strong>Nothing has happened yet</strong>
          Send your app a request: its database session appears here while it runs.
        </p>
      </div>
      <div id="no-match" class="nothing" hidden>
        <p><strong>Nothing matches</strong>No lane has what you look for.</p>
      </div>
    </div>
  `;
}

function details(): Html {
  return html`
    <aside id="details" aria-labelledby="details-title" hidden>
      <div class="details-top">
        <h2 id="details-title" tabindex="-1"></h2>
        <button id="close" type="button" aria-keyshortcuts="Escape">Close</button>
      </div>
      <p id="details-when"></p>
      <ul id="details-marks"></ul>
      <dl id="details-facts"></dl>
      <div class="steps-top">
        <h3>Steps</h3>
        <button id="values" type="button" aria-pressed="false"
          hidden>Show values</button>
      </div>
      <ol id="details-steps"></ol>
      <p id="no-values" hidden>
        Values are not kept. Make the engine with
        <code>mode: "development", exposeParameters: true</code> to be able to
        ask for them.
      </p>
    </aside>
  `;
}

function legend(): Html {
  const steps = ["wait", "connect", "idle", "flush", "close"];
  const words: Record<string, string> = {
    wait: "waiting for a slot",
    connect: "connecting",
    idle: "idle in transaction",
    flush: "flush",
    close: "closing",
  };
  const flights = ["one-shot", "batch", "interactive"];
  return html`
    <footer class="legend" tabindex="0">
      <ul aria-label="Legend">
        ${flights.map((transport) =>
          html`<li><span class="bar flight" data-transport="${transport}"><i
          class="piece begin"
        ></i><i class="piece statement"></i><i class="piece statement"></i></span>${transport}</li>`
        )}
        ${steps.map((kind) =>
          html`<li><span class="bar step ${kind}"></span>${words[kind]}</li>`
        )}
        <li><span class="bar sign commit">✓</span>commit</li>
        <li><span class="bar sign rollback">↶</span>rollback</li>
        <li><span class="bar sign failed">✕</span>error</li>
        <li><span class="bar answer" data-tone="good"></span>response</li>
      </ul>
    </footer>
  `;
}
