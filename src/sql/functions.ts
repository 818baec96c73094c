/*
 * The functions that SQL of users may call: those whose value depends on their arguments alone, and aggregates whose value depends
 * on the rows alone, whatever their order (sums of floating-point numbers may differ in their last bits). All others are refused,
 * so that a new version of the engine brings none that nobody has looked at.
 */

const operators = words(`
  + - * / // % ^ ** & | ~ << >> @ || !__postfix ^@ ->>
  ~~ !~~ ~~* !~~* ~~~ like_escape not_like_escape ilike_escape not_ilike_escape
  add subtract multiply divide mod
`);

const numbers = words(`
  abs acos acosh asin asinh atan atan2 atanh bit_count cbrt ceil ceiling cos cosh cot degrees even exp factorial fdiv floor fmod gamma
  gcd greatest greatest_common_divisor isfinite isinf isnan lcm least least_common_multiple lgamma ln log log10 log2 nextafter pi pow
  power radians round round_even roundbankers sign signbit sin sinh sqrt tan tanh trunc xor nullif
`);

const texts = words(`
  array_to_string array_to_string_comma_default ascii base64 bin bit_length char_length character_length chr concat concat_ws
  contains damerau_levenshtein editdist3 encode decode ends_with format format_bytes formatreadabledecimalsize formatreadablesize
  from_base64 from_binary from_hex hamming hex instr jaccard jaro_similarity jaro_winkler_similarity lcase left left_grapheme len
  length length_grapheme levenshtein lower lpad ltrim md5 md5_number md5_number_lower md5_number_upper mismatches nfc_normalize
  octet_length ord parse_dirname parse_dirpath parse_filename parse_path position prefix printf regexp_escape regexp_extract
  regexp_extract_all regexp_full_match regexp_matches regexp_replace regexp_split_to_array repeat replace reverse right
  right_grapheme rpad rtrim sha1 sha256 split split_part starts_with str_split str_split_regex string_split string_split_regex
  string_to_array strip_accents strlen strpos substr substring substring_grapheme suffix to_base to_base64 to_binary to_hex
  translate trim ucase unbin unhex unicode upper url_decode url_encode
`);

/** The session's time zone is UTC. */
const times = words(`
  century date_add date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname dayofmonth dayofweek
  dayofyear days_in_month decade epoch epoch_ms epoch_ns epoch_us era hour isodow isoyear julian last_day make_date make_time
  make_timestamp make_timestamp_ms make_timestamp_ns microsecond millennium millisecond minute month monthname nanosecond
  normalized_interval quarter second strftime strptime time_bucket timezone timezone_hour timezone_minute to_centuries to_days
  to_decades to_hours to_microseconds to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp to_weeks
  to_years try_strptime week weekday weekofyear year yearweek
`);

const lists = words(`
  array_append array_concat array_cat array_contains array_cosine_distance array_cosine_similarity array_cross_product
  array_distance array_dot_product array_extract array_has array_has_all array_has_any array_indexof array_inner_product
  array_length array_negative_dot_product array_negative_inner_product array_pop_back array_pop_front array_position array_prepend
  array_push_back array_push_front array_resize array_reverse array_reverse_sort array_select array_slice array_sort array_unique
  array_value array_where array_zip cardinality element_at flatten generate_series grade_up array_grade_up list_append list_avg
  list_bit_and list_bit_or list_bit_xor list_bool_and list_bool_or list_cat list_concat list_contains list_cosine_distance
  list_cosine_similarity list_count list_distance list_dot_product list_element list_extract list_grade_up list_has list_has_all
  list_has_any list_indexof list_inner_product list_kurtosis list_kurtosis_pop list_mad list_max list_median list_min
  list_negative_dot_product list_negative_inner_product list_pack list_position list_prepend list_product list_resize list_reverse
  list_reverse_sort list_select list_sem list_skewness list_slice list_sort list_stddev_pop list_stddev_samp list_string_agg list_sum
  list_unique list_value list_var_pop list_var_samp list_where list_zip map map_concat map_contains map_contains_entry
  map_contains_value map_entries map_extract map_extract_value map_from_entries map_keys map_values range row struct_concat
  struct_contains struct_extract struct_extract_at struct_has struct_indexof struct_insert struct_keys struct_pack struct_position
  struct_update struct_values typeof <-> <=> <@ @> &&
`);

const json = words(`
  json json_array json_array_length json_contains json_exists json_extract json_extract_path json_extract_path_text
  json_extract_string json_keys json_merge_patch json_object json_pretty json_quote json_structure json_type json_valid json_value
  row_to_json array_to_json to_json
`);

const aggregates = words(`
  avg bit_and bit_or bit_xor bool_and bool_or corr count count_if count_star countif covar_pop covar_samp entropy favg fsum geomean
  geometric_mean kahan_sum kurtosis kurtosis_pop mad max mean median min product quantile quantile_cont
  quantile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy sem skewness stddev
  stddev_pop stddev_samp sum sumkahan var_pop var_samp variance wavg weighted_avg
`);

/** Aggregates that keep the order of the rows, allowed where they are ordered by what they collect: what ties is equal. */
const collecting = words('array_agg group_concat list listagg string_agg');

/** Why a function is refused, where more can be said than that it is not known. */
const reasons: readonly (readonly [ReadonlySet<string>, string])[] = [
  [
    words(`
      ago current_localtime current_localtimestamp get_current_time get_current_timestamp now today transaction_timestamp
      pg_conf_load_time pg_postmaster_start_time current_date current_time current_timestamp localtime localtimestamp
    `),
    'which depends on the current time',
  ],
  [
    words('random gen_random_uuid uuid uuidv4 uuidv7 setseed reservoir_quantile'),
    'which gives a different value each time',
  ],
  [
    words(`
      any_value arbitrary arg_max arg_max_null arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin first
      first_value fill lag last last_value lead max_by min_by mode nth_value row_number rank rank_dense dense_rank percent_rank
      cume_dist ntile list_distinct array_distinct list_mode map_to_pg_oid
    `),
    'which depends on the order of the rows',
  ],
  [
    words('approx_count_distinct approx_quantile approx_top_k list_approx_count_distinct hash stats'),
    'whose value is an approximation of this version of the engine',
  ],
  [
    words(`
      current_catalog current_connection_id current_database current_query current_query_id current_role current_schema
      current_schemas current_setting current_transaction_id current_user currval getenv getvariable in_search_path
      inet_client_addr inet_client_port inet_server_addr inet_server_port nextval pg_my_temp_schema session_user txid_current user
      version get_block_size
    `),
    'which depends on the session',
  ],
  [words('aggregate array_aggr array_aggregate list_aggr list_aggregate'), 'which calls another function by its name'],
];

/** Every function that may be called, and those that may be called with an order. */
export const allowedFunctions: ReadonlySet<string> = new Set([
  ...operators,
  ...numbers,
  ...texts,
  ...times,
  ...lists,
  ...json,
  ...aggregates,
  ...collecting,
]);

/** Whether a function keeps the order of the rows, and so must be given one. */
export function collects(name: string): boolean {
  return collecting.has(name);
}

/** Why a function is not allowed. */
export function reasonAgainst(name: string): string {
  return (
    reasons.find(([names]) => names.has(name))?.[1] ?? 'which is not one of the functions allowed in a metric or slice'
  );
}

/** The words of a text, which are apart by spaces or line ends. */
export function words(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/u));
}
