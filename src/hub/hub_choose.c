/* hub_choose.c - which files of a repository a model is. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "hub/hub_files.h"

/* ---- names ---- */

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcasecmp(text + n - m, end);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Five digits, as in "-00001-of-00003". */
static int five_digits(const char *p) {
    int v = 0;
    for (int i = 0; i < 5; i++) {
        if (p[i] < '0' || p[i] > '9') return 0;
        v = v * 10 + p[i] - '0';
    }
    return v;
}

/* The length of `path` up to "-00001-of-00003"; n if it does not end so. */
static size_t without_part(const char *path, size_t n, int *part, int *parts) {
    *part = *parts = 1;
    const char *at = path + n - 15;
    if (n <= 15 || at[0] != '-' || memcmp(at + 6, "-of-", 4)) return n;
    const int k = five_digits(at + 1), of = five_digits(at + 10);
    if (k < 1 || of < k) return n;
    *part = k;
    *parts = of;
    return n - 15;
}

size_t hub_gguf_stem(const char *path, int *part, int *parts) {
    *part = *parts = 1;
    if (!ends_with(path, ".gguf")) return 0;
    return without_part(path, strlen(path) - 5, part, parts);
}

/* GGUF files that are a part of a model, not one: projectors of pictures,
 * importance matrices. */
static bool is_model_gguf(const char *path) {
    int part, parts;
    const char *name = base_name(path);
    return hub_gguf_stem(path, &part, &parts) &&
           strncasecmp(name, "mmproj", 6) && !strcasestr(name, "imatrix");
}

static bool same_model(const char *a, const char *b) {
    int part, parts_a, parts_b;
    const size_t n = hub_gguf_stem(a, &part, &parts_a);
    return n == hub_gguf_stem(b, &part, &parts_b) && parts_a == parts_b &&
           !strncmp(a, b, n);
}

/* ---- the parts of a GGUF model ---- */

static ar_status choose_gguf(hub_files *f, const char *name, const char *path,
                             hub_choice *out, ar_error *err) {
    int part, parts, seen = 0;
    hub_gguf_stem(path, &part, &parts);
    out->first = NULL;
    for (int i = 0; i < f->n; i++) {
        if (!same_model(path, f->file[i].path)) continue;
        f->file[i].chosen = true;
        if (!seen++) out->first = f->file[i].path;
    }
    if (seen == parts) return AR_OK;
    return error_set(err, AR_IO, "%.80s: has %d of the %d parts of %.80s", name,
                     seen, parts, path);
}

/* "What there is" of GGUF models, cut to what a sentence can hold. */
static ar_status several(const hub_files *f, const char *name,
                         const char *choice, ar_error *err) {
    char list[128] = "";
    const char *last = NULL;
    for (int i = 0; i < f->n; i++) {
        const char *path = f->file[i].path;
        if (!is_model_gguf(path) || (last && same_model(last, path))) continue;
        last = path;
        const size_t at = strlen(list);
        if (at + strlen(path) + 6 < sizeof list)
            snprintf(list + at, sizeof list - at, "%s%s", at ? ", " : "", path);
        else if (at && list[at - 1] != '.')
            snprintf(list + at, sizeof list - at, " ...");
    }
    if (choice[0])
        return error_set(err, AR_USAGE, "%.60s: which \"%.30s\"? There is %s",
                         name, choice, list);
    return error_set(err, AR_USAGE,
                     "%.60s: say which, as in %.40s:Q8_0; there is %s", name,
                     name, list);
}

/* ---- by quantisation ---- */

/* Does the name have the word, with something else than a letter or digit (or
 * an underscore behind it) around it if `alone`? */
static bool has_word(const char *text, const char *word, bool alone) {
    const size_t n = strlen(word);
    for (const char *p = text; (p = strcasestr(p, word)); p++) {
        if (!alone) return true;
        const bool before = p > text && isalnum((unsigned char)p[-1]);
        if (!before && !isalnum((unsigned char)p[n]) && p[n] != '_')
            return true;
    }
    return false;
}

/* Models whose path has the word; the first of them in *path. */
static int count_word(const hub_files *f, const char *word, bool alone,
                      const char **path) {
    const char *last = NULL;
    int n = 0;
    for (int i = 0; i < f->n; i++) {
        const char *p = f->file[i].path;
        if (!is_model_gguf(p) || !has_word(p, word, alone)) continue;
        if (last && same_model(last, p)) continue;
        last = p;
        if (!n++) *path = p;
    }
    return n;
}

static ar_status choose_named(hub_files *f, const char *name,
                              const char *choice, hub_choice *out,
                              ar_error *err) {
    const char *path = NULL;
    for (int i = 0; i < f->n; i++) {
        if (strcmp(f->file[i].path, choice)) continue;
        if (is_model_gguf(choice))
            return choose_gguf(f, name, choice, out, err);
        f->file[i].chosen = true;
        out->first = f->file[i].path;
        return AR_OK;
    }
    const bool file = strchr(choice, '/') || ends_with(choice, ".gguf") ||
                      ends_with(choice, ".safetensors");
    int n = file ? 0 : count_word(f, choice, true, &path);
    if (!n && !file) n = count_word(f, choice, false, &path);
    if (n == 1) return choose_gguf(f, name, path, out, err);
    if (n) return several(f, name, choice, err);
    n = count_word(f, "", false, &path);
    return error_set(err, AR_IO, "%.80s: has no file \"%.60s\"%s%.60s", name,
                     choice, n ? "; there is " : "", n ? path : "");
}

/* ---- a model of safetensors ---- */

static bool is_shard(const char *path) {
    int part, parts;
    if (!ends_with(path, ".safetensors")) return false;
    without_part(path, strlen(path) - 12, &part, &parts);
    return parts > 1;
}

/* What stands beside the weights: settings, tokenizer, chat template. */
static bool is_companion(const char *path) {
    static const char *const names[] = {
        "config.json",       "generation_config.json",
        "tokenizer.model",   "special_tokens_map.json",
        "added_tokens.json", "vocab.json",
        "vocab.txt",         "merges.txt",
        "tekken.json",       "chat_template.json",
        "spiece.model",      "quantize_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(path, names[i])) return true;
    return (!strncmp(path, "tokenizer", 9) && ends_with(path, ".json")) ||
           ends_with(path, ".jinja") || ends_with(path, ".tiktoken");
}

/* A repository may have its weights twice: whole and in parts, where whole is
 * simpler, or once more as "consolidated". */
enum { WHOLE, PARTS, OTHER };

static bool is_weights(const char *path, int form) {
    if (!ends_with(path, ".safetensors")) return false;
    if (form == WHOLE) return !strcmp(path, "model.safetensors");
    if (form == PARTS) return is_shard(path);
    return strncmp(path, "consolidated", 12) != 0;
}

static bool lists(const hub_files *f, const char *path) {
    for (int i = 0; i < f->n; i++)
        if (!strcmp(f->file[i].path, path)) return true;
    return false;
}

static int choose_safetensors(hub_files *f) {
    static const char index[] = "model.safetensors.index.json";
    const int form = lists(f, "model.safetensors") ? WHOLE
                     : lists(f, index)             ? PARTS
                                                   : OTHER;
    int weights = 0;
    for (int i = 0; i < f->n; i++)
        weights +=
            !strchr(f->file[i].path, '/') && is_weights(f->file[i].path, form);
    for (int i = 0; weights && i < f->n; i++) {
        const char *path = f->file[i].path;
        if (strchr(path, '/')) continue;
        f->file[i].chosen = is_weights(path, form) || is_companion(path) ||
                            (form == PARTS && !strcmp(path, index));
    }
    return weights;
}

ar_status hub_files_choose(hub_files *f, const char *name, const char *choice,
                           hub_choice *out, ar_error *err) {
    *out = (hub_choice){.folder = false};
    for (int i = 0; i < f->n; i++) f->file[i].chosen = false;
    if (choice[0]) return choose_named(f, name, choice, out, err);
    if (choose_safetensors(f)) {
        out->folder = true;
        return AR_OK;
    }
    const char *path = NULL;
    int n = count_word(f, "", false, &path);
    if (!n)
        return error_set(err, AR_UNSUPPORTED,
                         "%.100s: has neither safetensors nor GGUF files",
                         name);
    if (n > 1 && count_word(f, "Q4_K_M", true, &path) != 1)
        return several(f, name, choice, err);
    return choose_gguf(f, name, path, out, err);
}
