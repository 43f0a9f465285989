/* read_pre_tokenizer.c - the "pre_tokenizer" of tokenizer.json, as steps. */
#include <string.h>

#include "base/error.h"
#include "tok/tokenizer_json.h"

/* GPT-2's, which ByteLevel has built in. */
static const char gpt2_pattern[] =
    "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
    "\\s+(?!\\S)|\\s+";

static ar_status add_step(ar_tokenizer *tok, cut_step step, const char *source,
                          ar_error *err) {
    if (tok->byte_level)
        return error_set(err, AR_UNSUPPORTED,
                         "a pre_tokenizer after ByteLevel is not supported");
    return tokenizer_add_step(tok, step, source, err);
}

static ar_status read_byte_level(ar_tokenizer *tok, const json_t *o,
                                 ar_error *err) {
    bool regex, space;
    TRY(field_bool(o, "pre_tokenizer", "use_regex", true, &regex, err));
    TRY(field_bool(o, "pre_tokenizer", "add_prefix_space", true, &space, err));
    TRY(add_step(tok,
                 (cut_step){.prefix = space ? PREFIX_ALWAYS : PREFIX_NEVER,
                            .behavior = CUT_ISOLATED},
                 regex ? gpt2_pattern : NULL, err));
    tok->byte_level = true;
    return AR_OK;
}

static const char *const behaviors[] = {
    [CUT_REMOVED] = "Removed",
    [CUT_ISOLATED] = "Isolated",
    [CUT_MERGED_PREVIOUS] = "MergedWithPrevious",
    [CUT_MERGED_NEXT] = "MergedWithNext",
    [CUT_CONTIGUOUS] = "Contiguous",
};
enum { N_BEHAVIORS = sizeof behaviors / sizeof *behaviors };

static ar_status read_behavior(const json_t *o, enum cut_behavior *out,
                               ar_error *err) {
    const char *name;
    TRY(field_text(o, "pre_tokenizer", "behavior", &name, err));
    for (int i = 0; i < N_BEHAVIORS; i++)
        if (name && !strcmp(name, behaviors[i])) {
            *out = (enum cut_behavior)i;
            return AR_OK;
        }
    return error_set(err, AR_FORMAT, "pre_tokenizer: no behavior \"%.80s\"",
                     name ? name : "");
}

/* Text as a pattern that matches it. */
static void add_escaped(text *t, const char *literal) {
    for (const char *c = literal; *c; c++) {
        if (strchr("\\^$.|?*+()[]{}", *c)) text_adds(t, "\\");
        text_add(t, c, 1);
    }
}

/* {"Regex": pattern} or {"String": literal} */
static ar_status read_split(ar_tokenizer *tok, const json_t *o, ar_error *err) {
    cut_step step = {0};
    TRY(read_behavior(o, &step.behavior, err));
    TRY(field_bool(o, "pre_tokenizer", "invert", false, &step.invert, err));
    const json_t *from = json_object_get(o, "pattern");
    const char *regex = json_string_value(json_object_get(from, "Regex"));
    const char *literal = json_string_value(json_object_get(from, "String"));
    if (regex) return add_step(tok, step, regex, err);
    if (!literal || !*literal)
        return error_set(err, AR_FORMAT,
                         "pre_tokenizer: Split without a pattern");
    text t = {0};
    add_escaped(&t, literal);
    ar_status s = text_status(&t, err);
    if (s == AR_OK) s = add_step(tok, step, t.data, err);
    text_close(&t);
    return s;
}

static ar_status read_digits(ar_tokenizer *tok, const json_t *o,
                             ar_error *err) {
    bool each;
    TRY(field_bool(o, "pre_tokenizer", "individual_digits", false, &each, err));
    return add_step(tok, (cut_step){.behavior = CUT_ISOLATED},
                    each ? "\\p{N}" : "\\p{N}+", err);
}

/* White space is dropped. */
static ar_status read_whitespace_split(ar_tokenizer *tok, const json_t *o,
                                       ar_error *err) {
    (void)o;
    return add_step(tok, (cut_step){.behavior = CUT_REMOVED}, "\\s", err);
}

static ar_status read_whitespace(ar_tokenizer *tok, const json_t *o,
                                 ar_error *err) {
    (void)o;
    return add_step(tok, (cut_step){.behavior = CUT_REMOVED, .invert = true},
                    "\\w+|[^\\w\\s]+", err);
}

#define PUNCTUATION "[!-/:-@\\[-`{-~\\p{P}]"

ar_status tokenizer_add_bert_steps(ar_tokenizer *tok, ar_error *err) {
    TRY(add_step(tok, (cut_step){.behavior = CUT_REMOVED}, "\\s", err));
    return add_step(tok, (cut_step){.behavior = CUT_ISOLATED}, PUNCTUATION,
                    err);
}

static ar_status read_bert(ar_tokenizer *tok, const json_t *o, ar_error *err) {
    (void)o;
    return tokenizer_add_bert_steps(tok, err);
}

static ar_status read_punctuation(ar_tokenizer *tok, const json_t *o,
                                  ar_error *err) {
    cut_step step = {.behavior = CUT_ISOLATED};
    if (json_object_get(o, "behavior"))
        TRY(read_behavior(o, &step.behavior, err));
    return add_step(tok, step, PUNCTUATION, err);
}

ar_status metaspace_prefix(const json_t *o, const char *what,
                           enum cut_prefix *out, ar_error *err) {
    static const char *const names[] = {[PREFIX_NEVER] = "never",
                                        [PREFIX_FIRST] = "first",
                                        [PREFIX_ALWAYS] = "always"};
    const char *name;
    bool space;
    TRY(field_text(o, what, "prepend_scheme", &name, err));
    TRY(field_bool(o, what, "add_prefix_space", true, &space, err));
    *out = space ? PREFIX_ALWAYS : PREFIX_NEVER; /* older files */
    for (int i = 0; name && i < 3; i++)
        if (!strcmp(name, names[i])) {
            *out = (enum cut_prefix)i;
            return AR_OK;
        }
    return name ? error_set(err, AR_FORMAT, "%s: no prepend_scheme \"%.80s\"",
                            what, name)
                : AR_OK;
}

static ar_status read_metaspace(ar_tokenizer *tok, const json_t *o,
                                ar_error *err) {
    cut_step step = {.behavior = CUT_MERGED_NEXT, .replace_spaces = true};
    const char *mark;
    bool split;
    TRY(metaspace_prefix(o, "pre_tokenizer", &step.prefix, err));
    TRY(field_bool(o, "pre_tokenizer", "split", true, &split, err));
    TRY(field_text(o, "pre_tokenizer", "replacement", &mark, err));
    if (!mark || !*mark) mark = "\xE2\x96\x81";
    TRY(tokenizer_keep(tok, mark, strlen(mark), &step.mark, err));
    text t = {0};
    add_escaped(&t, mark);
    ar_status s = text_status(&t, err);
    if (s == AR_OK) s = add_step(tok, step, split ? t.data : NULL, err);
    text_close(&t);
    return s;
}

static const part_row rows[] = {{"ByteLevel", read_byte_level},
                                {"Split", read_split},
                                {"Digits", read_digits},
                                {"Metaspace", read_metaspace},
                                {"BertPreTokenizer", read_bert},
                                {"Punctuation", read_punctuation},
                                {"Whitespace", read_whitespace},
                                {"WhitespaceSplit", read_whitespace_split}};
const part_table pre_tokenizer_table = {"pre_tokenizer", "pretokenizers", rows,
                                        sizeof rows / sizeof *rows};
