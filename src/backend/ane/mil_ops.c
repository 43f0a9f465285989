/* mil_ops.c - reading mil_ops.def. */
#include "backend/ane/mil_ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[MIL_OP_COUNT] = {
#define MIL_OP(name) #name,
#include "backend/ane/mil_ops.def"
};

static const struct {
    enum mil_op_id op;
    int opset;
    const char *arguments;
} signatures[] = {
#define MIL_SIG(name, opset, arguments) {MIL_OP_##name, opset, arguments},
#include "backend/ane/mil_ops.def"
};

enum { N_SIGNATURES = sizeof signatures / sizeof *signatures };

/* The letters that the list has for types; ORDER: tools/gen_mil_ops.py. */
static const struct {
    char letter;
    enum mil_dtype type;
} letters[] = {
    {'h', MIL_FP16},   {'f', MIL_FP32},  {'d', MIL_FP64},   {'j', MIL_INT4},
    {'c', MIL_INT8},   {'s', MIL_INT16}, {'i', MIL_INT32},  {'l', MIL_INT64},
    {'1', MIL_UINT1},  {'2', MIL_UINT2}, {'3', MIL_UINT3},  {'4', MIL_UINT4},
    {'6', MIL_UINT6},  {'C', MIL_UINT8}, {'S', MIL_UINT16}, {'I', MIL_UINT32},
    {'L', MIL_UINT64}, {'b', MIL_BOOL},  {'t', MIL_STRING},
};

int mil_find_op(const char *kind) {
    int lo = 0, hi = MIL_OP_COUNT;
    while (lo < hi) {
        const int mid = (lo + hi) / 2;
        const int order = strcmp(names[mid], kind);
        if (order == 0) return mid;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

const char *mil_op_name(int id) {
    return id >= 0 && id < MIL_OP_COUNT ? names[id] : "";
}

int mil_opset_number(const char *opset) {
    int n = 0;
    if (strncmp(opset, "ios", 3) == 0)
        n = (int)strtol(opset + 3, NULL, 10);
    else if (strncmp(opset, "CoreML", 6) == 0)
        n = (int)strtol(opset + 6, NULL, 10) + 10;
    if (n == 13 || n == 14) return MIL_OLDEST_OPSET; /* the same operations */
    return n >= MIL_OLDEST_OPSET && n < 18 ? n : 18;
}

const char *mil_signature(int id, int opset, int *since) {
    const char *best = NULL;
    *since = 0;
    for (int i = 0; i < N_SIGNATURES; i++) {
        if ((int)signatures[i].op != id) continue;
        if (!*since) *since = signatures[i].opset;
        if (signatures[i].opset <= opset) best = signatures[i].arguments;
    }
    return best;
}

/* Bytes up to one of `ends` or the NUL, copied, cut to size. */
static const char *copy_until(const char *s, const char *ends, char *out,
                              size_t size) {
    const size_t n = strcspn(s, ends);
    snprintf(out, size, "%.*s", (int)n, s);
    return s + n;
}

bool mil_next_rule(const char **signature, mil_arg_rule *r) {
    const char *s = *signature;
    while (*s == ' ') s++;
    if (!*s) return false;
    *r = (mil_arg_rule){0};
    s = copy_until(s, "*&?!:", r->name, sizeof r->name);
    for (; *s != ':'; s++) {
        r->many |= *s == '*';
        r->state |= *s == '&';
        r->optional |= *s == '?';
        r->constant |= *s == '!';
    }
    for (s++; *s && !strchr(" /=", *s); s++)
        for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
            if (letters[i].letter == *s) r->types |= 1u << letters[i].type;
    if (*s == '/') s = copy_until(s + 1, " =", r->group, sizeof r->group);
    if (*s == '=') s = copy_until(s + 1, " ", r->value, sizeof r->value);
    *signature = s;
    return true;
}

bool mil_find_rule(const char *signature, const char *name, mil_arg_rule *r) {
    while (mil_next_rule(&signature, r))
        if (strcmp(r->name, name) == 0) return true;
    return false;
}

bool mil_missing_arg(const mil_func *f, const mil_op *op,
                     char name[MIL_ARG_TEXT]) {
    int since;
    const char *s = mil_signature(op->id, mil_opset_number(f->opset), &since);
    mil_arg_rule r;
    while (s && mil_next_rule(&s, &r)) {
        if (r.optional || mil_find_arg(op, r.name)) continue;
        memcpy(name, r.name, MIL_ARG_TEXT);
        return true;
    }
    return false;
}
