/* template.h - chat templates: from messages to the text of a prompt. */
#ifndef AR_TEMPLATE_H
#define AR_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* A chat template in the language that the transformers library accepts:
 * Jinja, sandboxed, without includes and blocks, with break, continue and
 * {% generation %}.  Read-only once open; any number of threads may render
 * one at once. */
typedef struct ar_template ar_template;

/* Read `size` bytes of UTF-8, borrowed; `name` is what error messages call
 * the template ("name:line:column: ...").  Errors: AR_NOMEM; AR_FORMAT (what
 * is wrong, and where); AR_RANGE (more than 4 MiB, or nested more than 100
 * deep).  On error *out is NULL. */
ar_status ar_template_open(ar_template **out, const char *name,
                           const char *text, size_t size, ar_error *err);
void ar_template_close(ar_template *t);

typedef struct ar_template_options {
    int64_t now; /* what strftime_now shows, in seconds since 1970 as a clock
                    on the wall counts them; 0: the time of this machine */
} ar_template_options;

typedef struct ar_template_result {
    char *text; /* UTF-8 with a NUL behind it */
    size_t size;
    int64_t (*spans)[2]; /* [n_spans] first code point of each {% generation %}
                            block, and the one behind it */
    size_t n_spans;
    char *raised; /* what the template gave to raise_exception, whole; else
                     NULL.  The only field that is set on an error */
    size_t raised_size;
} ar_template_result;

/* Render with the members of a JSON object as variables: messages, tools,
 * documents, add_generation_prompt, bos_token ... as the template wants them.
 * What is missing is undefined.  opt may be NULL.  Close the result in any
 * case.  A rendering ends with AR_RANGE when it takes more than 2*10^7 steps,
 * 256 MiB of values, 64 MiB of text, a nesting of 1000 or a range() of 10^5;
 * integers have 127 bits.  Errors: AR_FORMAT (the template fails, or calls
 * raise_exception; the variables are not a JSON object), AR_RANGE,
 * AR_UNSUPPORTED, AR_NOMEM. */
ar_status ar_template_render(const ar_template *t, const char *variables,
                             size_t size, const ar_template_options *opt,
                             ar_template_result *out, ar_error *err);
void ar_template_result_close(ar_template_result *r);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
