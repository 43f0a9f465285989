/* test_choices.c - questions with several answers. */
#include "base/text.h"
#include "infer/infer.h"
#include "model/model.h"
#include "tests/test.h"

static void bad(const char *line, const char *word) {
    choices_question q;
    assert_fails(AR_FORMAT, word, choices_read(&q, line, strlen(line), err));
    assert_null(q.root);
}

void test_choices_read(void **state) {
    (void)state;
    static const char good[] =
        "{\"prompt\": \"a\", \"choices\": [\" b\", \" c\"], \"answer\": 1}";
    choices_question q;
    assert_ok(choices_read(&q, good, strlen(good), err));
    assert_string_equal(q.prompt, "a");
    assert_int_equal(q.n, 2);
    assert_string_equal(q.choice[1], " c");
    assert_int_equal(q.answer, 1);
    choices_free(&q);
    bad("{", "line 1");
    bad("[]", "prompt");
    bad("{\"choices\": [\"a\", \"b\"], \"answer\": 0}", "prompt");
    bad("{\"prompt\": \"\", \"choices\": [\"a\"], \"answer\": 0}", "choices");
    bad("{\"prompt\": \"\", \"choices\": [\"a\", 3], \"answer\": 0}",
        "choice 1");
    bad("{\"prompt\": \"\", \"choices\": [\"\", \"b\"], \"answer\": 0}",
        "choice 0");
    bad("{\"prompt\": \"\", \"choices\": [\"a\", \"b\"], \"answer\": 2}",
        "answer");
    bad("{\"prompt\": \"\", \"choices\": [\"a\", \"b\"], \"answer\": \"a\"}",
        "answer");
    bad("{\"prompt\": \"\", \"choices\": [\"a\", \"b\"]}", "answer");
}

static void encode(const ar_tokenizer *tok, const char *a, const char *b,
                   int32_t *ids, size_t *n) {
    text t = {0};
    text_adds(&t, a);
    text_adds(&t, b);
    assert_ok(
        ar_tokenizer_encode(tok, t.data, t.size, AR_TEMPLATE, ids, 64, n, err));
    text_close(&t);
}

/* The sum over the ids behind those of the prompt, each choice by itself. */
void test_choices_score(void **state) {
    (void)state;
    static const char line[] =
        "{\"prompt\": \"In the beginning\", \"choices\": [\" God\", "
        "\" was the Word\", \"x\"], \"answer\": 0}";
    ar_model *m;
    ar_engine *e;
    scorer *s;
    ar_tokenizer *tok;
    choices_question q;
    choices_result r;
    assert_ok(ar_model_open(&m, test_golden("gguf/qwen3_q8_0.gguf"), err));
    assert_ok(ar_model_tokenizer(&tok, m, err));
    assert_ok(ar_engine_open(&e, m, NULL, err));
    assert_ok(scorer_open(&s, e, err));
    assert_ok(choices_read(&q, line, strlen(line), err));
    assert_ok(choices_score(s, tok, &q, &r, err));
    int best = 0;
    for (int i = 0; i < q.n; i++) {
        int32_t prompt[64], ids[64];
        double logp[64], sum = 0;
        size_t n_prompt, n, first = 0;
        encode(tok, q.prompt, "", prompt, &n_prompt);
        encode(tok, q.prompt, q.choice[i], ids, &n);
        while (first < n_prompt && ids[first] == prompt[first]) first++;
        assert_true(first >= 1 && first < n);
        scorer_rewind(s, 0);
        assert_ok(scorer_feed(s, ids, ids + 1, (int64_t)n - 1, logp, err));
        for (size_t k = first - 1; k + 1 < n; k++) sum += logp[k];
        assert_near(r.logp[i], sum, 1e-12);
        if (r.logp[i] > r.logp[best]) best = i;
    }
    assert_int_equal(r.best, best);
    assert_in_range(r.best_per_byte, 0, q.n - 1);
    choices_free(&q);
    scorer_close(s);
    ar_engine_close(e);
    ar_tokenizer_close(tok);
    ar_model_close(m);
}
