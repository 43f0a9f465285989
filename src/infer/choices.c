/* choices.c - questions with several answers. */
#include "infer/choices.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/parse.h"

static ar_status take(choices_question *q, ar_error *err) {
    const json_t *list = json_object_get(q->root, "choices");
    const json_t *answer = json_object_get(q->root, "answer");
    q->prompt = json_string_value(json_object_get(q->root, "prompt"));
    if (!q->prompt)
        return error_set(err, AR_FORMAT, "\"prompt\" is not a text");
    q->n = (int)json_array_size(list);
    if (q->n < 2 || q->n > CHOICES_MOST)
        return error_set(err, AR_FORMAT,
                         "\"choices\" is not a list of 2 to %d texts",
                         CHOICES_MOST);
    for (int i = 0; i < q->n; i++) {
        q->choice[i] = json_string_value(json_array_get(list, (size_t)i));
        if (!q->choice[i] || !*q->choice[i])
            return error_set(err, AR_FORMAT, "choice %d is not a text", i);
    }
    if (!json_is_integer(answer) || json_integer_value(answer) < 0 ||
        json_integer_value(answer) >= q->n)
        return error_set(err, AR_FORMAT,
                         "\"answer\" is not the place of a choice, 0 to %d",
                         q->n - 1);
    q->answer = (int)json_integer_value(answer);
    return AR_OK;
}

ar_status choices_read(choices_question *out, const char *line, size_t n,
                       ar_error *err) {
    *out = (choices_question){0};
    TRY(parse_json(&out->root, "a question", line, n, err));
    const ar_status s = take(out, err);
    if (s != AR_OK) choices_free(out);
    return s;
}

void choices_free(choices_question *q) {
    json_decref(q->root);
    *q = (choices_question){0};
}

/* Ids of the prompt with one choice; and what a scorer needs of them. */
typedef struct answer {
    int32_t *ids, *targets;
    double *logp;
    int64_t n, first; /* the first id that is the choice's */
} answer;

static void answer_free(answer *a) {
    mem_free(a->ids);
    mem_free(a->targets);
    mem_free(a->logp);
}

static ar_status encode(const ar_tokenizer *tok, const char *a, const char *b,
                        int32_t **out, int64_t *n, ar_error *err) {
    text t = {0};
    size_t count = 0;
    text_adds(&t, a);
    text_adds(&t, b);
    *out = NULL;
    ar_status s = text_status(&t, err);
    if (s == AR_OK)
        s = ar_tokenizer_encode(tok, t.data, t.size, AR_TEMPLATE, NULL, 0,
                                &count, err);
    if (s == AR_OK && !(*out = mem_new(int32_t, (int64_t)count + 1)))
        s = error_set(err, AR_NOMEM, "no memory for a question");
    if (s == AR_OK)
        s = ar_tokenizer_encode(tok, t.data, t.size, AR_TEMPLATE, *out, count,
                                &count, err);
    text_close(&t);
    *n = (int64_t)count;
    return s;
}

/* A word may go over the border: the choice starts where the ids of the two
 * texts part. */
static ar_status open_answer(answer *a, const ar_tokenizer *tok,
                             const choices_question *q, int i,
                             const int32_t *prompt, int64_t n_prompt,
                             ar_error *err) {
    TRY(encode(tok, q->prompt, q->choice[i], &a->ids, &a->n, err));
    while (a->first < n_prompt && a->first < a->n &&
           a->ids[a->first] == prompt[a->first])
        a->first++;
    if (a->first < 1) a->first = 1; /* something must come before */
    if (a->first >= a->n)
        return error_set(err, AR_RANGE,
                         "choice %d adds nothing that the tokenizer sees", i);
    a->targets = mem_new(int32_t, a->n);
    a->logp = mem_new(double, a->n);
    if (!a->targets || !a->logp)
        return error_set(err, AR_NOMEM, "no memory for a question");
    for (int64_t k = 0; k + 1 < a->n; k++)
        a->targets[k] = k + 1 >= a->first ? a->ids[k + 1] : -1;
    return AR_OK;
}

/* What all choices share is computed once: ids [0, shared). */
static ar_status score_answers(scorer *s, answer *a, const choices_question *q,
                               choices_result *out, ar_error *err) {
    int64_t shared = a[0].first;
    for (int i = 1; i < q->n; i++)
        if (a[i].first < shared) shared = a[i].first;
    shared--; /* its last token has the first logits that count */
    scorer_rewind(s, 0);
    if (shared > 0)
        TRY(scorer_feed(s, a[0].ids, a[0].targets, shared, a[0].logp, err));
    for (int i = 0; i < q->n; i++) {
        scorer_rewind(s, shared);
        TRY(scorer_feed(s, a[i].ids + shared, a[i].targets + shared,
                        a[i].n - 1 - shared, a[i].logp + shared, err));
        out->logp[i] = 0;
        for (int64_t k = a[i].first - 1; k + 1 < a[i].n; k++)
            out->logp[i] += a[i].logp[k];
    }
    return AR_OK;
}

static void find_best(const choices_question *q, choices_result *out) {
    double best = -INFINITY;
    out->best = out->best_per_byte = 0;
    for (int i = 0; i < q->n; i++) {
        if (out->logp[i] > out->logp[out->best]) out->best = i;
        const double x = out->logp[i] / (double)strlen(q->choice[i]);
        if (x <= best) continue;
        best = x;
        out->best_per_byte = i;
    }
}

ar_status choices_score(scorer *s, const ar_tokenizer *tok,
                        const choices_question *q, choices_result *out,
                        ar_error *err) {
    int32_t *prompt;
    int64_t n_prompt;
    answer *a = mem_new(answer, q->n);
    if (!a) return error_set(err, AR_NOMEM, "no memory for a question");
    ar_status st = encode(tok, q->prompt, "", &prompt, &n_prompt, err);
    for (int i = 0; st == AR_OK && i < q->n; i++)
        st = open_answer(&a[i], tok, q, i, prompt, n_prompt, err);
    if (st == AR_OK) st = score_answers(s, a, q, out, err);
    if (st == AR_OK) find_best(q, out);
    for (int i = 0; i < q->n; i++) answer_free(&a[i]);
    mem_free(a);
    mem_free(prompt);
    return st;
}
