/* options.c - small helpers that several commands share. */
#include "cli/options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "infer/infer.h"
#include "tok/tok.h"
#include "train/train.h"

int thread_count(int64_t n) {
    return n > INT_MAX ? INT_MAX : n < INT_MIN ? INT_MIN : (int)n;
}

/* The number at *p and what separates it from the next; false = neither. */
static bool next_id(const char **p, int32_t *out) {
    static const char blanks[] = " \t\r\n";
    char *end;
    errno = 0;
    const long v = strtol(*p, &end, 10);
    if (errno || end == *p || v < INT32_MIN || v > INT32_MAX) return false;
    *out = (int32_t)v;
    const size_t gap = strspn(end, blanks);
    const bool comma = end[gap] == ',';
    if (!gap && !comma && *end && *end != ']') return false;
    end += gap + comma;
    *p = end + strspn(end, blanks);
    return true;
}

ar_status parse_ids(const char *name, const char *list, int32_t **ids,
                    int64_t *n, ar_error *err) {
    *ids = NULL;
    *n = 0;
    int32_t *out = mem_new(int32_t, (int64_t)(strlen(list) / 2 + 1));
    if (!out) return error_set(err, AR_NOMEM, "out of memory");
    const char *p = list + strspn(list, " \t\r\n[");
    bool good = true;
    while (good && *p && *p != ']') good = next_id(&p, &out[(*n)++]);
    if (good && *p == ']' && p[1 + strspn(p + 1, " \t\r\n")]) good = false;
    if (!good) {
        mem_free(out);
        *n = 0;
        return error_set(err, AR_USAGE,
                         "%s: \"%.40s\" is not a list of whole numbers", name,
                         p);
    }
    *ids = out;
    return AR_OK;
}

ar_status check_out(const char *out, const char *of, ar_error *err) {
    if (!file_same(out, of)) return AR_OK;
    return error_set(err, AR_USAGE, "--out: %.200s is the model itself", out);
}

ar_status read_stdin(char **out, size_t *n, ar_error *err) {
    text t = {0};
    char piece[4096];
    size_t got;
    *out = NULL;
    while ((got = fread(piece, 1, sizeof piece, stdin)))
        text_add(&t, piece, got);
    if (ferror(stdin)) {
        text_close(&t);
        return error_set(err, AR_IO, "standard input: %s", strerror(errno));
    }
    text_add(&t, "", 0);
    const ar_status s = text_status(&t, err);
    if (s != AR_OK) {
        text_close(&t);
        return s;
    }
    *out = t.data;
    *n = t.size;
    return AR_OK;
}

ar_status open_named_tokenizer(ar_tokenizer **out, const char *name,
                               ar_error *err) {
    return strcmp(name, "bytes") ? tokenizer_find(out, name, err)
                                 : ar_tokenizer_bytes(out, err);
}

/* Do the settings have the very groups that their recipe makes? */
static ar_status has_recipe_groups(const settings *s, bool *out,
                                   ar_error *err) {
    settings fresh;
    model_config c;
    TRY(settings_copy(&fresh, s, err));
    json_decref(fresh.groups);
    fresh.groups = NULL;
    const ar_status status = train_model_of(&fresh, &c, 0, err);
    *out = status == AR_OK && json_equal(fresh.groups, s->groups);
    settings_close(&fresh);
    return status;
}

ar_status settings_loosen(settings *s, const char *flag, bool new_preset,
                          ar_error *err) {
    if (s->groups && (flag || new_preset)) {
        bool made;
        TRY(has_recipe_groups(s, &made, err));
        if (!made && flag)
            return error_set(err, AR_USAGE,
                             "%s: the settings have optimizer.groups of their "
                             "own, which it would not change",
                             flag);
        if (made) {
            json_decref(s->groups);
            s->groups = NULL;
        }
    }
    if (new_preset) {
        json_decref(s->config);
        s->config = NULL;
    }
    return AR_OK;
}

ar_status print_json(json_t *json, ar_error *err) {
    if (!json) return error_set(err, AR_NOMEM, "out of memory");
    const int failed =
        json_dumpf(json, stdout, JSON_REAL_PRECISION(17) | JSON_ENSURE_ASCII);
    json_decref(json);
    if (failed || putchar('\n') == EOF)
        return error_set(err, AR_IO, "standard output could not be written");
    return AR_OK;
}

ar_status decode_text(const ar_tokenizer *tok, const int32_t *ids, size_t n,
                      unsigned flags, char **out, size_t *size, ar_error *err) {
    *out = NULL;
    size_t count;
    TRY(ar_tokenizer_decode(tok, ids, n, flags, NULL, 0, &count, err));
    char *bytes = mem_alloc(count + 1);
    if (!bytes) return error_set(err, AR_NOMEM, "out of memory");
    ar_status s =
        ar_tokenizer_decode(tok, ids, n, flags, bytes, count, &count, err);
    text t = {0};
    if (s == AR_OK) {
        utf8_add_lossy(&t, bytes, count);
        text_add(&t, "", 0);
        s = text_status(&t, err);
    }
    mem_free(bytes);
    if (s != AR_OK) {
        text_close(&t);
        return s;
    }
    *out = t.data;
    *size = t.size;
    return AR_OK;
}
