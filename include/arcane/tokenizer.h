/* tokenizer.h - text to token ids and back. */
#ifndef AR_TOKENIZER_H
#define AR_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* Read-only once open; any number of threads may use one at once. */
typedef struct ar_tokenizer ar_tokenizer;

/* Load a tokenizer: a file, told by what is in it, or a folder that has one of
 * tokenizer.json (Hugging Face), tekken.json (Mistral), tokenizer.model
 * (SentencePiece) and *.tiktoken, the first of these counting.  A file of
 * tiktoken ranks needs spec.json beside it: {"pat_str": pattern,
 * "special_tokens": {name: id}}.  Errors: AR_NOMEM, AR_IO, AR_FORMAT,
 * AR_UNSUPPORTED (naming the part that is not known).  On error *out is
 * NULL. */
ar_status ar_tokenizer_open(ar_tokenizer **out, const char *path,
                            ar_error *err);

/* One token per byte, ids 0 to 255.  Errors: AR_NOMEM. */
ar_status ar_tokenizer_bytes(ar_tokenizer **out, ar_error *err);

/* Train byte-level BPE.  `next` is called until it returns 0; each call gives
 * one document, borrowed until the next call.  n_vocab counts the 256 bytes,
 * the merges and the specials (which come last, the first being the beginning-
 * of-sequence token).  pattern NULL = the default split pattern.  Merges equal
 * rustbpe's: most frequent pair first, ties to the smaller pair of ids.  The
 * vocabulary is smaller than n_vocab when the corpus has nothing more to
 * learn.  Errors: AR_NOMEM, AR_RANGE (n_vocab too small or above 2^24),
 * AR_FORMAT (empty corpus, bad pattern, a special token given twice or equal
 * to a piece of the text), AR_UNSUPPORTED (naming the part of the pattern). */
typedef struct ar_bpe_options {
    int32_t n_vocab;             /* 4096 */
    const char *pattern;         /* PCRE2 syntax */
    const char *const *specials; /* NULL-terminated; NULL = <|bos|> alone */
    void (*progress)(void *ctx, double done); /* may be NULL */
    void *ctx;
} ar_bpe_options;
ar_bpe_options ar_bpe_options_default(void);
typedef int ar_text_next(void *ctx, const char **text, size_t *n);
ar_status ar_tokenizer_train(ar_tokenizer **out, const ar_bpe_options *opt,
                             ar_text_next *next, void *ctx, ar_error *err);

/* Write tokenizer.json; the file is replaced whole.  Errors: AR_IO,
 * AR_UNSUPPORTED (a tokenizer that came from another kind of file). */
ar_status ar_tokenizer_save(const ar_tokenizer *tok, const char *path,
                            ar_error *err);

void ar_tokenizer_close(ar_tokenizer *tok);

int32_t ar_tokenizer_vocab(const ar_tokenizer *tok); /* V: largest id + 1 */
int32_t ar_tokenizer_bos(const ar_tokenizer *tok);   /* -1 if none */
int32_t ar_tokenizer_eos(const ar_tokenizer *tok);   /* -1 if none */

/* Encode n bytes of UTF-8 (other bytes are encoded as they are, where the
 * vocabulary has them, each apart from its neighbours).  Special tokens in the
 * text are recognised only with AR_SPECIAL; AR_TEMPLATE also adds what the
 * file's post-processor adds.  Writes at most `capacity` ids; *count is how
 * many the text has, so a first call with ids = NULL measures.  Errors:
 * AR_NOMEM, AR_RANGE (a document of more than 2^31 bytes, or one that the
 * file's pattern is too costly for). */
enum { AR_SPECIAL = 1, AR_TEMPLATE = 2 };
ar_status ar_tokenizer_encode(const ar_tokenizer *tok, const char *text,
                              size_t n, unsigned flags, int32_t *ids,
                              size_t capacity, size_t *count, ar_error *err);

/* The bytes of n ids: at most `capacity` are written, *count is how many there
 * are.  Not NUL-terminated; may end inside a UTF-8 sequence where tokens are
 * bytes.  Special tokens are left out unless AR_SPECIAL.  Ids outside the
 * vocabulary give nothing.  With AR_MIDDLE it is the bytes that the ids add
 * in the middle of a text: nothing is done as at its start, and bytes that
 * make no character come as they are.  Errors: AR_NOMEM. */
enum { AR_MIDDLE = 4 };
ar_status ar_tokenizer_decode(const ar_tokenizer *tok, const int32_t *ids,
                              size_t n, unsigned flags, char *text,
                              size_t capacity, size_t *count, ar_error *err);

/* The text of ids that come one by one.  Each call gives what is complete: a
 * character whose bytes are spread over tokens comes with the last of them,
 * and bytes that are no character come as U+FFFD.  The text is NUL-terminated
 * UTF-8, owned by the stream and valid until its next call.  All of it
 * together is what ar_tokenizer_decode gives, but for bytes that are no
 * characters.  flags: AR_SPECIAL gives special tokens too, AR_MIDDLE goes on
 * with a text that has begun.  The tokenizer has to stay open.  Errors:
 * AR_NOMEM. */
typedef struct ar_tokenizer_stream ar_tokenizer_stream;
ar_status ar_tokenizer_stream_open(ar_tokenizer_stream **out,
                                   const ar_tokenizer *tok, unsigned flags,
                                   ar_error *err);
ar_status ar_tokenizer_stream_add(ar_tokenizer_stream *s, int32_t id,
                                  const char **text, size_t *n, ar_error *err);
/* No more ids come: what is left of an unfinished character is U+FFFD. */
ar_status ar_tokenizer_stream_end(ar_tokenizer_stream *s, const char **text,
                                  size_t *n, ar_error *err);
void ar_tokenizer_stream_close(ar_tokenizer_stream *s);

/* Bytes that token `id` stands for in a text; 0 for specials: what bits per
 * byte are counted with. */
int32_t ar_tokenizer_bytes_of(const ar_tokenizer *tok, int32_t id);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
