/* sample_options.c - sampling options of a command line. */
#include "cli/sample_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

/* What is out of range is the command line's fault. */
static ar_status as_usage(ar_status s) { return s == AR_RANGE ? AR_USAGE : s; }

static ar_status read_bias(const char *word, ar_sample_bias *out,
                           ar_error *err) {
    char *end;
    errno = 0;
    const long long id = strtoll(word, &end, 10);
    bool good = end != word && *end == '=' && !errno && id >= 0 &&
                id <= INT32_MAX && end[1];
    if (good) {
        out->id = (int32_t)id;
        out->value = strtod(end + 1, &end);
        good = !*end;
    }
    if (good) return AR_OK;
    return error_set(err, AR_USAGE, "--logit-bias: \"%.64s\" is not ID=VALUE",
                     word);
}

/* `bias` [a->bias.n] is what o->bias points to. */
static ar_status read_options(const sample_args *a, ar_sample_bias *bias,
                              ar_sample_options *o, ar_error *err) {
    const ar_sample_options rest = ar_sample_options_default();
    *o = a->options;
    memcpy(o->order, rest.order, sizeof o->order);
    o->n_order = rest.n_order;
    o->seed = (uint64_t)a->seed;
    if (a->greedy) o->temperature = 0;
    for (int i = 0; i < a->bias.n; i++)
        TRY(read_bias(a->bias.word[i], &bias[i], err));
    o->bias = bias;
    o->n_bias = a->bias.n;
    if (a->samplers) {
        const ar_status s = ar_sample_order(o, a->samplers, err);
        if (s != AR_OK) return error_prefix(err, as_usage(s), "--samplers");
    }
    return as_usage(ar_sample_check(o, err));
}

ar_status sample_args_check(const sample_args *a, ar_error *err) {
    ar_sample_options o;
    ar_sample_bias *bias = mem_new(ar_sample_bias, a->bias.n);
    if (!bias) return error_set(err, AR_NOMEM, "out of memory");
    const ar_status s = read_options(a, bias, &o, err);
    mem_free(bias);
    return s;
}

/* ---- DRY's breakers ---- */

/* \n, \t and \\ in at most `size` bytes; how many there are. */
static size_t unescape(const char *word, char *out, size_t size) {
    size_t n = 0;
    for (; *word && n < size; word++) {
        char c = *word;
        if (c == '\\' && word[1] && strchr("nt\\", word[1])) {
            word++;
            c = *word == 'n' ? '\n' : *word == 't' ? '\t' : '\\';
        }
        out[n++] = c;
    }
    return n;
}

static bool contains(const char *text, size_t n, const char *part, size_t m) {
    for (size_t i = 0; m && i + m <= n; i++)
        if (!memcmp(text + i, part, m)) return true;
    return false;
}

/* Ids of tokens whose bytes have one of the words in them, in ids [n_vocab];
 * *n is how many. */
static ar_status find_breakers(const char *const *words, int n_words,
                               const ar_tokenizer *tok, int32_t n_vocab,
                               int32_t *ids, int64_t *n, ar_error *err) {
    for (int32_t id = 0; id < n_vocab; id++) {
        char piece[512], part[64];
        size_t size;
        TRY(ar_tokenizer_decode(tok, &id, 1, 0, piece, sizeof piece, &size,
                                err));
        if (size > sizeof piece) size = sizeof piece;
        for (int i = 0; i < n_words; i++) {
            const size_t m = unescape(words[i], part, sizeof part);
            if (!contains(piece, size, part, m)) continue;
            ids[(*n)++] = id;
            break;
        }
    }
    return AR_OK;
}

static ar_status read_breakers(const sample_args *a, const ar_tokenizer *tok,
                               int64_t n_vocab, int32_t *ids, int64_t *n,
                               ar_error *err) {
    static const char *const usual[] = {"\n", ":", "\"", "*"};
    const bool given = a->breakers.n > 0;
    if (a->breakers.n == 1 && !strcmp(a->breakers.word[0], "none"))
        return AR_OK;
    const int64_t known = ar_tokenizer_vocab(tok);
    return find_breakers(
        given ? a->breakers.word : usual, given ? a->breakers.n : 4, tok,
        (int32_t)(known < n_vocab ? known : n_vocab), ids, n, err);
}

ar_status sample_args_open(ar_sampler **out, const sample_args *a,
                           const ar_tokenizer *tok, int64_t n_vocab,
                           int64_t max_history, ar_error *err) {
    *out = NULL;
    ar_sample_options o;
    ar_status s = AR_NOMEM;
    ar_sample_bias *bias = mem_new(ar_sample_bias, a->bias.n);
    int32_t *ids = mem_new(int32_t, n_vocab);
    if (!bias || !ids) {
        error_set(err, s, "out of memory");
        goto done;
    }
    s = read_options(a, bias, &o, err);
    if (s == AR_OK && tok && o.dry_multiplier > 0)
        s = read_breakers(a, tok, n_vocab, ids, &o.n_dry_breakers, err);
    o.dry_breakers = ids;
    if (s == AR_OK)
        s = as_usage(ar_sampler_open(out, &o, n_vocab, max_history, err));
done:
    mem_free(bias);
    mem_free(ids);
    return s;
}
