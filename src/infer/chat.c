/* chat.c - a conversation with a model: its turns, and answering them. */
#include "infer/chat.h"

#include <string.h>

#include "arcane/template.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "base/text.h"
#include "infer/model_text.h"

enum { MAX_STOPS = 32, LEAST_ANSWER = 64, MAX_FILE = 64 << 20 };

static const char *const stop_names[] = {
#define STOP(name) name,
#include "infer/stops.def"
#undef STOP
};

struct chat {
    const ar_model *m;
    ar_tokenizer *tok;
    ar_template *template; /* NULL if the model has none */
    ar_engine *engine;
    ar_session *session;
    json_t *turns;
    int32_t stops[MAX_STOPS];
    int n_stops;
    ar_generator *from;
};

/* ---- opening ---- */

static void add_stop(chat *c, int32_t id) {
    if (id < 0 || c->n_stops == MAX_STOPS) return;
    c->stops[c->n_stops++] = id;
}

/* A name that is one token of the vocabulary, not a text cut into several. */
static void add_named_stops(chat *c) {
    for (size_t i = 0; i < sizeof stop_names / sizeof *stop_names; i++) {
        int32_t id;
        size_t count;
        ar_error ignored;
        const char *name = stop_names[i];
        if (ar_tokenizer_encode(c->tok, name, strlen(name), AR_SPECIAL, &id, 1,
                                &count, &ignored) == AR_OK &&
            count == 1)
            add_stop(c, id);
    }
}

static ar_status open_template(chat *c, ar_error *err) {
    text source = {0};
    ar_status s = model_template(c->m, &source, err);
    if (s == AR_OK && source.size)
        s = ar_template_open(&c->template, "chat template", source.data,
                             source.size, err);
    text_close(&source);
    return s;
}

static ar_status open_all(chat *c, ar_engine *e, const ar_generate_options *o,
                          ar_error *err) {
    const model_config *config = &c->m->config;
    TRY(ar_model_tokenizer(&c->tok, c->m, err));
    if (!c->tok)
        return error_set(err, AR_UNSUPPORTED, "%.180s: has no tokenizer",
                         c->m->folder);
    TRY(open_template(c, err));
    c->engine = e;
    TRY(ar_session_open(&c->session, e, err));
    TRY(ar_generator_open(&c->from, c->session, o, err));
    c->turns = json_array();
    if (!c->turns)
        return error_set(err, AR_NOMEM, "no memory for a conversation");
    add_stop(c, ar_tokenizer_eos(c->tok));
    add_stop(c, config->eos);
    if (c->template) add_named_stops(c);
    return AR_OK;
}

ar_status chat_open(chat **out, const ar_model *m, ar_engine *e,
                    const ar_generate_options *o, ar_error *err) {
    *out = NULL;
    chat *c = mem_new(chat, 1);
    if (!c) return error_set(err, AR_NOMEM, "no memory for a conversation");
    c->m = m;
    const ar_status s = open_all(c, e, o, err);
    if (s == AR_OK)
        *out = c;
    else
        chat_close(c);
    return s;
}

void chat_close(chat *c) {
    if (!c) return;
    ar_generator_close(c->from);
    ar_session_close(c->session);
    ar_template_close(c->template);
    ar_tokenizer_close(c->tok);
    json_decref(c->turns);
    mem_free(c);
}

bool chat_has_template(const chat *c) { return c->template != NULL; }
const ar_tokenizer *chat_tokenizer(const chat *c) { return c->tok; }

/* ---- turns ---- */

const json_t *chat_turns(const chat *c) { return c->turns; }

static bool has_role(const json_t *turn, const char *role) {
    const char *s = json_string_value(json_object_get(turn, "role"));
    return s && !strcmp(s, role);
}

static int64_t n_turns(const chat *c) {
    return (int64_t)json_array_size(c->turns);
}
static bool has_system(const chat *c) {
    return has_role(json_array_get(c->turns, 0), "system");
}

ar_status chat_say(chat *c, const char *role, const char *words,
                   ar_error *err) {
    const bool system = !strcmp(role, "system");
    if (system && has_system(c)) json_array_remove(c->turns, 0);
    if (system && !*words) return AR_OK;
    json_t *content = json_string(words);
    if (!content)
        return error_set(err, AR_FORMAT, "the text is not valid UTF-8");
    json_t *turn = json_pack("{s:s, s:o}", "role", role, "content", content);
    if (!turn ||
        json_array_insert_new(c->turns, system ? 0 : (size_t)n_turns(c), turn))
        return error_set(err, AR_NOMEM, "no memory for a turn");
    return AR_OK;
}

void chat_reset(chat *c) {
    while (n_turns(c) > has_system(c))
        json_array_remove(c->turns, (size_t)n_turns(c) - 1);
}

bool chat_undo(chat *c) {
    if (n_turns(c) <= has_system(c)) return false;
    bool question = false;
    while (!question && n_turns(c) > has_system(c)) {
        const size_t last = (size_t)n_turns(c) - 1;
        question = has_role(json_array_get(c->turns, last), "user");
        json_array_remove(c->turns, last);
    }
    return true;
}

ar_status chat_save(const chat *c, const char *path, ar_error *err) {
    text out = {0};
    text_add_json(&out, c->turns, JSON_INDENT(2));
    text_adds(&out, "\n");
    ar_status s = text_status(&out, err);
    if (s == AR_OK) s = file_replace(path, out.data, out.size, err);
    text_close(&out);
    return s;
}

static bool are_turns(const json_t *list) {
    size_t i;
    json_t *turn;
    if (!json_is_array(list)) return false;
    json_array_foreach((json_t *)list, i, turn) {
        if (!json_is_string(json_object_get(turn, "role")) ||
            !json_is_string(json_object_get(turn, "content")))
            return false;
    }
    return true;
}

ar_status chat_load(chat *c, const char *path, ar_error *err) {
    char *data;
    size_t size;
    json_error_t je;
    TRY(file_read(path, MAX_FILE, &data, &size, err));
    json_t *list = json_loadb(data, size, JSON_REJECT_DUPLICATES, &je);
    mem_free(data);
    if (!are_turns(list)) {
        json_decref(list);
        return error_set(err, AR_FORMAT,
                         "%.160s: not a list of {\"role\", \"content\"}", path);
    }
    json_decref(c->turns);
    c->turns = list;
    return AR_OK;
}

/* ---- from turns to ids ---- */

/* What the id stands for in a template, such as "<s>"; NULL if none. */
static json_t *token_name(const chat *c, int32_t id) {
    char name[256];
    size_t n = 0;
    ar_error ignored;
    if (id < 0 || ar_tokenizer_decode(c->tok, &id, 1, AR_SPECIAL, name,
                                      sizeof name, &n, &ignored) != AR_OK)
        return json_string("");
    return json_stringn(name, n < sizeof name ? n : sizeof name);
}

static ar_status render(const chat *c, text *out, ar_error *err) {
    ar_template_result result = {0};
    json_t *all =
        json_pack("{s:O, s:b, s:n, s:n, s:o, s:o}", "messages", c->turns,
                  "add_generation_prompt", 1, "tools", "documents", "bos_token",
                  token_name(c, ar_tokenizer_bos(c->tok)), "eos_token",
                  token_name(c, ar_tokenizer_eos(c->tok)));
    text variables = {0};
    text_add_json(&variables, all, 0);
    json_decref(all);
    ar_status s = text_status(&variables, err);
    if (s == AR_OK)
        s = ar_template_render(c->template, variables.data, variables.size,
                               NULL, &result, err);
    text_close(&variables);
    if (s == AR_OK) {
        text_add(out, result.text, result.size);
        s = text_status(out, err);
    }
    ar_template_result_close(&result);
    return s;
}

static ar_status join(const chat *c, text *out, ar_error *err) {
    size_t i;
    json_t *turn;
    json_array_foreach(c->turns, i, turn)
        text_adds(out, json_string_value(json_object_get(turn, "content")));
    return text_status(out, err);
}

/* The ids of all turns; free with mem_free. */
static ar_status prompt_ids(const chat *c, int32_t **out, int64_t *n,
                            ar_error *err) {
    text prompt = {0};
    size_t count = 0;
    *out = NULL;
    ar_status s = c->template ? render(c, &prompt, err) : join(c, &prompt, err);
    /* A template writes the special tokens itself. */
    const unsigned flags = c->template ? AR_SPECIAL : AR_TEMPLATE;
    const char *p = prompt.data ? prompt.data : "";
    if (s == AR_OK)
        s = ar_tokenizer_encode(c->tok, p, prompt.size, flags, NULL, 0, &count,
                                err);
    if (s == AR_OK && !(*out = mem_new(int32_t, (int64_t)count + 1)))
        s = error_set(err, AR_NOMEM, "no memory for a prompt");
    if (s == AR_OK)
        s = ar_tokenizer_encode(c->tok, p, prompt.size, flags, *out, count,
                                &count, err);
    text_close(&prompt);
    *n = (int64_t)count;
    return s;
}

/* The first question and its answer; false if only the last turn is left. */
static bool drop_oldest(chat *c, int64_t *n_dropped) {
    const size_t first = has_system(c);
    int64_t n = 0;
    if (n_turns(c) <= (int64_t)first + 1) return false;
    do {
        json_array_remove(c->turns, first);
        n++;
    } while (n_turns(c) > (int64_t)first + 1 &&
             !has_role(json_array_get(c->turns, first), "user"));
    *n_dropped += n;
    return true;
}

/* Ids that leave room for an answer. */
static ar_status fit_prompt(chat *c, int32_t **ids, int64_t *n,
                            int64_t *n_dropped, ar_error *err) {
    const int64_t most = c->m->config.n_ctx;
    for (;;) {
        TRY(prompt_ids(c, ids, n, err));
        if (*n > 0 && *n + LEAST_ANSWER <= most) return AR_OK;
        if (*n == 0) return error_set(err, AR_USAGE, "there is no text yet");
        if (!drop_oldest(c, n_dropped)) break;
        mem_free(*ids);
        *ids = NULL;
    }
    if (*n < most) return AR_OK;
    return error_set(err, AR_RANGE,
                     "the text has %lld tokens; the model's context is %lld",
                     (long long)*n, (long long)most);
}

/* ---- answering ---- */

static ar_status see_prompt(chat *c, const ar_sync_options *sync,
                            const int32_t *ids, int64_t n, chat_stats *out,
                            ar_error *err) {
    const double start = clock_now();
    const int64_t before = ar_engine_rows_run(c->engine);
    TRY(ar_generator_begin(c->from, ids, n, sync, err));
    out->n_prompt = n;
    out->n_new = ar_engine_rows_run(c->engine) - before;
    out->prompt_seconds = clock_now() - start;
    return AR_OK;
}

static bool is_stop(const chat *c, int32_t id) {
    for (int i = 0; i < c->n_stops; i++)
        if (c->stops[i] == id) return true;
    return false;
}

static bool give(const chat_request *r, text *answer, const char *p, size_t n) {
    text_add(answer, p, n);
    return !n || !r->on_text || r->on_text(r->ctx, p, n);
}

/* Until a stop, the end of the context, or no one wants more. */
static ar_status write_answer(chat *c, const chat_request *r,
                              ar_tokenizer_stream *stream, text *answer,
                              chat_stats *out, ar_error *err) {
    const char *p;
    size_t n;
    bool more = true;
    int64_t most = c->m->config.n_ctx - out->n_prompt;
    if (r->n > 0 && r->n < most) most = r->n;
    while (more && out->n_answer < most) {
        int32_t id;
        TRY(ar_generator_next(c->from, r->sampler, &id, err));
        if (is_stop(c, id)) break;
        TRY(ar_tokenizer_stream_add(stream, id, &p, &n, err));
        more = give(r, answer, p, n);
        out->n_answer++;
    }
    TRY(ar_tokenizer_stream_end(stream, &p, &n, err));
    give(r, answer, p, n);
    return text_status(answer, err);
}

static ar_status answer_ids(chat *c, const chat_request *r, const int32_t *ids,
                            chat_stats *out, ar_error *err) {
    text answer = {0};
    ar_tokenizer_stream *stream;
    TRY(see_prompt(c, r->sync, ids, out->n_prompt, out, err));
    TRY(ar_tokenizer_stream_open(&stream, c->tok, 0, err));
    const double start = clock_now();
    ar_status s = write_answer(c, r, stream, &answer, out, err);
    out->answer_seconds = clock_now() - start;
    ar_tokenizer_stream_close(stream);
    if (s == AR_OK)
        s = chat_say(c, "assistant", answer.data ? answer.data : "", err);
    text_close(&answer);
    return s;
}

ar_status chat_answer(chat *c, const chat_request *r, chat_stats *out,
                      ar_error *err) {
    int32_t *ids = NULL;
    *out = (chat_stats){0};
    ar_status s = fit_prompt(c, &ids, &out->n_prompt, &out->n_dropped, err);
    if (s == AR_OK) s = answer_ids(c, r, ids, out, err);
    mem_free(ids);
    return s;
}
