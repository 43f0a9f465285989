/* golden_engine.h - an engine on any form of a recorded model. */
#ifndef TESTS_GOLDEN_ENGINE_H
#define TESTS_GOLDEN_ENGINE_H

#include "infer/infer.h"
#include "tests/model/golden_io.h"

/* The last logits of every prompt of io.json of the model called name. */
static inline void golden_check_engine(const ar_model *m, const char *name,
                                       const char *where, double tolerance) {
    enum { MOST = 256 };
    ar_engine *e;
    ar_engine_options o = ar_engine_options_default();
    o.device = where;
    o.max_tokens = MOST;
    o.page = 8;
    assert_true(m->config.n_vocab <= MOST);
    assert_ok(ar_engine_open(&e, m, &o, err));
    json_t *io = golden_json(golden_model(name, "io.json"));
    const json_t *prompts = json_object_get(io, "prompts");
    for (size_t k = 0; k < json_array_size(prompts); k++) {
        int32_t ids[MOST];
        double y[MOST];
        ar_session *s;
        const int64_t n = golden_ids(json_array_get(prompts, k), ids, MOST);
        assert_ok(ar_session_open(&s, e, err));
        assert_ok(ar_session_feed(s, ids, n, false, y, err));
        golden_compare(json_array_get(json_object_get(io, "last_logits"), k), y,
                       tolerance);
        ar_session_close(s);
    }
    json_decref(io);
    ar_engine_close(e);
}

#endif
