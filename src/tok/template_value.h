/* template_value.h - what a template computes with.
 *
 * Values are Python's, as far as Jinja shows them, and cannot be changed,
 * namespaces apart; so they are copied freely and share what they point to.
 * All they point to lives in the arena of one rendering or of the template. */
#ifndef TOK_TEMPLATE_VALUE_H
#define TOK_TEMPLATE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Python's integers have no bounds; ours end with an error at 127 bits. */
typedef __int128 integer;

typedef enum value_type {
    V_MISSING, /* an argument that was not given */
    V_UNDEFINED,
    V_NONE,
    V_BOOL,
    V_INT,
    V_FLOAT,
    V_TEXT,
    V_LIST, /* from here to V_RANGE: seq */
    V_TUPLE,
    V_GENERATOR, /* can be walked once */
    V_KEYS,
    V_VALUES,
    V_ITEMS,
    V_RANGE,
    V_DICT, /* dict */
    V_NAMESPACE,
    V_LOOP,
    V_MACRO,
    V_BUILTIN,
} value_type;

typedef struct value value;
typedef struct seq seq;
typedef struct dict dict;
typedef struct template_loop template_loop;
typedef struct template_macro template_macro;
typedef struct template_builtin template_builtin;

typedef struct str {
    const char *p; /* UTF-8, not terminated */
    size_t n;      /* bytes */
} str;

struct value {
    uint8_t type;
    bool safe; /* text: marked by `safe` or `escape` */
    union {
        bool truth;
        integer i;
        double f;
        str s; /* V_UNDEFINED: the sentence that says what is missing */
        seq *seq;
        dict *dict;
        template_loop *loop;
        template_macro *macro;
        template_builtin *builtin;
    };
};

struct seq {
    value *at;
    size_t n;
    bool group;                /* a tuple of `groupby` */
    integer start, stop, step; /* V_RANGE */
};

struct dict {
    value *keys, *values; /* [n], in order of insertion */
    size_t n, capacity;
};

static inline value v_none(void) { return (value){.type = V_NONE}; }
static inline value v_bool(bool b) {
    return (value){.type = V_BOOL, .truth = b};
}
static inline value v_int(integer i) { return (value){.type = V_INT, .i = i}; }
static inline value v_float(double f) {
    return (value){.type = V_FLOAT, .f = f};
}
static inline value v_text(const char *p, size_t n) {
    return (value){.type = V_TEXT, .s = {p ? p : "", n}};
}
static inline value v_seq(value_type type, seq *s) {
    return (value){.type = (uint8_t)type, .seq = s};
}
static inline bool is_seq(value v) {
    return v.type >= V_LIST && v.type <= V_RANGE;
}
static inline bool is_number(value v) {
    return v.type == V_BOOL || v.type == V_INT || v.type == V_FLOAT;
}
static inline bool is_integral(value v) {
    return v.type == V_BOOL || v.type == V_INT;
}

bool str_equal(str a, str b);
bool str_is(str a, const char *text);

bool value_truth(value v);
integer value_integer(value v); /* is_integral */
double value_real(value v);     /* is_number */
bool value_hashable(value v);

/* As Python's ==.  Values that are nested deeper than VALUE_DEPTH, or that
 * take more than VALUE_WORK comparisons, count as different. */
enum { VALUE_DEPTH = 200, VALUE_WORK = 1 << 16 };
bool value_equal(value a, value b);
/* The same with *work comparisons at most, which are counted down; below 0
 * the answer means nothing. */
bool value_equal_within(value a, value b, int64_t *work);

/* Python's name of the type, as error messages have it ("list"). */
const char *value_type_name(value v);

/* Index of a key, or -1. */
int64_t dict_find(const dict *d, value key);
int64_t dict_find_text(const dict *d, str key);

#endif
