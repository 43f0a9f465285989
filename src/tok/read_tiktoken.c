/* read_tiktoken.c - files of tiktoken ranks. */
#include <string.h>

#include "base/error.h"
#include "tok/file_kinds.h"
#include "tok/rank_list.h"
#include "tok/tokenizer_json.h"

/* A line is the bytes of a token in base64, a space, and its rank. */
static ar_status read_line(rank_list *r, const char *p, size_t n, int line,
                           ar_error *err) {
    const char *space = memchr(p, ' ', n);
    int64_t rank = 0;
    size_t i = space ? (size_t)(space - p) + 1 : n;
    bool good = i < n && n - i < 10;
    for (; good && i < n; i++) {
        good = p[i] >= '0' && p[i] <= '9';
        rank = 10 * rank + (p[i] - '0');
    }
    if (!good)
        return error_set(err, AR_FORMAT, "line %d is not a token and its rank",
                         line);
    return rank_list_add(r, p, (size_t)(space - p), rank, err);
}

static ar_status read_lines(rank_list *r, const char *p, size_t n,
                            ar_error *err) {
    for (int line = 1; n; line++) {
        const char *stop = memchr(p, '\n', n);
        const size_t size = stop ? (size_t)(stop - p) : n,
                     cut = size && p[size - 1] == '\r' ? size - 1 : size;
        if (cut) TRY(read_line(r, p, cut, line, err));
        const size_t used = stop ? size + 1 : size;
        p += used;
        n -= used;
    }
    return AR_OK;
}

static ar_status read_all(rank_list *r, const char *data, size_t size,
                          json_t *special, ar_error *err) {
    const char *name;
    json_t *id;
    TRY(read_lines(r, data, size, err));
    if (!r->tok->vocab.n)
        return error_set(err, AR_FORMAT, "there are no tokens");
    json_object_foreach(special, name, id) {
        if (!json_is_integer(id))
            return error_set(err, AR_FORMAT,
                             "spec.json: the id of \"%.80s\" is no integer",
                             name);
        TRY(rank_list_add_special(r, name, strlen(name), json_integer_value(id),
                                  err));
    }
    return AR_OK;
}

ar_status read_tiktoken(ar_tokenizer **out, const char *data, size_t size,
                        const json_t *spec, ar_error *err) {
    *out = NULL;
    const char *source;
    TRY(field_text(spec, "spec.json", "pat_str", &source, err));
    json_t *special = json_object_get(spec, "special_tokens");
    if (!source || (special && !json_is_object(special)))
        return error_set(err, AR_FORMAT,
                         "spec.json has no \"pat_str\", or \"special_tokens\" "
                         "that are no object");
    rank_list r;
    ar_status s =
        rank_list_open(&r, source, json_object_size(special), size / 4, err);
    if (s == AR_OK) s = read_all(&r, data, size, special, err);
    if (s == AR_OK) s = rank_list_finish(&r, out, err);
    rank_list_close(&r);
    return s;
}
