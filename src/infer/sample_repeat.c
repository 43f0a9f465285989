/* sample_repeat.c - logit bias and the steps that look at the text so far.
 *
 * counts [V] is zero between steps, so that a step costs what its window is
 * long and not what the vocabulary is large. */
#include <math.h>

#include "infer/sample_steps.h"

static int64_t window(int64_t last_n, int64_t n) {
    return last_n >= 0 && last_n < n ? last_n : n;
}

static bool known(const sample_step *s, int32_t id) {
    return id >= 0 && id < s->n_vocab;
}

void sample_step_logit_bias(sample_step *s) {
    for (int64_t i = 0; i < s->o->n_bias; i++) {
        const int64_t at = candidates_find(s->c, s->o->bias[i].id);
        if (at >= 0) s->c->logit[at] += s->o->bias[i].value;
    }
    candidates_compact(s->c);
}

/* Call `change` once for each id of the text whose count is not 0, and set
 * the count to 0. */
static void each_counted(sample_step *s, const int32_t *text, int64_t n,
                         double (*change)(const ar_sample_options *o,
                                          double logit, int32_t count)) {
    for (int64_t i = 0; i < n; i++) {
        const int32_t id = text[i];
        if (!known(s, id) || !s->counts[id]) continue;
        const int64_t at = candidates_find(s->c, id);
        if (at >= 0)
            s->c->logit[at] = change(s->o, s->c->logit[at], s->counts[id]);
        s->counts[id] = 0;
    }
}

static void penalise(sample_step *s,
                     double (*change)(const ar_sample_options *o, double logit,
                                      int32_t count)) {
    const int64_t n = window(s->o->penalty_last_n, s->in->n_history);
    const int32_t *text = s->in->history + (s->in->n_history - n);
    for (int64_t i = 0; i < n; i++)
        if (known(s, text[i])) s->counts[text[i]]++;
    each_counted(s, text, n, change);
}

static double repeated(const ar_sample_options *o, double logit,
                       int32_t count) {
    (void)count;
    return logit > 0 ? logit / o->repetition : logit * o->repetition;
}

static double present(const ar_sample_options *o, double logit, int32_t count) {
    (void)count;
    return logit - o->presence;
}

static double frequent(const ar_sample_options *o, double logit,
                       int32_t count) {
    return logit - o->frequency * count;
}

void sample_step_repetition(sample_step *s) { penalise(s, repeated); }
void sample_step_presence(sample_step *s) { penalise(s, present); }
void sample_step_frequency(sample_step *s) { penalise(s, frequent); }

/* ---- DRY ---- p-e-w 2024, "DRY: a modern repetition penalty": a token that
 * stood behind an earlier copy of the last n tokens, n >= allowed, loses
 * multiplier * base^(n - allowed), for its largest n.  Copies do not reach
 * over a breaker, and a breaker itself is never lowered. */

/* length[i], 0 < i < n: how many tokens before the last i equal the last
 * tokens, from the end (the Z algorithm on the text reversed: linear). */
static void match_back(const int32_t *text, int64_t n, int32_t *length) {
    const int32_t *last = text + n - 1;
    int64_t from = 0, to = 0;
    for (int64_t i = 1; i < n; i++) {
        int64_t k = 0;
        if (i < to) k = length[i - from] < to - i ? length[i - from] : to - i;
        while (i + k < n && last[-k] == last[-i - k]) k++;
        length[i] = (int32_t)k;
        if (i + k > to) {
            from = i;
            to = i + k;
        }
    }
}

static double dry(const ar_sample_options *o, double logit, int32_t count) {
    const double by = o->dry_multiplier *
                      pow(o->dry_base, (double)(count - o->dry_allowed_length));
    return logit - fmin(by, 1e30);
}

void sample_step_dry(sample_step *s) {
    const int64_t last_n = window(s->o->dry_last_n, s->in->n_history);
    const int64_t n = last_n < s->max_history ? last_n : s->max_history;
    if (n < 2) return;
    const int32_t *text = s->in->history + (s->in->n_history - n);
    int64_t most = 0; /* tokens since the last breaker */
    while (most < n &&
           !(known(s, text[n - 1 - most]) && s->breaker[text[n - 1 - most]]))
        most++;
    if (most < s->o->dry_allowed_length) return;
    match_back(text, n, s->match);
    for (int64_t i = 1; i < n; i++) {
        const int32_t next = text[n - i];
        const int32_t k = s->match[i] < most ? s->match[i] : (int32_t)most;
        if (k < s->o->dry_allowed_length || !known(s, next)) continue;
        if (!s->breaker[next] && k > s->counts[next]) s->counts[next] = k;
    }
    each_counted(s, text, n, dry);
}
