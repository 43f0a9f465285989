/* template_node.h - a template as a tree.
 *
 * One kind of node for all; the table says which parts a kind uses.  Lists
 * are chains by `next`. */
#ifndef TOK_TEMPLATE_NODE_H
#define TOK_TEMPLATE_NODE_H

#include "tok/template_value.h"

typedef enum node_kind {
    /* expressions */
    N_CONST,   /* v */
    N_NAME,    /* v */
    N_LIST,    /* list */
    N_TUPLE,   /* list */
    N_DICT,    /* list: key, value, key, value ... */
    N_ATTR,    /* a . v */
    N_ITEM,    /* a [ b ] */
    N_SLICE,   /* a : b : c, each may be NULL; only as b of N_ITEM */
    N_CALL,    /* a ( list ) */
    N_FILTER,  /* a | v ( list ); a is NULL in a filter block */
    N_TEST,    /* a is v ( list ) */
    N_ARG,     /* a, in a list of arguments; v.s its name if it has one;
                  op: 1 for *a, 2 for **a */
    N_NOT,     /* not a */
    N_NEG,     /* - a */
    N_POS,     /* + a */
    N_BINARY,  /* a op b, op one of binary_op */
    N_COMPARE, /* a, list of N_COMPARE with op and a */
    N_AND,     /* a and b */
    N_OR,      /* a or b */
    N_IF_ELSE, /* b if a else c, c may be NULL */
    /* statements */
    N_DATA,         /* v */
    N_PRINT,        /* a */
    N_IF,           /* if a: list, else b */
    N_FOR,          /* a in b, c the filter; list, list2 the else; recursive */
    N_SET,          /* a = b */
    N_SET_BLOCK,    /* a, b a chain of N_FILTER or NULL; list */
    N_MACRO,        /* v name; list2 the parameters (N_ARG), list;
                        c the macro around it */
    N_CALL_BLOCK,   /* a the call, b the caller as N_MACRO */
    N_FILTER_BLOCK, /* a chain of N_FILTER; list */
    N_WITH,         /* list2: target, value, target ...; list */
    N_GENERATION,   /* list */
    N_BREAK,
    N_CONTINUE,
} node_kind;

typedef enum binary_op {
    B_ADD,
    B_SUB,
    B_MUL,
    B_DIV,
    B_FLOOR_DIV,
    B_MOD,
    B_POW,
    B_CONCAT,
} binary_op;

typedef enum compare_op {
    C_EQ,
    C_NE,
    C_LT,
    C_LE,
    C_GT,
    C_GE,
    C_IN,
    C_NOT_IN,
} compare_op;

typedef struct node node;
struct node {
    uint8_t kind, op;
    bool recursive;               /* N_FOR */
    bool elif;                    /* N_IF: b is an N_IF that belongs to it */
    bool caller, varargs, kwargs; /* N_MACRO: names that its body has */
    int line, column;
    node *a, *b, *c, *list, *list2, *next;
    value v;
};

#endif
