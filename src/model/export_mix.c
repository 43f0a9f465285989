/* export_mix.c - which type each weight of a quantised model has. */
#include "model/export_mix.h"

#include <string.h>

#include "base/error.h"
#include "quant/quant.h"

static const struct mix_row {
    const char *name;
    ar_type rest, more, ends;
} mixes[] = {
#define MIX(name, rest, more, ends) {name, AR_##rest, AR_##more, AR_##ends},
#include "model/mixes.def"
#undef MIX
};

static const struct {
    ar_type from, to;
} fallbacks[] = {
#define FALLBACK(from, to) {AR_##from, AR_##to},
#include "model/mixes.def"
#undef FALLBACK
};

/* Q8_1 and Q8_K are for activations. */
static bool can_write(ar_type t) {
    return quant_is_block(t) && quant_can_encode(t) && t != AR_Q8_1 &&
           t != AR_Q8_K;
}

ar_status export_mix_find(export_mix *out, const char *name, ar_error *err) {
    *out = (export_mix){0};
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++)
        if (!strcmp(mixes[i].name, name)) {
            out->rest = mixes[i].rest;
            out->more = mixes[i].more;
            out->ends = mixes[i].ends;
            return AR_OK;
        }
    const ar_type t = ar_type_from_name(name);
    if (!can_write(t))
        return error_set(err, AR_USAGE,
                         "--to: \"%.40s\" is no type that can be written, as "
                         "q4_k, q8_0, and no mix, as q4_k_m",
                         name);
    out->rest = out->more = out->ends = t;
    return AR_OK;
}

static ar_type fitting(ar_type t, int64_t columns) {
    for (size_t i = 0; i < sizeof fallbacks / sizeof *fallbacks; i++)
        if (!quant_holds(t, columns) && fallbacks[i].from == t)
            t = fallbacks[i].to;
    return quant_holds(t, columns) ? t : AR_F16;
}

ar_status export_mix_rule(export_mix *mix, const char *rule, ar_error *err) {
    const char *end = strrchr(rule, '=');
    const ar_type t = end ? ar_type_from_name(end + 1) : AR_NONE;
    if (!end || end == rule || end - rule > 200)
        return error_set(err, AR_USAGE,
                         "--tensor: \"%.80s\" is not PATTERN=TYPE", rule);
    if (!can_write(t) && t != AR_F32 && t != AR_F16 && t != AR_BF16)
        return error_set(err, AR_USAGE,
                         "--tensor: \"%.40s\" is no type that can be written",
                         end + 1);
    if (mix->n_rules == MOST_RULES)
        return error_set(err, AR_USAGE, "--tensor: more than %d rules",
                         MOST_RULES);
    mix->rule[mix->n_rules++] = (struct mix_rule){rule, (int)(end - rule), t};
    return AR_OK;
}

/* Going back to the last * is enough: an earlier one could match no more. */
static bool matches(const struct mix_rule *r, const char *name) {
    const char *p = r->pattern, *end = p + r->size, *star = NULL, *at = name;
    while (*name) {
        if (p < end && *p == '*') {
            star = ++p;
            at = name;
        } else if (p < end && (*p == '?' || *p == *name)) {
            p++;
            name++;
        } else if (star) {
            p = star;
            name = ++at;
        } else {
            return false;
        }
    }
    while (p < end && *p == '*') p++;
    return p == end;
}

ar_type export_mix_choose(export_mix *mix, const param_spec *s) {
    if (s->shape.rank < 2 || !s->blocks) return AR_F32;
    ar_type want = mix->rest;
    if (s->role == ROLE_EMBED || s->role == ROLE_HEAD) want = mix->ends;
    if (s->role == ROLE_V || s->role == ROLE_DOWN ||
        s->role == ROLE_EXPERTS_DOWN)
        want = mix->more;
    for (int i = 0; i < mix->n_rules; i++)
        if (matches(&mix->rule[i], s->name)) want = mix->rule[i].type;
    if (!quant_is_block(want)) return want;
    const ar_type t = fitting(want, s->shape.dim[s->shape.rank - 1]);
    if (t != want) {
        mix->n_fallen++;
        mix->example_type = t;
        snprintf(mix->example, sizeof mix->example, "%s", s->name);
    }
    return t;
}
