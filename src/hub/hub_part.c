/* hub_part.c - how far a file is that is being fetched. */
#include "hub/hub_part.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/parse.h"
#include "hub/hub_files.h"

enum { MAX_STATE = 4 << 20 };

ar_status part_cut(part *p, int64_t size, int64_t segment, ar_error *err) {
    if (size < -1 || size > HUB_MAX_SIZE || segment < 1)
        return error_set(err, AR_RANGE, "%.100s: a file of %" PRId64 " bytes",
                         p->url, size);
    const int64_t least = size / PART_MAX_SEGMENTS + 1;
    if (segment < least) segment = least;
    const int n = size <= segment ? 1 : (int)((size - 1) / segment + 1);
    int64_t *done = mem_new(int64_t, n);
    if (!done) return error_set(err, AR_NOMEM, "out of memory");
    mem_free(p->done);
    p->size = size;
    p->segment = segment;
    p->n = n;
    p->done = done;
    return AR_OK;
}

void part_close(part *p) {
    mem_free(p->done);
    *p = (part){.size = -1};
}

int64_t part_start(const part *p, int i) { return i * p->segment; }

int64_t part_length(const part *p, int i) {
    if (p->size < 0) return -1;
    return i + 1 < p->n ? p->segment : p->size - part_start(p, i);
}

int64_t part_done(const part *p) {
    int64_t sum = 0;
    for (int i = 0; i < p->n; i++) sum += p->done[i];
    return sum;
}

int64_t part_extent(const part *p) {
    for (int i = p->n - 1; i >= 0; i--)
        if (p->done[i]) return part_start(p, i) + p->done[i];
    return 0;
}

/* ---- the file beside it ---- */

static bool take_text(char *out, size_t size, const json_t *root,
                      const char *key) {
    const json_t *j = json_object_get(root, key);
    const char *value = json_string_value(j);
    const size_t n = value ? json_string_length(j) : 0;
    if (!value || n >= size || strlen(value) != n) return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)value[i] < ' ' || value[i] == 127) return false;
    memcpy(out, value, n + 1);
    return true;
}

static bool take_done(part *p, const json_t *list) {
    if (!json_is_array(list) || json_array_size(list) != (size_t)p->n)
        return false;
    for (int i = 0; i < p->n; i++) {
        const json_t *j = json_array_get(list, (size_t)i);
        p->done[i] = json_integer_value(j);
        if (!json_is_integer(j) || p->done[i] < 0 ||
            p->done[i] > part_length(p, i))
            return false;
    }
    return true;
}

/* Only states of a known size are written: no other can go on. */
static bool take_state(part *p, const json_t *root, ar_status *s,
                       ar_error *err) {
    const json_t *size = json_object_get(root, "size"),
                 *segment = json_object_get(root, "segment");
    if (!take_text(p->url, sizeof p->url, root, "url") ||
        !take_text(p->etag, sizeof p->etag, root, "etag") ||
        !take_text(p->sha256, sizeof p->sha256, root, "sha256") ||
        (p->sha256[0] && !sha256_is_hex(p->sha256)))
        return false;
    if (!json_is_integer(size) || !json_is_integer(segment)) return false;
    const int64_t bytes = json_integer_value(size),
                  step = json_integer_value(segment);
    if (bytes < 0 || bytes > HUB_MAX_SIZE || step < 1 || step > HUB_MAX_SIZE)
        return false;
    *s = part_cut(p, bytes, step, err);
    return *s == AR_OK && p->segment == step &&
           take_done(p, json_object_get(root, "done"));
}

ar_status part_parse(part *out, const char *name, const char *json, size_t n,
                     ar_error *err) {
    json_t *root;
    *out = (part){.size = -1};
    TRY(parse_json(&root, name, json, n, err));
    ar_status s = AR_OK;
    const bool good = take_state(out, root, &s, err);
    json_decref(root);
    if (good) return AR_OK;
    part_close(out);
    if (s != AR_OK) return s;
    return error_set(err, AR_FORMAT, "%.150s: does not say how far a file is",
                     name);
}

ar_status part_read(part *out, const char *path, ar_error *err) {
    char *json;
    size_t n;
    *out = (part){.size = -1};
    TRY(file_read(path, MAX_STATE, &json, &n, err));
    const ar_status s = part_parse(out, path, json, n, err);
    mem_free(json);
    return s;
}

static void add_string(text *t, const char *key, const char *value) {
    text_addf(t, "\"%s\": \"", key);
    for (const char *p = value; *p; p++)
        text_addf(t, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
    text_adds(t, "\",\n ");
}

ar_status part_write(const part *p, const char *path, ar_error *err) {
    text t = {0};
    text_adds(&t, "{");
    add_string(&t, "url", p->url);
    add_string(&t, "etag", p->etag);
    add_string(&t, "sha256", p->sha256);
    text_addf(&t, "\"size\": %" PRId64 ", \"segment\": %" PRId64 ",\n ",
              p->size, p->segment);
    text_adds(&t, "\"done\": [");
    for (int i = 0; i < p->n; i++)
        text_addf(&t, i ? ", %" PRId64 : "%" PRId64, p->done[i]);
    text_adds(&t, "]}\n");
    ar_status s = text_status(&t, err);
    if (s == AR_OK) s = file_replace(path, t.data, t.size, err);
    text_close(&t);
    return s;
}
