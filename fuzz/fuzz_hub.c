/* fuzz_hub.c - what comes over the network, or lies beside what came, out of
 * any bytes; the first one picks the parser.  Names that are taken lead nowhere
 * but down. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "hub/hub_cache.h"
#include "hub/hub_http.h"
#include "hub/hub_part.h"

static void check_path(const char *path) {
    for (const char *p = path;; p++) {
        const size_t n = strcspn(p, "/");
        if (!n || (n == 1 && *p == '.') || (n == 2 && !memcmp(p, "..", 2)))
            abort();
        p += n;
        if (!*p) return;
    }
}

static void read_answer(const char *p, size_t n) {
    static const char *const choices[] = {"", "Q4_K_M", "m.gguf"};
    hub_files f;
    hub_choice what;
    ar_error err;
    if (hub_files_parse(&f, "a/b", p, n, &err) != AR_OK) return;
    for (int i = 0; i < f.n; i++) check_path(f.file[i].path);
    for (int i = 0; i < 3; i++)
        if (hub_files_choose(&f, "a/b", choices[i], &what, &err) == AR_OK &&
            !what.folder && !what.first)
            abort();
    hub_files_close(&f);
}

static void read_part(const char *p, size_t n) {
    part s;
    ar_error err;
    if (part_parse(&s, "state", p, n, &err) != AR_OK) return;
    if (part_extent(&s) > s.size || part_done(&s) > part_extent(&s)) abort();
    part_close(&s);
}

static void read_list(const char *p, size_t n) {
    pulled l;
    hub_files f;
    ar_error err;
    if (pulled_parse(&l, "list", p, n, &err) != AR_OK) return;
    for (int i = 0; i < l.n; i++) check_path(l.row[i].path);
    if (pulled_files(&l, &f, &err) != AR_OK) abort();
    hub_files_close(&f);
    pulled_close(&l);
}

static void read_head(const char *p, size_t n) {
    http_head h;
    http_head_begin(&h);
    for (const char *end = p + n; p < end;) {
        const char *line = memchr(p, '\n', (size_t)(end - p));
        const size_t size = (size_t)((line ? line + 1 : end) - p);
        http_head_line(&h, p, size);
        p += size;
    }
    if (h.from < -1 || h.to < -1 || h.total < -1 || h.length < -1) abort();
    if (h.sum[0] && !sha256_is_hex(h.sum)) abort();
}

static void read_ref(const char *p, size_t n) {
    hub_ref r;
    ar_error err;
    char *name = mem_alloc(n + 1);
    if (!name) return;
    memcpy(name, p, n);
    if (hub_ref_parse(&r, name, &err) == AR_OK) {
        check_path(r.folder);
        if (r.is_url) check_path(r.file);
    }
    mem_free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const readers[])(const char *, size_t) = {
        read_answer, read_part, read_list, read_head, read_ref};
    if (size) readers[data[0] % 5]((const char *)data + 1, size - 1);
    return 0;
}
