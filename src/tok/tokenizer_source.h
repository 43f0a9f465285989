/* tokenizer_source.h - a tokenizer as the metadata of a model file has it.
 *
 * What GGUF files and SentencePiece models say, free of either format:
 *
 *   tokenizer_source s = tokenizer_source_default();
 *   s.model = "gpt2", s.pre = "qwen2";
 *   s.tokens = ..., s.n_tokens = ..., s.merges = ..., s.n_merges = ...;
 *   TRY(tokenizer_from_source(&tok, &s, err)); */
#ifndef TOK_TOKENIZER_SOURCE_H
#define TOK_TOKENIZER_SOURCE_H

#include "arcane/tokenizer.h"

/* Not NUL-terminated. */
typedef struct source_text {
    const char *p;
    size_t n;
} source_text;

/* Types of tokens, as in GGUF and SentencePiece. */
enum source_type {
    SOURCE_NORMAL = 1,
    SOURCE_UNKNOWN,
    SOURCE_CONTROL,
    SOURCE_USER_DEFINED, /* found in a text before all else */
    SOURCE_UNUSED,
    SOURCE_BYTE, /* <0x00> to <0xFF> */
};

typedef struct tokenizer_source {
    const char *model; /* tokenizer.ggml.model: "llama", "gpt2", "bert", "t5" */
    const char *pre;   /* tokenizer.ggml.pre; NULL means "default" */
    const source_text *tokens; /* [n_tokens] */
    const float *scores;       /* [n_tokens], or NULL */
    const int32_t *types;      /* [n_tokens], or NULL: all are normal */
    size_t n_tokens;
    const source_text *merges; /* [n_merges] "left right", of "gpt2" */
    size_t n_merges;
    source_text charsmap;     /* precompiled_charsmap, or empty */
    source_text unknown_text; /* what the unknown token decodes to, or empty */
    int32_t bos, eos, unknown, separator, cls; /* ids; -1 where there is none */
    /* 1 yes, 0 no, -1 as is usual for the model */
    int add_bos, add_eos, add_space_prefix, squeeze_spaces;
    int space_suffix; /* the mark of a space stands behind a word */
} tokenizer_source;

tokenizer_source tokenizer_source_default(void); /* nothing, -1 */

/* All is copied.  Errors: AR_NOMEM, AR_FORMAT, AR_RANGE, AR_UNSUPPORTED
 * (naming the model or the pre-tokenizer that is not known). */
ar_status tokenizer_from_source(ar_tokenizer **out, const tokenizer_source *s,
                                ar_error *err);

#endif
