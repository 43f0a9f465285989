/* hub_curl.h - libcurl, loaded when the first request is made.
 *
 * It brings 28 other libraries along, which every start of the program would
 * else wait for.  Types and constants are those of its header. */
#ifndef HUB_HUB_CURL_H
#define HUB_HUB_CURL_H

#include <curl/curl.h>

#include "arcane/status.h"

/* curl_easy_init is `easy_init` here, and so on. */
typedef struct curl_calls {
#define CURL_CALL(name) __typeof__(curl_##name) *name;
#include "hub/curl_calls.def"
#undef CURL_CALL
} curl_calls;

/* Filled by hub_curl_start; not to be called before. */
extern curl_calls hub_curl;

/* Load libcurl and start it, once for all threads.  Errors: AR_UNSUPPORTED
 * (it is not there, or lacks a function). */
ar_status hub_curl_start(ar_error *err);

/* The functions out of the first of `names` (NULL behind them) that loads.
 * Errors: AR_UNSUPPORTED. */
ar_status hub_curl_load(curl_calls *out, const char *const *names,
                        ar_error *err);

#endif
