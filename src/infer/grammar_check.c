/* grammar_check.c - what must hold of all rules together: each is defined,
 * each has a text that ends, none calls itself before a character. */
#include "base/error.h"
#include "infer/grammar_int.h"

static ar_status check_defined(const gram_source *s, ar_error *err) {
    for (size_t i = 0; i < s->n_rules; i++) {
        const gram_rule *r = s->rules[i];
        if (!r->defined)
            return error_set(err, AR_FORMAT,
                             "%.100s: line %d, column %d: there is no rule "
                             "\"%s\"",
                             s->name, r->line, r->column, r->name);
    }
    return AR_OK;
}

/* ---- which rules can be empty, and which end ---- */

typedef enum property { NULLABLE, ENDS } property;

static bool *flag_of(gram_rule *r, property which) {
    return which == NULLABLE ? &r->nullable : &r->ends;
}

/* Has the item the property whatever the rules are? */
static bool holds_alone(const gram_item *i, property which) {
    if (i->min == 0) return true;
    if (i->kind == ITEM_RULE) return false;
    return which == ENDS || (i->kind == ITEM_TEXT && i->size == 0);
}

/* A rule has a property if all items of one of its alternatives have it: each
 * alternative counts those that are missing, each new rule is taken off. */
static void solve(gram_source *s, property which, gram_rule **queue) {
    size_t n = 0, done = 0;
    for (size_t k = 0; k < s->n_rules; k++) {
        gram_rule *r = s->rules[k];
        for (gram_alt *a = r->alts; a; a = a->next) {
            a->pending = 0;
            for (const gram_item *i = a->first; i; i = i->next)
                a->pending += !holds_alone(i, which);
            if (a->pending || *flag_of(r, which)) continue;
            *flag_of(r, which) = true;
            queue[n++] = r;
        }
    }
    while (done < n) {
        for (const gram_item *i = queue[done++]->calls; i; i = i->next_call) {
            if (holds_alone(i, which) || --i->alt->pending) continue;
            gram_rule *r = i->alt->rule;
            if (*flag_of(r, which)) continue;
            *flag_of(r, which) = true;
            queue[n++] = r;
        }
    }
}

/* ---- left recursion ---- */

static bool nullable(const gram_source *s, const gram_item *i) {
    return holds_alone(i, NULLABLE) ||
           (i->kind == ITEM_RULE && s->rules[i->arg]->nullable);
}

/* The item behind one at which a rule can begin, or NULL. */
static const gram_item *next_first(const gram_source *s, const gram_item *i) {
    if (nullable(s, i) && i->next) return i->next;
    for (const gram_alt *a = i->alt->next; a; a = a->next)
        if (a->first) return a->first;
    return NULL;
}

static const gram_item *first_item(const gram_rule *r) {
    for (const gram_alt *a = r->alts; a; a = a->next)
        if (a->first) return a->first;
    return NULL;
}

enum { NEW, OPEN, DONE };

/* The name that a person gave: parts of a rule carry its name. */
static int name_size(const gram_rule *r) { return (int)strcspn(r->name, "'"); }

static ar_status is_recursive(const gram_source *s, const gram_rule *r,
                              ar_error *err) {
    return error_set(err, AR_FORMAT,
                     "%.100s: line %d, column %d: rule \"%.*s\" calls itself "
                     "before any character (left recursion)",
                     s->name, r->line, r->column, name_size(r), r->name);
}

/* Depth first from every rule; path [n_rules] are the items being followed,
 * mark [n_rules]. */
static ar_status find_recursion(const gram_source *s, const gram_item **path,
                                uint8_t *mark, ar_error *err) {
    for (size_t k = 0; k < s->n_rules; k++) {
        size_t depth = 0;
        if (mark[k] != NEW) continue;
        mark[k] = OPEN;
        path[depth++] = first_item(s->rules[k]);
        while (depth) {
            const gram_item *i = path[depth - 1];
            if (!i) { /* all that the rule can begin with is seen */
                depth--;
                const gram_rule *over =
                    depth ? s->rules[path[depth - 1]->arg] : s->rules[k];
                mark[over->number] = DONE;
                if (depth) path[depth - 1] = next_first(s, path[depth - 1]);
                continue;
            }
            if (i->kind == ITEM_RULE && mark[i->arg] == OPEN)
                return is_recursive(s, s->rules[i->arg], err);
            if (i->kind == ITEM_RULE && mark[i->arg] == NEW) {
                mark[i->arg] = OPEN;
                path[depth++] = first_item(s->rules[i->arg]);
                continue;
            }
            path[depth - 1] = next_first(s, i);
        }
    }
    return AR_OK;
}

static ar_status check_ends(const gram_source *s, ar_error *err) {
    for (size_t i = 0; i < s->n_rules; i++) {
        const gram_rule *r = s->rules[i];
        if (!r->ends)
            return error_set(err, AR_FORMAT,
                             "%.100s: line %d, column %d: no text of rule "
                             "\"%.*s\" ever ends",
                             s->name, r->line, r->column, name_size(r),
                             r->name);
    }
    return AR_OK;
}

ar_status grammar_check(gram_source *s, ar_error *err) {
    TRY(check_defined(s, err));
    void **queue = mem_new(void *, s->n_rules);
    uint8_t *mark = mem_new(uint8_t, s->n_rules);
    ar_status status = AR_NOMEM;
    if (!queue || !mark) {
        error_set(err, AR_NOMEM, "no memory for a grammar");
        goto done;
    }
    solve(s, NULLABLE, (gram_rule **)queue);
    solve(s, ENDS, (gram_rule **)queue);
    status = find_recursion(s, (const gram_item **)queue, mark, err);
    if (status == AR_OK) status = check_ends(s, err);
done:
    mem_free(queue);
    mem_free(mark);
    return status;
}
