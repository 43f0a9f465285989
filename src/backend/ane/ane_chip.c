/* ane_chip.c - the tables of ane_chips.def. */
#include "backend/ane/ane_chip.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const ane_limits families[] = {
#define ANE_FAMILY(...) {__VA_ARGS__},
#include "backend/ane/ane_chips.def"
};

static const ane_chip chips[] = {
#define ANE_CHIP(name, soc, arch, gen, concat, ceiling, denormals, us, kb)     \
    {name,                                                                     \
     soc,                                                                      \
     arch,                                                                     \
     gen,                                                                      \
     concat,                                                                   \
     ANE_CEILING_##ceiling,                                                    \
     ANE_DENORMALS_##denormals,                                                \
     us,                                                                       \
     kb},
#include "backend/ane/ane_chips.def"
};

enum {
    N_FAMILIES = sizeof families / sizeof *families,
    N_CHIPS = sizeof chips / sizeof *chips
};

int ane_n_chips(void) { return N_CHIPS; }
const ane_chip *ane_get_chip(int i) { return &chips[i]; }

const ane_chip *ane_find_chip(const char *name) {
    for (int i = 0; i < N_CHIPS; i++)
        if (strcmp(name, chips[i].name) == 0 ||
            strcmp(name, chips[i].arch) == 0)
            return &chips[i];
    return NULL;
}

static int least(int a, int b) { return a < b ? a : b; }

static void tighten(ane_limits *l, const ane_limits *o) {
    l->max_wh = least(l->max_wh, o->max_wh);
    l->max_d = least(l->max_d, o->max_d);
    l->max_c = least(l->max_c, o->max_c);
    l->max_n = least(l->max_n, o->max_n);
    l->kernel_w_fp16 = least(l->kernel_w_fp16, o->kernel_w_fp16);
    l->kernel_w = least(l->kernel_w, o->kernel_w);
    l->kernel_h = least(l->kernel_h, o->kernel_h);
    l->arg_axis = least(l->arg_axis, o->arg_axis);
    l->short_syntax &= o->short_syntax;
    l->cast &= o->cast;
    l->wide_slice &= o->wide_slice;
    l->trig &= o->trig;
    l->texture &= o->texture;
    l->int8_stream &= o->int8_stream;
    l->block_stream &= o->block_stream;
}

ane_limits ane_limits_of(const ane_chip *chip) {
    ane_limits all = families[0];
    for (int i = 0; i < N_FAMILIES; i++) {
        if (chip && families[i].generation == chip->generation)
            return families[i];
        tighten(&all, &families[i]);
    }
    return all;
}

bool ane_concat_width(const ane_chip *chip) {
    if (chip) return chip->concat_width;
    for (int i = 0; i < N_CHIPS; i++)
        if (!chips[i].concat_width) return false;
    return true;
}

bool ane_chip_among(const ane_chip *chip, const char *words) {
    if (!chip || !*words) return true;
    while (*words) {
        const size_t n = strcspn(words, " ");
        if (strncmp(chip->name, words, n) == 0 &&
            (!chip->name[n] || chip->name[n] == '-'))
            return true;
        words += n + strspn(words + n, " ");
    }
    return false;
}

/* m6, m9-ultra, h18: names as Apple would give them. */
static bool could_be_chip(const char *s) {
    if (*s != 'm' && *s != 'h') return false;
    const size_t digits = strspn(s + 1, "0123456789");
    if (!digits || digits > 2) return false;
    s += 1 + digits;
    if (*s == '-') s++;
    return strspn(s, "abcdefghijklmnopqrstuvwxyz") == strlen(s);
}

/* 0 if it is no version. */
static int read_os(const char *s) {
    char *end;
    if (!isdigit((unsigned char)*s)) return 0;
    const long major = strtol(s, &end, 10);
    long minor = 0;
    if (*end == '.' && isdigit((unsigned char)end[1]))
        minor = strtol(end + 1, &end, 10);
    if (*end == '.' && isdigit((unsigned char)end[1]))
        (void)strtol(end + 1, &end, 10);
    if (*end || major < 1 || major > 999 || minor > 99) return 0;
    return (int)(major * 100 + minor);
}

ar_status ane_target_read(ane_target *out, const char *chip, const char *os,
                          bool strict, ar_error *err) {
    ane_target t = {.strict = strict};
    if (chip) {
        t.chip = ane_find_chip(chip);
        if (!t.chip && !could_be_chip(chip))
            return error_set(err, AR_USAGE,
                             "\"%s\" is no chip: m1 to m5, m1-pro, m2-max ...",
                             chip);
        if (!t.chip) t.strict = true;
    }
    if (os) {
        t.os = read_os(os);
        if (!t.os)
            return error_set(err, AR_USAGE,
                             "\"%s\" is no version of macOS, such as 15.5", os);
        if (t.os < ANE_OS_OLDEST || t.os > ANE_OS_NEWEST) {
            t.os = 0;
            t.strict = true;
        }
    }
    *out = t;
    return AR_OK;
}
