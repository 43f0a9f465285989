/* random.c - a model of random weights as a GGUF file. */
#include "model/random.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/export_int.h"
#include "quant/quant.h"

enum { ROWS = 32 }; /* different rows of a matrix */

/* The type a weight gets: what the mix says, f32 where that does not fit. */
static ar_type type_of(export_mix *mix, const param_spec *s) {
    const shape *x = &s->shape;
    const ar_type t = export_mix_choose(mix, s);
    if (x->rank < 2 || s->role == ROLE_POS_EMBED) return AR_F32;
    if (!quant_is_block(t)) return type_is_float(t) ? t : AR_F32;
    return quant_holds(t, x->dim[x->rank - 1]) && quant_can_encode(t) ? t
                                                                      : AR_F32;
}

static void fill(float *x, int64_t n, const param_spec *s) {
    const uint64_t stream = rng_stream(s->name);
    for (int64_t i = 0; i < n; i++)
        x[i] = s->shape.rank < 2
                   ? 1
                   : 0.02F * (float)rng_normal(1, stream, (uint64_t)i);
}

static ar_status put_weight(gguf_writer *w, const param_spec *s, ar_type t,
                            ar_error *err) {
    const int64_t width = shape_last(&s->shape),
                  rows = width ? shape_count(&s->shape) / width : 0;
    const int64_t some = rows < ROWS ? rows : ROWS;
    float *x = mem_new(float, some *width);
    char *block = mem_alloc(ar_type_size(t, some * width));
    ar_status status = AR_OK;
    if (!x || !block)
        status = error_set(err, AR_NOMEM, "no memory for \"%s\"", s->name);
    if (status == AR_OK) {
        fill(x, some * width, s);
        const bool ok = quant_is_block(t)
                            ? quant_encode(t, x, NULL, block, some, width)
                            : type_encode_f32(t, x, block, some * width);
        if (!ok)
            status = error_set(err, AR_UNSUPPORTED, "\"%s\" cannot be %s",
                               s->name, ar_type_name(t));
    }
    for (int64_t at = 0; status == AR_OK && at < rows; at += some)
        gguf_data(
            w, block,
            ar_type_size(t, width * (rows - at < some ? rows - at : some)));
    mem_free(x);
    mem_free(block);
    return status;
}

static ar_status put_weights(gguf_writer *w, const param_list *p,
                             export_mix *mix, ar_error *err) {
    for (int i = 0; i < p->n; i++)
        gguf_declare(w, p->spec[i].name, type_of(mix, &p->spec[i]),
                     &p->spec[i].shape);
    for (int i = 0; i < p->n; i++)
        TRY(put_weight(w, &p->spec[i], type_of(mix, &p->spec[i]), err));
    return AR_OK;
}

static void put_text(gguf_writer *w, const char *key, const char *s) {
    gguf_put_string(w, key, (gguf_string){s, strlen(s)});
}

ar_status random_gguf(const char *path, const char *preset, export_mix *mix,
                      ar_error *err) {
    model_config c;
    param_list p = {0};
    gguf_writer *w = NULL;
    bool pairs;
    TRY(config_preset(&c, preset, err));
    const char *arch = export_gguf_arch(c.arch, &pairs);
    if (!arch)
        return error_set(err, AR_UNSUPPORTED,
                         "%s: there is no GGUF form of %s models here", preset,
                         config_model_type(&c));
    c.gguf = true;
    c.conv1d = false;
    c.norm_offset = 0;
    TRY(params_build(&p, &c, AR_F32, err));
    ar_status s = gguf_create(&w, path, err);
    if (s == AR_OK) {
        put_text(w, "general.architecture", arch);
        put_text(w, "general.name", preset);
        put_text(w, "tokenizer.ggml.model", "no_vocab");
        gguf_put_int(w, "general.quantization_version", GGUF_U32, 2);
        export_gguf_config(w, &c, arch);
        s = put_weights(w, &p, mix, err);
    }
    if (s == AR_OK)
        s = gguf_commit(w, err);
    else
        gguf_abandon(w);
    params_close(&p);
    return s;
}
