import { ViewBars } from "./_view_bars.ts";
import { ViewDetails } from "./_view_details.ts";
import { ViewElements } from "./_view_elements.ts";
import { ViewLanes } from "./_view_lanes.ts";
import { ViewModel } from "./_view_model.ts";
import { ViewPage } from "./_view_page.ts";
import { ViewPool } from "./_view_pool.ts";
import { ViewSql } from "./_view_sql.ts";
import { ViewWords } from "./_view_words.ts";

/**
 * The page's script: the text of its classes, which are checked and tested like
 * all others. None of them may name anything outside of itself but globals of a
 * browser, because a bundler gives other names to what lies outside; what they
 * need of each other they are given here. `__name` is what esbuild's `keepNames`
 * calls inside of classes.
 */
export function inspectorScript(): string {
  return `"use strict";
{
const __name = (named) => named;
const elements = new (${ViewElements})(window.document);
const words = new (${ViewWords})();
const model = new (${ViewModel})();
const bars = new (${ViewBars})(elements, words);
const sql = new (${ViewSql})(elements);
const pool = new (${ViewPool})(elements, words);
const Lanes = ${ViewLanes};
const Details = ${ViewDetails};
const Page = ${ViewPage};
new Page({
  window, elements, words, model, pool,
  lanes: (more) => new Lanes({ elements, words, bars, ...more }),
  details: (more) => new Details({ elements, words, bars, sql, ...more }),
});
}`;
}
