/* model.h - a language model as it lies on disk.
 *
 *   ar_model *m;
 *   ar_error err;
 *   if (ar_model_open(&m, "model.gguf", &err) != AR_OK) puts(err.message);
 *   ar_model_facts facts;
 *   ar_model_describe(m, &facts);
 *   printf("%s, %lld parameters\n", facts.family, (long long)facts.n_params);
 *   ar_model_close(m); */
#ifndef AR_MODEL_H
#define AR_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "arcane/status.h"
#include "arcane/template.h"
#include "arcane/tokenizer.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* Read-only once open; any number of engines and threads may use one. */
typedef struct ar_model ar_model;

/* A folder with config.json and safetensors, a GGUF file (of a split one, any
 * part), or a training run (its newest checkpoint).  Weights stay in the file,
 * which is mapped, so that opening takes milliseconds whatever the size; names,
 * shapes and types of all of them are checked.  Errors: AR_IO; AR_FORMAT (a
 * damaged file, or missing weights, which are listed); AR_SHAPE; AR_RANGE;
 * AR_UNSUPPORTED naming the architecture, activation or type that is not known;
 * AR_NOMEM.  On error *out is NULL. */
ar_status ar_model_open(ar_model **out, const char *path, ar_error *err);
void ar_model_close(ar_model *m); /* after all that borrowed it */

typedef struct ar_model_facts {
    const char *family; /* "llama": model_type of config.json; static */
    const char *path;   /* the folder or file; owned by the model */
    int64_t n_vocab;    /* V: logits of a token */
    int64_t n_ctx;      /* tokens that a text may have */
    int64_t n_layers, n_embd, n_heads, n_kv_heads, head_dim;
    int64_t n_experts, n_experts_used; /* of a mixture, else 0 */
    int64_t n_params;                  /* elements of all weights */
    int32_t bos, eos; /* ids that begin and end a text; -1 = none is named */
} ar_model_facts;
void ar_model_describe(const ar_model *m, ar_model_facts *out);

/* The tokenizer in the metadata of a GGUF file, or in the folder beside the
 * weights; *out is NULL where there is none, which is no error.  Close it with
 * ar_tokenizer_close; the model is not needed by it.  Errors: those of
 * ar_tokenizer_open. */
ar_status ar_model_tokenizer(ar_tokenizer **out, const ar_model *m,
                             ar_error *err);

/* The chat template, likewise; NULL where the model has none: it then continues
 * texts and knows no turns.  Errors: AR_IO and those of ar_template_open. */
ar_status ar_model_template(ar_template **out, const ar_model *m,
                            ar_error *err);

/* Tokens that end a text: the model's eos and the tokenizer's (which may be
 * NULL), and with `turns` those that end an answer in the templates of
 * published chat models.  Returns how many are in ids. */
enum { AR_MODEL_ENDS = 32 };
int ar_model_ends(const ar_model *m, const ar_tokenizer *tok, bool turns,
                  int32_t ids[AR_MODEL_ENDS]);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
