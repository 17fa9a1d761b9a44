/**
 * Condition names of the SQLSTATEs whose server text is not passed on because
 * it may quote values (PostgreSQL, Appendix A: classes 21, 22, 23, 28, 3D, P0).
 */
const CONDITION_NAMES: Readonly<Record<string, string>> = {
  "21000": "cardinality_violation",
  "22001": "string_data_right_truncation",
  "22003": "numeric_value_out_of_range",
  "22004": "null_value_not_allowed",
  "22007": "invalid_datetime_format",
  "22008": "datetime_field_overflow",
  "22009": "invalid_time_zone_displacement_value",
  "22012": "division_by_zero",
  "22021": "character_not_in_repertoire",
  "22023": "invalid_parameter_value",
  "22025": "invalid_escape_sequence",
  "2202E": "array_subscript_error",
  "22030": "duplicate_json_object_key_value",
  "22032": "invalid_json_text",
  "22P02": "invalid_text_representation",
  "22P03": "invalid_binary_representation",
  "22P05": "untranslatable_character",
  "23000": "integrity_constraint_violation",
  "23001": "restrict_violation",
  "23502": "not_null_violation",
  "23503": "foreign_key_violation",
  "23505": "unique_violation",
  "23514": "check_violation",
  "23P01": "exclusion_violation",
  "28000": "invalid_authorization_specification",
  "28P01": "invalid_password",
  "3D000": "invalid_catalog_name",
  "P0001": "raise_exception",
  "P0002": "no_data_found",
  "P0003": "too_many_rows",
  "P0004": "assert_failure",
};

/** Classes whose server text names objects and states, never values. */
const CLASSES_WITH_SAFE_TEXT: ReadonlySet<string> = new Set([
  "08",
  "25",
  "40",
  "42",
  "53",
  "55",
  "57",
]);

/** Whether the server's text for this SQLSTATE cannot quote a value. */
export function hasSafeText(sqlstate: string): boolean {
  return CLASSES_WITH_SAFE_TEXT.has(sqlstate.slice(0, 2));
}

/** The SQLSTATE with its condition name, where it is known. */
export function describeSqlstate(sqlstate: string): string {
  const name = CONDITION_NAMES[sqlstate];
  return name === undefined ? `SQLSTATE ${sqlstate}` : `${sqlstate} ${name}`;
}
