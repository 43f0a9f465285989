/* inspect_show.c - what arcane inspect found, as text. */
#include <string.h>

#include "base/text.h"
#include "cli/inspect.h"

enum { LABEL = 16, MOST = 72 };

/* Without control characters, which a terminal would obey; longer texts than
 * `most` bytes are cut between characters. */
static void print_clean(const char *s, size_t most) {
    const size_t n = strlen(s);
    size_t end = n < most ? n : most;
    while (end < n && end > 0 && ((unsigned char)s[end] & 0xc0) == 0x80) end--;
    for (size_t i = 0; i < end; i++) {
        const unsigned char c = (unsigned char)s[i];
        const bool c1 = c == 0xc2 && (unsigned char)s[i + 1] < 0xa0;
        if (c == '\n')
            fputs("\\n", stdout);
        else
            putchar(c < 32 || c == 127 || c1 ? '?' : c);
        if (c1) i++;
    }
    if (end < n) printf("... (%zu bytes)", n);
}

/* "1.5 GiB" of bytes, "1.2 B" of things. */
static const char *scaled(double x, bool bytes, char out[32]) {
    static const char *const of[2][5] = {
        {"", " k", " M", " B", " T"}, {" B", " KiB", " MiB", " GiB", " TiB"}};
    const double step = bytes ? 1024 : 1000;
    int i = 0;
    for (; x >= step && i < 4; i++) x /= step;
    snprintf(out, 32, i ? "%.2f%s" : "%.0f%s", x, of[bytes][i]);
    return out;
}

static void label(const char *name) {
    char word[64];
    snprintf(word, sizeof word, "%s", name);
    for (char *p = word; *p; p++)
        if (*p == '_') *p = ' ';
    printf("  %-*s", LABEL, word);
}

static void print_value(const json_t *j, size_t most) {
    if (json_is_string(j))
        print_clean(json_string_value(j), most);
    else if (json_is_integer(j))
        printf("%lld", (long long)json_integer_value(j));
    else if (json_is_real(j))
        printf("%.9g", json_real_value(j));
    else if (json_is_boolean(j))
        fputs(json_is_true(j) ? "yes" : "no", stdout);
    else
        fputs("none", stdout);
}

static void print_windows(const json_t *list) {
    const size_t n = json_array_size(list);
    size_t with = 0;
    long long widest = 0;
    for (size_t i = 0; i < n; i++) {
        const long long w = json_integer_value(json_array_get(list, i));
        with += w > 0;
        widest = w > widest ? w : widest;
    }
    label("windows");
    printf("%lld tokens in %zu of %zu layers\n", widest, with, n);
}

static void print_members(const char *name, const json_t *r) {
    const char *key;
    json_t *v;
    label(name);
    int n = 0;
    json_object_foreach((json_t *)r, key, v) {
        printf("%s", n++ ? ", " : "");
        for (const char *p = key; *p; p++) putchar(*p == '_' ? ' ' : *p);
        putchar(' ');
        print_value(v, MOST);
    }
    putchar('\n');
}

static void section(const json_t *all, const char *name) {
    const json_t *o = json_object_get(all, name);
    const char *key;
    json_t *v;
    char size[32];
    printf("%s\n", name);
    if (!json_is_object(o)) puts("  none");
    json_object_foreach((json_t *)o, key, v) {
        if (json_is_array(v)) {
            print_windows(v);
            continue;
        }
        if (json_is_object(v)) {
            print_members(key, v);
            continue;
        }
        label(key);
        print_value(v, 300);
        const bool bytes = !strcmp(key, "bytes");
        if (bytes || !strcmp(key, "parameters"))
            printf(" (%s)", scaled((double)json_integer_value(v), bytes, size));
        putchar('\n');
    }
    putchar('\n');
}

static long long number(const json_t *o, const char *key) {
    return (long long)json_integer_value(json_object_get(o, key));
}

static const char *word(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void show_types(const json_t *all) {
    const json_t *list = json_object_get(all, "types");
    long long tensors = 0, elements = 0, bytes = 0;
    char size[32];
    printf("%-18s%9s  %18s  %11s\n", "type", "tensors", "elements", "bytes");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        tensors += number(o, "tensors");
        elements += number(o, "elements");
        bytes += number(o, "bytes");
        printf("  %-16s%9lld  %18lld  %11s\n", word(o, "type"),
               number(o, "tensors"), number(o, "elements"),
               scaled((double)number(o, "bytes"), true, size));
    }
    printf("  %-16s%9lld  %18lld  %11s\n", "all", tensors, elements,
           scaled((double)bytes, true, size));
}

static void show_tensors(const json_t *all) {
    const json_t *list = json_object_get(all, "tensors");
    char size[32];
    puts("\ntensors");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i),
                     *dims = json_object_get(o, "shape");
        text dims_text = {0};
        for (size_t d = 0; d < json_array_size(dims); d++)
            text_addf(&dims_text, "%s%lld", d ? ", " : "",
                      (long long)json_integer_value(json_array_get(dims, d)));
        printf("  %-8s %10s  [%s]%*s", word(o, "type"),
               scaled((double)number(o, "bytes"), true, size),
               dims_text.data ? dims_text.data : "",
               dims_text.size < 18 ? 20 - (int)dims_text.size : 2, "");
        print_clean(word(o, "name"), 600);
        putchar('\n');
        text_close(&dims_text);
    }
}

static void show_metadata(const json_t *all) {
    const json_t *list = json_object_get(all, "metadata");
    if (!list) {
        puts("\nmetadata: only GGUF files have any");
        return;
    }
    puts("\nmetadata");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i),
                     *first = json_object_get(o, "first");
        const size_t n = json_array_size(first);
        printf("  %-7s ", word(o, "kind"));
        print_clean(word(o, "key"), 200);
        fputs(" = ", stdout);
        if (!first) print_value(json_object_get(o, "value"), MOST);
        if (first) putchar('[');
        for (size_t k = 0; k < n; k++) {
            fputs(k ? ", " : "", stdout);
            print_value(json_array_get(first, k), 24);
        }
        const long long count = number(o, "count");
        if (first) printf(count > (long long)n ? ", ... %lld]" : "]", count);
        putchar('\n');
    }
}

static void show_names(const json_t *all, const char *key, const char *title) {
    const json_t *list = json_object_get(all, key);
    const size_t n = json_array_size(list);
    if (!n) return;
    printf("\n%s (%zu)\n", title, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(list, i);
        fputs("  ", stdout);
        print_clean(json_is_string(o) ? json_string_value(o) : word(o, "name"),
                    600);
        if (json_is_object(o))
            printf(" is %s, expected %s", word(o, "shape"),
                   word(o, "expected"));
        putchar('\n');
    }
}

void inspect_show(const json_t *all, const inspect_args *a) {
    section(all, "file");
    section(all, "model");
    section(all, "tokenizer");
    show_types(all);
    if (a->tensors) show_tensors(all);
    if (a->metadata) show_metadata(all);
    show_names(all, "missing", "missing tensors");
    show_names(all, "other_shape", "tensors of another shape");
    show_names(all, "unknown", "tensors that belong to no weight");
}
