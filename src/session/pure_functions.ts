/**
 * Functions of PostgreSQL that read no table, write nothing, and depend on
 * their arguments alone: what calls only these in its SQL is known to be about
 * the tables that it names.
 *
 * Not in it, among others: `now()` and its relatives, also those without
 * parentheses such as `current_date` (they depend on the transaction),
 * `current_user` and other settings, `nextval`, `set_config`, `pg_notify`,
 * advisory locks, and every function of a user.
 */
export const PURE_FUNCTIONS: ReadonlySet<string> = new Set([
  // Aggregates and windows.
  ..."array_agg avg bit_and bit_or bool_and bool_or count every json_agg"
    .split(" "),
  ..."json_object_agg jsonb_agg jsonb_object_agg max min string_agg sum"
    .split(" "),
  ..."stddev variance row_number rank dense_rank lag lead first_value"
    .split(" "),
  ..."last_value ntile percent_rank cume_dist grouping".split(" "),
  // Conditions.
  ..."coalesce greatest least nullif num_nonnulls num_nulls".split(" "),
  // Numbers.
  ..."abs ceil ceiling floor round trunc sign mod power sqrt exp ln log"
    .split(" "),
  // Texts.
  ..."ascii btrim char_length chr concat concat_ws initcap left length lower"
    .split(" "),
  ..."lpad ltrim md5 octet_length overlay position quote_literal regexp_match"
    .split(" "),
  ..."regexp_replace repeat replace reverse right rpad rtrim split_part"
    .split(" "),
  ..."starts_with strpos substr substring to_char to_number translate trim"
    .split(" "),
  ..."upper similarity to_tsvector to_tsquery plainto_tsquery ts_rank"
    .split(" "),
  ..."websearch_to_tsquery".split(" "),
  // Dates, of their arguments.
  ..."date_part date_trunc extract make_date make_interval to_date"
    .split(" "),
  ..."to_timestamp".split(" "),
  // JSON and arrays.
  ..."array_length array_position array_to_string cardinality json_array_length"
    .split(" "),
  ..."json_build_array json_build_object jsonb_array_length jsonb_build_array"
    .split(" "),
  ..."jsonb_build_object json_extract_path jsonb_extract_path row to_json"
    .split(" "),
  ..."to_jsonb unnest".split(" "),
]);
