/* sample.c - a sampler: its options, its chain of steps, its draws.
 *
 * Candidates stay sorted by id, and every step breaks ties by id, so that
 * they are broken the same way everywhere. */
#include "infer/sample.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"
#include "infer/sample_steps.h"

enum { DRAW = 0 }; /* the stream of draws */

/* Beyond it a step could overflow; no model that works comes near. */
static const double most_logit = 1e30;

static const char *const names[AR_SAMPLERS] = {
#define AR_SAMPLER(upper, name, on, cuts, help) #name,
#define AR_OPTION(...)
#include "arcane/samplers.def"
#undef AR_SAMPLER
#undef AR_OPTION
};

struct ar_sampler {
    ar_sample_options o; /* bias and dry_breakers: owned copies */
    ar_sample_bias *bias;
    candidates c;
    sample_step step;
    uint8_t *breaker;        /* [V] */
    const uint64_t *allowed; /* a bit a token; NULL = all */
};

ar_sample_options ar_sample_options_default(void) {
    ar_sample_options o = {
#define AR_SAMPLER(...)
#define AR_OPTION(type, field, flag, off, ...) .field = (off),
#include "arcane/samplers.def"
#undef AR_SAMPLER
#undef AR_OPTION
        .n_order = AR_SAMPLERS};
    for (int i = 0; i < AR_SAMPLERS; i++) o.order[i] = i;
    return o;
}

static int place(const ar_sample_options *o, int which) {
    for (int i = 0; i < o->n_order; i++)
        if (o->order[i] == which) return i;
    return -1;
}

ar_status ar_sample_order(ar_sample_options *o, const char *list,
                          ar_error *err) {
    ar_sample_options next = *o;
    next.n_order = 0;
    for (const char *at = list; *(at += strspn(at, ", "));) {
        const size_t n = strcspn(at, ", ");
        int which = 0;
        while (which < AR_SAMPLERS &&
               (strlen(names[which]) != n || memcmp(names[which], at, n) != 0))
            which++;
        if (which == AR_SAMPLERS)
            return error_set(err, AR_RANGE, "there is no sampler \"%.*s\"",
                             n < 64 ? (int)n : 64, at);
        if (place(&next, which) >= 0)
            return error_set(err, AR_RANGE, "sampler \"%s\" comes twice",
                             names[which]);
        next.order[next.n_order++] = which;
        at += n;
    }
    *o = next;
    return AR_OK;
}

static ar_status check_order(const ar_sample_options *o, ar_error *err) {
    if (o->n_order < 0 || o->n_order > AR_SAMPLERS)
        return error_set(err, AR_RANGE, "an order of %d samplers", o->n_order);
    for (int i = 0; i < o->n_order; i++)
        if (o->order[i] < 0 || o->order[i] >= AR_SAMPLERS ||
            place(o, o->order[i]) != i)
            return error_set(err, AR_RANGE,
                             "sampler %d of the order is unknown or comes "
                             "twice",
                             i);
    const int mirostat = place(o, AR_SAMPLER_MIROSTAT);
    if (mirostat >= 0 && mirostat + 1 != o->n_order)
        return error_set(err, AR_RANGE,
                         "mirostat must be the last of the samplers");
    if (o->mirostat && mirostat < 0)
        return error_set(err, AR_RANGE,
                         "mirostat is on but not among the samplers");
    if (o->temperature < 1e-6 && place(o, AR_SAMPLER_TEMPERATURE) < 0)
        return error_set(err, AR_RANGE,
                         "temperature 0 needs temperature among the samplers");
    return AR_OK;
}

ar_status ar_sample_check(const ar_sample_options *o, ar_error *err) {
    const struct {
        const char *name;
        double x, low, high;
    } ranges[] = {
#define AR_SAMPLER(...)
#define AR_OPTION(type, field, flag, off, usual, low, high, ...)               \
    {flag, (double)o->field, low, high},
#include "arcane/samplers.def"
#undef AR_SAMPLER
#undef AR_OPTION
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].x >= ranges[i].low && ranges[i].x <= ranges[i].high))
            return error_set(err, AR_RANGE, "%s is %g, not in %g .. %g",
                             ranges[i].name, ranges[i].x, ranges[i].low,
                             ranges[i].high);
    for (int64_t i = 0; i < o->n_bias; i++)
        if (!(o->bias[i].value <= 1e6 &&
              (o->bias[i].value >= -1e6 || o->bias[i].value == -INFINITY)))
            return error_set(err, AR_RANGE,
                             "logit-bias of token %d is %g, neither -inf nor "
                             "in -1e6 .. 1e6",
                             o->bias[i].id, o->bias[i].value);
    return check_order(o, err);
}

static bool is_on(const ar_sample_options *o, int which) {
    switch (which) {
#define AR_SAMPLER(upper, name, on, cuts, help)                                \
    case AR_SAMPLER_##upper:                                                   \
        return (on) && !((cuts) && o->mirostat);
#define AR_OPTION(...)
#include "arcane/samplers.def"
#undef AR_SAMPLER
#undef AR_OPTION
    default: return false;
    }
}

static void take_step(sample_step *s, int which) {
    static void (*const steps[AR_SAMPLERS])(sample_step *) = {
#define AR_SAMPLER(upper, name, ...) sample_step_##name,
#define AR_OPTION(...)
#include "arcane/samplers.def"
#undef AR_SAMPLER
#undef AR_OPTION
    };
    steps[which](s);
}

/* ---- a sampler ---- */

static ar_status check_ids(const ar_sample_options *o, int64_t n_vocab,
                           ar_error *err) {
    for (int64_t i = 0; i < o->n_bias; i++)
        if (o->bias[i].id < 0 || o->bias[i].id >= n_vocab)
            return error_set(err, AR_RANGE,
                             "logit-bias: there is no token %d; the vocabulary "
                             "has %lld",
                             o->bias[i].id, (long long)n_vocab);
    for (int64_t i = 0; i < o->n_dry_breakers; i++)
        if (o->dry_breakers[i] < 0 || o->dry_breakers[i] >= n_vocab)
            return error_set(err, AR_RANGE,
                             "a DRY breaker: there is no token %d; the "
                             "vocabulary has %lld",
                             o->dry_breakers[i], (long long)n_vocab);
    return AR_OK;
}

/* Every buffer; what the caller gives must not be needed afterwards. */
static bool take_memory(ar_sampler *s, int64_t n_vocab, int64_t max_history) {
    s->bias = mem_new(ar_sample_bias, s->o.n_bias);
    s->breaker = mem_new(uint8_t, n_vocab);
    s->step.counts = mem_new(int32_t, n_vocab);
    s->step.match = mem_new(int32_t, max_history);
    s->c = (candidates){.id = mem_new(int32_t, n_vocab),
                        .logit = mem_new(double, n_vocab),
                        .prob = mem_new(double, n_vocab),
                        .key = mem_new(double, n_vocab),
                        .heap = mem_new(int32_t, n_vocab)};
    return s->bias && s->breaker && s->step.counts && s->step.match &&
           s->c.id && s->c.logit && s->c.prob && s->c.key && s->c.heap;
}

ar_status ar_sampler_open(ar_sampler **out, const ar_sample_options *o,
                          int64_t n_vocab, int64_t max_history, ar_error *err) {
    *out = NULL;
    if (n_vocab < 1 || n_vocab > INT32_MAX || max_history < 0 ||
        max_history > INT32_MAX)
        return error_set(err, AR_RANGE,
                         "a sampler for %lld tokens and %lld of history",
                         (long long)n_vocab, (long long)max_history);
    TRY(ar_sample_check(o, err));
    TRY(check_ids(o, n_vocab, err));
    ar_sampler *s = mem_new(ar_sampler, 1);
    if (!s) return error_set(err, AR_NOMEM, "out of memory");
    s->o = *o;
    if (!take_memory(s, n_vocab, max_history)) {
        ar_sampler_close(s);
        return error_set(err, AR_NOMEM, "out of memory");
    }
    for (int64_t i = 0; i < o->n_bias; i++) s->bias[i] = o->bias[i];
    for (int64_t i = 0; i < o->n_dry_breakers; i++)
        s->breaker[o->dry_breakers[i]] = 1;
    s->o.bias = s->bias;
    s->o.dry_breakers = NULL; /* breaker has them */
    s->step.o = &s->o;
    s->step.c = &s->c;
    s->step.n_vocab = n_vocab;
    s->step.breaker = s->breaker;
    s->step.max_history = max_history;
    s->step.mu = 2 * o->mirostat_tau;
    *out = s;
    return AR_OK;
}

void ar_sampler_close(ar_sampler *s) {
    if (!s) return;
    mem_free(s->bias);
    mem_free(s->breaker);
    mem_free(s->step.counts);
    mem_free(s->step.match);
    mem_free(s->c.id);
    mem_free(s->c.logit);
    mem_free(s->c.prob);
    mem_free(s->c.key);
    mem_free(s->c.heap);
    mem_free(s);
}

ar_sample_state ar_sampler_state(const ar_sampler *s) {
    return (ar_sample_state){s->step.mu};
}

void ar_sampler_restore(ar_sampler *s, ar_sample_state state) {
    s->step.mu = state.mu;
}

void ar_sampler_allow(ar_sampler *s, const uint64_t *bits) {
    s->allowed = bits;
}

static bool is_allowed(const ar_sampler *s, int64_t id) {
    return !s->allowed || (s->allowed[id >> 6] >> (id & 63) & 1);
}

static ar_status take_logits(ar_sampler *s, const double *logits,
                             ar_error *err) {
    candidates *c = &s->c;
    c->n = 0;
    for (int64_t i = 0; i < s->step.n_vocab; i++) {
        if (!(logits[i] <= most_logit))
            return error_set(err, AR_RANGE,
                             "the logit of token %lld is %g: the model's "
                             "numbers are broken",
                             (long long)i, logits[i]);
        if (logits[i] < -most_logit || !is_allowed(s, i)) continue;
        c->id[c->n] = (int32_t)i;
        c->logit[c->n++] = logits[i];
    }
    if (c->n) return AR_OK;
    return error_set(err, AR_RANGE,
                     "no token can be chosen: every logit %sis -inf",
                     s->allowed ? "that is allowed " : "");
}

static ar_status distribution(ar_sampler *s, const ar_sample_input *in,
                              ar_error *err) {
    candidates *c = &s->c;
    TRY(take_logits(s, in->logits, err));
    s->step.in = in;
    for (int i = 0; i < s->o.n_order; i++) {
        if (!is_on(&s->o, s->o.order[i])) continue;
        take_step(&s->step, s->o.order[i]);
        if (c->n == 0)
            return error_set(err, AR_RANGE, "%s leaves no token to choose",
                             names[s->o.order[i]]);
    }
    const sample_scale z = sample_scale_of(c->logit, c->n);
    for (int64_t i = 0; i < c->n; i++)
        c->prob[i] = sample_prob(&z, c->logit[i]);
    return AR_OK;
}

ar_status ar_sampler_probs(ar_sampler *s, const ar_sample_input *in,
                           double *probs, ar_error *err) {
    TRY(distribution(s, in, err));
    memset(probs, 0, (size_t)s->step.n_vocab * sizeof *probs);
    for (int64_t i = 0; i < s->c.n; i++) probs[s->c.id[i]] = s->c.prob[i];
    return AR_OK;
}

ar_status ar_sampler_next(ar_sampler *s, const ar_sample_input *in, int32_t *id,
                          ar_error *err) {
    TRY(distribution(s, in, err));
    const candidates *c = &s->c;
    const double u = rng_uniform(s->o.seed, DRAW, (uint64_t)in->position);
    double mass = 0;
    int64_t drawn = 0; /* the last, where rounding leaves the sum below u */
    for (int64_t i = 0; i < c->n; i++) {
        if (!(c->prob[i] > 0)) continue;
        mass += c->prob[i];
        drawn = i;
        if (u < mass) break;
    }
    if (s->o.mirostat) {
        const sample_scale *z = &s->step.uncut;
        const double bits = (z->max - c->logit[drawn] + log(z->sum)) / log(2);
        s->step.mu -= s->o.mirostat_eta * (bits - s->o.mirostat_tau);
    }
    *id = c->id[drawn];
    return AR_OK;
}

int64_t ar_sampler_logprobs(ar_sampler *s, const double *logits, int32_t id,
                            double *chosen, ar_sample_logprob *top, int64_t n) {
    const candidates *c = &s->c;
    const double *x = logits ? logits : c->logit;
    const int64_t all = logits ? s->step.n_vocab : c->n;
    const sample_scale z = sample_scale_of(x, all);
    const double log_sum = log(z.sum); /* less the largest: of 1e29, too */
    const int64_t at = logits ? id : candidates_find(c, id);
    *chosen = at >= 0 && at < all ? x[at] - z.max - log_sum : -INFINITY;
    int64_t k = n < all ? n : all;
    if (k < 1) return 0;
    sample_largest(x, all, k, c->heap);
    for (int64_t left = k; left > 0;) {
        const int32_t i = sample_largest_pop(x, c->heap, &left);
        top[left] =
            (ar_sample_logprob){logits ? i : c->id[i], x[i] - z.max - log_sum};
    }
    while (k > 0 && top[k - 1].logprob == -INFINITY) k--;
    return k;
}
