/* export_tok.h - a tokenizer.json as the metadata of a GGUF file. */
#ifndef MODEL_EXPORT_TOK_H
#define MODEL_EXPORT_TOK_H

#include "format/gguf.h"
#include "model/config.h"

/* Tokens, their types, merges or scores, special ids and the chat template, if
 * the folder has a tokenizer.json that is byte-level BPE or BPE that falls back
 * to bytes (SentencePiece's); of others only the template is put.
 * Errors: AR_IO, AR_FORMAT (no JSON), AR_NOMEM. */
ar_status export_gguf_tokenizer(gguf_writer *w, const char *folder,
                                const model_config *c, ar_error *err);

#endif
