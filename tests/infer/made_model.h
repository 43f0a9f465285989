/* made_model.h - a model folder of random weights, for shapes that no recorded
 * model has. */
#ifndef TESTS_MADE_MODEL_H
#define TESTS_MADE_MODEL_H

#include "base/file.h"
#include "base/mem.h"
#include "model/model.h"
#include "tests/test.h"

/* config.json as given, and weights that are normal with that deviation. */
static inline void made_model(const char *folder, const char *config,
                              double deviation) {
    char path[600];
    model_config c;
    param_list p;
    st_writer *w;
    assert_ok(config_parse(&c, config, strlen(config), err));
    assert_ok(file_make_folder(folder, err));
    assert_ok(file_join(path, sizeof path, folder, "config.json", err));
    assert_ok(file_replace(path, config, strlen(config), err));
    assert_ok(params_build(&p, &c, AR_F32, err));
    assert_ok(file_join(path, sizeof path, folder, "model.safetensors", err));
    assert_ok(st_create(&w, path, err));
    for (int i = 0; i < p.n; i++)
        st_declare(w, p.spec[i].name, AR_F32, &p.spec[i].shape);
    for (int i = 0; i < p.n; i++) {
        param_spec *s = &p.spec[i];
        const size_t size = 4 * (size_t)shape_count(&s->shape);
        void *data = mem_alloc(size);
        s->init = INIT_NORMAL;
        s->init_scale = deviation;
        params_init(s, AR_F32, 7, data);
        st_data(w, data, size);
        mem_free(data);
    }
    assert_ok(st_commit(w, err));
    params_close(&p);
}

#endif
