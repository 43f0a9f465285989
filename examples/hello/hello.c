/* hello.c - a model goes on with a text.
 *
 *   cc hello.c $(pkg-config --cflags --libs --static arcane) -o hello
 *   ./hello model.gguf "Once upon a time" */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arcane/generate.h>

/* What has to be closed, in this order. */
static ar_generator *generator;
static ar_session *session;
static ar_engine *engine;
static ar_tokenizer *tokenizer;
static ar_model *model;

static int done(const ar_error *err) {
    if (err->code != AR_OK) fprintf(stderr, "hello: %s\n", err->message);
    ar_generator_close(generator);
    ar_session_close(session);
    ar_engine_close(engine);
    ar_tokenizer_close(tokenizer);
    ar_model_close(model);
    return err->code != AR_OK;
}

static bool print(void *ctx, const char *text, size_t n) {
    fwrite(text, 1, n, ctx);
    return !fflush(ctx);
}

int main(int argc, char **argv) {
    ar_error err = {AR_OK, ""};
    const char *prompt = argc > 2 ? argv[2] : "Hello";
    const size_t size = strlen(prompt);
    if (argc < 2) {
        fprintf(stderr, "usage: hello MODEL [PROMPT]\n");
        return 2;
    }
    if (ar_model_open(&model, argv[1], &err)) return done(&err);
    if (ar_model_tokenizer(&tokenizer, model, &err)) return done(&err);
    if (!tokenizer) {
        fprintf(stderr, "hello: %s has no tokenizer\n", argv[1]);
        return done(&err) + 1;
    }
    if (ar_engine_open(&engine, model, NULL, &err) ||
        ar_session_open(&session, engine, &err) ||
        ar_generator_open(&generator, session, NULL, &err))
        return done(&err);

    size_t n; /* the first call counts */
    if (ar_tokenizer_encode(tokenizer, prompt, size, AR_TEMPLATE, NULL, 0, &n,
                            &err))
        return done(&err);
    int32_t *ids = malloc((n + 1) * sizeof *ids);
    if (!ids || ar_tokenizer_encode(tokenizer, prompt, size, AR_TEMPLATE, ids,
                                    n, &n, &err)) {
        free(ids);
        return done(&err);
    }
    ar_write_options o = ar_write_options_default();
    o.n = 32;
    o.tokenizer = tokenizer;
    o.on_text = print;
    o.ctx = stdout;
    printf("%s", prompt);
    if (ar_generator_begin(generator, ids, (int64_t)n, NULL, &err) == AR_OK)
        ar_generator_write(generator, &o, NULL, &err);
    printf("\n");
    free(ids);
    return done(&err);
}
