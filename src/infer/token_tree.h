/* token_tree.h - the texts of all tokens of a vocabulary as one tree.
 *
 * A node is a byte behind those of its parents.  Nodes lie in the order in
 * which a walk from the root meets them, children by rising byte, so a walk
 * is one pass in which whole branches are jumped over. */
#ifndef INFER_TOKEN_TREE_H
#define INFER_TOKEN_TREE_H

#include "arcane/tokenizer.h"

enum { TOKEN_TREE_DEPTH = 1024 }; /* longer tokens are left out */

typedef struct token_node {
    uint32_t skip;  /* the first node behind this branch */
    uint32_t first; /* in ids; those of the node end where the next's begin */
    uint16_t depth; /* 1 = first byte of a token */
    uint8_t byte;
} token_node;

struct ar_token_tree {
    token_node *nodes; /* [n_nodes + 1]; the last ends the ids */
    uint32_t n_nodes;
    int32_t *ids;     /* [n_ids] tokens, in the order of their nodes */
    uint32_t *starts; /* [n_vocab + 1] where a token's bytes are */
    char *bytes;
    int32_t n_vocab, n_ids;
    int depth; /* the largest */
} token_tree;

/* The bytes are those that a token adds in the middle of a text; special
 * tokens and those without bytes are left out.  The tokenizer is not needed
 * afterwards.  Errors: AR_NOMEM, AR_RANGE (more than 2 GiB of texts). */
ar_status ar_token_tree_open(ar_token_tree **out, const ar_tokenizer *tok,
                             ar_error *err);
void ar_token_tree_close(ar_token_tree *t);

/* The bytes of a token, NULL and 0 if it has none; owned by the tree. */
const char *token_tree_bytes(const ar_token_tree *t, int32_t id, size_t *n);

#endif
