/* template_file.h - the chat template of a model folder, wherever it is kept:
 * chat_template.jinja, chat_template.json, tokenizer_config.json, or, for one
 * that has a name, additional_chat_templates/NAME.jinja. */
#ifndef FORMAT_TEMPLATE_FILE_H
#define FORMAT_TEMPLATE_FILE_H

#include <jansson.h>

#include "base/text.h"

/* Append the source of the template called `name` (NULL: the usual one) to
 * `out`, and nothing where the folder has none.  Errors: AR_IO, AR_NOMEM,
 * AR_RANGE (a file of more than 64 MiB), AR_FORMAT (not JSON). */
ar_status template_file_read(text *out, const char *folder, const char *name,
                             ar_error *err);

/* Special tokens of tokenizer_config.json, as a template knows them: an
 * object {"bos_token": "<s>", ...}, empty where there are none; the caller's
 * to free.  Errors: as template_file_read. */
ar_status template_file_tokens(json_t **out, const char *folder, ar_error *err);

#endif
