/* weights.h - one view over the tensors of a model, whatever file holds them.
 *
 * A path may be a safetensors, GGUF (also a part of a split one), llm.c or
 * Rustane file, told apart by their first bytes, or a folder with
 * model.safetensors or model.safetensors.index.json (sharded).
 *
 * Names are those of the file.  llm.c and Rustane files have none; theirs are
 * those of Hugging Face's GPT-2 and Llama. */
#ifndef FORMAT_WEIGHTS_H
#define FORMAT_WEIGHTS_H

#include "format/gguf.h"
#include "format/safetensors.h"

typedef struct weights weights; /* opaque */

enum weights_kind {
#define WEIGHTS_FORMAT(name, text, is, open) WEIGHTS_##name,
#include "format/formats.def"
#undef WEIGHTS_FORMAT
};

/* The numbers in the header of an llm.c or Rustane file; those that the format
 * does not have are 0. */
typedef struct weights_header {
    int64_t version, step;
    int64_t context; /* tokens */
    int64_t vocab;   /* rows of the embedding that mean something */
    int64_t layers, heads, channels, hidden; /* hidden: of the MLP */
    int64_t activation; /* Rustane: 0 SwiGLU, 1 squared leaky ReLU */
} weights_header;

/* Errors: AR_IO, AR_FORMAT, AR_UNSUPPORTED, AR_NOMEM; the sentence names the
 * file and the tensor. */
ar_status weights_open(weights **out, const char *path, ar_error *err);
/* One file whose bytes are borrowed until weights_close. */
ar_status weights_open_memory(weights **out, const void *data, size_t size,
                              const char *name, ar_error *err);
/* The parts of quantised matrices of a safetensors file as one tensor each, as
 * this config.json tells of them; what opening a folder does.  The same errors;
 * after one w can only be closed. */
ar_status weights_join(weights *w, const char *name, const char *config,
                       size_t size, ar_error *err);
void weights_close(weights *w);
int64_t weights_count(const weights *w);
const tensor_view *weights_get(const weights *w, int64_t i);
const tensor_view *weights_find(const weights *w, const char *name);
size_t weights_mapped(const weights *w); /* bytes of file mappings */

enum weights_kind weights_kind_of(const weights *w);
const char *weights_kind_text(enum weights_kind kind); /* "GGUF" */
const gguf *weights_gguf(const weights *w); /* its metadata; NULL if not GGUF */
const weights_header *weights_header_of(const weights *w); /* or NULL */

/* Is the matrix, a tensor of w, stored transposed against what Hugging Face has
 * under the same name?  So are llm.c's linear layers, [out, in] instead of
 * [in, out], and Rustane's but for down_proj, [in, out] instead of [out, in].
 * False for files that have names of their own. */
bool weights_turned(const weights *w, const tensor_view *t);

#endif
