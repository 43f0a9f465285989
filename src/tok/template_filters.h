/* template_filters.h - the functions behind the filters and tests. */
#ifndef TOK_TEMPLATE_FILTERS_H
#define TOK_TEMPLATE_FILTERS_H

#include "tok/template_run.h"

#define FILTER(name, function, parameters) builtin_function function;
#include "tok/template_filters.def"
#undef FILTER
#define TEST(name, function, parameters) builtin_function function;
#include "tok/template_tests.def"
#undef TEST
#define FUNCTION(name, function, parameters) builtin_function function;
#include "tok/template_functions.def"
#undef FUNCTION

builtin_function method_capitalize, method_center, method_count, method_encode,
    method_endswith, method_find, method_format, method_index, method_isalnum,
    method_isalpha, method_isascii, method_isdecimal, method_isnumeric,
    method_isspace, method_join, method_ljust, method_lower, method_lstrip,
    method_partition, method_removeprefix, method_removesuffix, method_rfind,
    method_rindex, method_rjust, method_rpartition, method_rsplit,
    method_rstrip, method_split, method_splitlines, method_startswith,
    method_strip, method_swapcase, method_title, method_upper, method_zfill,
    method_copy, method_get, method_items, method_keys, method_values,
    method_list_count, method_list_index, method_changed, method_cycle;

#endif
