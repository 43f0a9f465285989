/* weights_flat.c - files that are a header and then numbers, in an order that
 * everybody has to know: llm.c's GPT-2 models and Rustane's checkpoints.
 *
 * llm.c: 256 int32 (magic, version, context, vocab, layers, heads, channels,
 * padded vocab), then each tensor for all layers.  Version 1 is f32 without
 * padding of the vocabulary, 3 is f32, 5 bf16.
 * Rustane: "RSTK" and u32 version, step, channels, layers, vocab, context, from
 * version 2 on activation; then f32: the embedding, the final norm, and one
 * layer after the other.  Its heads are 128 wide and as many for keys as for
 * queries; the width of the MLP follows from the size of the file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "format/weights_int.h"

enum { LLMC_WORDS = 256, RSTK_WORDS = 8, RSTK_HEAD = 128 };

/* What dims of the tables stand for. */
enum letter { ONE, C, C3, C4, V, VP, T, F, LETTERS };

/* A tensor of the file: [a, b], or [a] if b is ONE; # in the name is the layer.
 * The file has `stored` instead of a rows if it is not ONE. */
typedef struct flat_row {
    const char *name;
    enum letter a, b, stored;
    bool layered, turned;
} flat_row;

#define H "transformer.h.#."
static const flat_row llmc_rows[] = {
    {"transformer.wte.weight", V, C, VP, false, false},
    {"transformer.wpe.weight", T, C, ONE, false, false},
    {H "ln_1.weight", C, ONE, ONE, true, false},
    {H "ln_1.bias", C, ONE, ONE, true, false},
    {H "attn.c_attn.weight", C3, C, ONE, true, true},
    {H "attn.c_attn.bias", C3, ONE, ONE, true, false},
    {H "attn.c_proj.weight", C, C, ONE, true, true},
    {H "attn.c_proj.bias", C, ONE, ONE, true, false},
    {H "ln_2.weight", C, ONE, ONE, true, false},
    {H "ln_2.bias", C, ONE, ONE, true, false},
    {H "mlp.c_fc.weight", C4, C, ONE, true, true},
    {H "mlp.c_fc.bias", C4, ONE, ONE, true, false},
    {H "mlp.c_proj.weight", C, C4, ONE, true, true},
    {H "mlp.c_proj.bias", C, ONE, ONE, true, false},
    {"transformer.ln_f.weight", C, ONE, ONE, false, false},
    {"transformer.ln_f.bias", C, ONE, ONE, false, false},
};
#undef H

#define L "model.layers.#."
static const flat_row rstk_rows[] = {
    {"model.embed_tokens.weight", V, C, ONE, false, false},
    {"model.norm.weight", C, ONE, ONE, false, false},
    {L "self_attn.q_proj.weight", C, C, ONE, true, true},
    {L "self_attn.k_proj.weight", C, C, ONE, true, true},
    {L "self_attn.v_proj.weight", C, C, ONE, true, true},
    {L "self_attn.o_proj.weight", C, C, ONE, true, true},
    {L "mlp.gate_proj.weight", C, F, ONE, true, true},
    {L "mlp.up_proj.weight", C, F, ONE, true, true},
    {L "mlp.down_proj.weight", C, F, ONE, true, false},
    {L "input_layernorm.weight", C, ONE, ONE, true, false},
    {L "post_attention_layernorm.weight", C, ONE, ONE, true, false},
};
#undef L

/* A file that is being cut into tensors. */
typedef struct flat {
    const char *path;
    const flat_row *rows;
    int n_rows;
    bool by_layer; /* all of a layer together, else all layers of a tensor */
    ar_type type;
    int64_t dim[LETTERS], layers;
    const unsigned char *p; /* the next tensor */
    bool *turned;
    tensor_view *tensors;
    int64_t n;
} flat;

/* Bytes in the file of one tensor of the row; false if beyond 63 bits. */
static bool row_size(const flat *f, const flat_row *r, size_t *out) {
    const enum letter rows = r->stored != ONE ? r->stored : r->a;
    const shape s = shape2(f->dim[rows], f->dim[r->b]);
    return tensor_size(f->type, &s, out);
}

/* Bytes and number of all tensors. */
static bool total_size(const flat *f, uint64_t *size, int64_t *count) {
    *size = 0;
    *count = 0;
    for (int i = 0; i < f->n_rows; i++) {
        size_t one;
        uint64_t all;
        const uint64_t times = f->rows[i].layered ? (uint64_t)f->layers : 1;
        if (!row_size(f, &f->rows[i], &one) ||
            __builtin_mul_overflow(one, times, &all) ||
            __builtin_add_overflow(*size, all, size))
            return false;
        *count += (int64_t)times;
    }
    return true;
}

static bool add_tensor(flat *f, arena *a, const flat_row *r, int64_t layer) {
    char name[96];
    size_t size;
    const char *mark = strchr(r->name, '#');
    const int n =
        mark ? snprintf(name, sizeof name, "%.*s%" PRId64 "%s",
                        (int)(mark - r->name), r->name, layer, mark + 1)
             : snprintf(name, sizeof name, "%s", r->name);
    tensor_view *t = &f->tensors[f->n];
    t->name = arena_text(a, name, (size_t)n);
    t->type = f->type;
    t->shape =
        r->b == ONE ? shape1(f->dim[r->a]) : shape2(f->dim[r->a], f->dim[r->b]);
    t->data = f->p;
    if (!t->name || !tensor_size(t->type, &t->shape, &t->size) ||
        !row_size(f, r, &size))
        return false;
    f->p += size;
    f->turned[f->n++] = r->turned;
    return true;
}

/* Rows from `first` on that are the same in being layered or not: their
 * tensors in the order of the file.  Returns the row behind them, -1 if memory
 * has run out. */
static int add_rows(flat *f, arena *a, int first) {
    const bool layered = f->rows[first].layered;
    int end = first + 1;
    while (f->by_layer && end < f->n_rows && f->rows[end].layered == layered)
        end++;
    for (int64_t layer = 0; layer < (layered ? f->layers : 1); layer++)
        for (int i = first; i < end; i++)
            if (!add_tensor(f, a, &f->rows[i], layer)) return -1;
    return end;
}

/* `size` bytes at f->p are exactly the tensors. */
static ar_status cut(weights *w, flat *f, uint64_t size, ar_error *err) {
    uint64_t wanted;
    int64_t count;
    if (!total_size(f, &wanted, &count) || wanted != size)
        return error_set(err, AR_FORMAT,
                         "%s: has %" PRIu64
                         " bytes of weights, not what its header asks for; is "
                         "the file cut short?",
                         f->path, size);
    f->tensors = arena_new(&w->mem, tensor_view, count);
    f->turned = arena_new(&w->mem, bool, count);
    if (!f->tensors || !f->turned) return weights_no_memory(f->path, err);
    for (int i = 0; i < f->n_rows;)
        if ((i = add_rows(f, &w->mem, i)) < 0)
            return weights_no_memory(f->path, err);
    w->tensors = f->tensors;
    w->turned = f->turned;
    w->n = f->n;
    return weights_index(w, f->path, err);
}

/* The bytes of the file, and its header as n words, zeros past the end. */
static ar_status read_words(weights *w, weights_source *src, uint32_t *words,
                            size_t n, ar_error *err) {
    if (!src->data) {
        TRY(file_map_open(&w->map, src->name, err));
        src->data = w->map.data;
        src->size = w->map.size;
    }
    const size_t most = n * sizeof *words;
    memset(words, 0, most);
    if (src->size)
        memcpy(words, src->data, src->size < most ? src->size : most);
    return AR_OK;
}

/* Every number of the header that the tensors need, in 1 to 2^31 - 1. */
static ar_status check_header(const weights_header *h, int64_t vocab_stored,
                              const char *path, ar_error *err) {
    const struct {
        const char *name;
        int64_t x;
    } numbers[] = {
        {"width", h->channels},          {"number of heads", h->heads},
        {"number of layers", h->layers}, {"vocabulary", h->vocab},
        {"context length", h->context},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].x < 1 || numbers[i].x > INT32_MAX)
            return error_set(err, AR_FORMAT, "%s: a %s of %" PRId64, path,
                             numbers[i].name, numbers[i].x);
    if (h->channels % h->heads)
        return error_set(err, AR_FORMAT,
                         "%s: a width of %" PRId64 " for %" PRId64 " heads",
                         path, h->channels, h->heads);
    if (vocab_stored >= h->vocab && vocab_stored <= INT32_MAX) return AR_OK;
    return error_set(err, AR_FORMAT,
                     "%s: a vocabulary of %" PRId64 " padded to %" PRId64, path,
                     h->vocab, vocab_stored);
}

ar_status weights_open_llmc(weights *w, const weights_source *from,
                            ar_error *err) {
    weights_source src = *from;
    const char *path = src.name;
    uint32_t x[LLMC_WORDS];
    TRY(read_words(w, &src, x, LLMC_WORDS, err));
    const uint32_t version = x[1];
    if (version != 1 && version != 3 && version != 5)
        return error_set(err, AR_UNSUPPORTED,
                         "%s: is an llm.c model of version %" PRIu32
                         "; 1, 3 and 5 are read",
                         path, version);
    if (src.size < sizeof x)
        return error_set(err, AR_FORMAT, "%s: the file ends inside its header",
                         path);
    const int64_t stored = version == 1 ? x[3] : x[7];
    w->header = (weights_header){.version = version,
                                 .context = x[2],
                                 .vocab = x[3],
                                 .layers = x[4],
                                 .heads = x[5],
                                 .channels = x[6],
                                 .hidden = 4 * (int64_t)x[6]};
    const weights_header *h = &w->header;
    TRY(check_header(h, stored, path, err));
    flat f = {.path = path,
              .rows = llmc_rows,
              .n_rows = sizeof llmc_rows / sizeof *llmc_rows,
              .type = version == 5 ? AR_BF16 : AR_F32,
              .dim = {[ONE] = 1,
                      [C] = h->channels,
                      [C3] = 3 * h->channels,
                      [C4] = h->hidden,
                      [V] = h->vocab,
                      [VP] = stored,
                      [T] = h->context},
              .layers = h->layers,
              .p = (const unsigned char *)src.data + sizeof x};
    return cut(w, &f, src.size - sizeof x, err);
}

/* The width of the MLP that makes the tensors fill `size` bytes; 0 if none
 * does.  `f` has all other dims. */
static int64_t solve_hidden(flat *f, uint64_t size) {
    uint64_t without, one;
    int64_t count;
    f->dim[F] = 0;
    if (!total_size(f, &without, &count) || without >= size) return 0;
    f->dim[F] = 1;
    if (!total_size(f, &one, &count) || one <= without) return 0;
    const uint64_t hidden = (size - without) / (one - without);
    return hidden <= INT32_MAX ? (int64_t)hidden : 0;
}

ar_status weights_open_rstk(weights *w, const weights_source *from,
                            ar_error *err) {
    weights_source src = *from;
    const char *path = src.name;
    uint32_t x[RSTK_WORDS];
    TRY(read_words(w, &src, x, RSTK_WORDS, err));
    const uint32_t version = x[1];
    if (version != 1 && version != 2)
        return error_set(err, AR_UNSUPPORTED,
                         "%s: is a Rustane checkpoint of version %" PRIu32
                         "; 1 and 2 are read",
                         path, version);
    const size_t head = (version == 1 ? 7 : 8) * sizeof *x;
    if (src.size < head)
        return error_set(err, AR_FORMAT, "%s: the file ends inside its header",
                         path);
    w->header = (weights_header){.version = version,
                                 .step = x[2],
                                 .channels = x[3],
                                 .heads = x[3] / RSTK_HEAD,
                                 .layers = x[4],
                                 .vocab = x[5],
                                 .context = x[6],
                                 .activation = version == 1 ? 0 : x[7]};
    weights_header *h = &w->header;
    if (h->channels % RSTK_HEAD || h->activation > 1)
        return error_set(err, AR_UNSUPPORTED,
                         "%s: a width of %" PRId64 ", activation %" PRId64
                         "; widths are multiples of 128, activations 0 or 1",
                         path, h->channels, h->activation);
    TRY(check_header(h, h->vocab, path, err));
    flat f = {.path = path,
              .rows = rstk_rows,
              .n_rows = sizeof rstk_rows / sizeof *rstk_rows,
              .by_layer = true,
              .type = AR_F32,
              .dim = {[ONE] = 1, [C] = h->channels, [V] = h->vocab},
              .layers = h->layers,
              .p = (const unsigned char *)src.data + head};
    h->hidden = f.dim[F] = solve_hidden(&f, src.size - head);
    if (!h->hidden)
        return error_set(err, AR_FORMAT,
                         "%s: no width of the MLP fits the size of the file",
                         path);
    return cut(w, &f, src.size - head, err);
}
