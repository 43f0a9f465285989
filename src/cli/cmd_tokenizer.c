/* cmd_tokenizer.c - arcane tokenizer: train one, encode, decode. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/json_lines.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "format/format.h"

typedef struct train_args {
    cli_words files;
    const char *out, *pattern, *key;
    int64_t vocab;
    bool json;
} train_args;

static const cli_option train_options[] = {
    {"FILE", NULL, CLI_LIST, true, offsetof(train_args, files), NULL,
     "text (.txt) or JSON lines (.jsonl), also compressed (.zst)"},
    {"--vocab", NULL, CLI_INT, false, offsetof(train_args, vocab), "N",
     "size of the vocabulary, bytes and specials counted; default 4096"},
    {"--out", "-o", CLI_TEXT, true, offsetof(train_args, out), "FILE",
     "tokenizer.json to write"},
    {"--pattern", NULL, CLI_TEXT, false, offsetof(train_args, pattern), "REGEX",
     "how text is split before merging; default: GPT-4's with numbers of up "
     "to two digits"},
    {"--key", NULL, CLI_TEXT, false, offsetof(train_args, key), "NAME",
     "field of JSON lines that holds the text; default text"},
    {"--json", NULL, CLI_FLAG, false, offsetof(train_args, json), NULL,
     "print an object instead of a sentence"},
    OPTIONS_END,
};

typedef struct corpus {
    documents *docs;
    ar_status status;
    ar_error *err;
    progress bar;
} corpus;

static int next_document(void *ctx, const char **text, size_t *n) {
    corpus *c = ctx;
    c->status = documents_next(c->docs, text, n, c->err);
    uint64_t done = 0, total = 0;
    documents_progress(c->docs, &done, &total);
    if (total) progress_show(&c->bar, 0.5 * (double)done / (double)total, "");
    return c->status == AR_OK && *text;
}

static void merging(void *ctx, double done) {
    corpus *c = ctx;
    progress_show(&c->bar, 0.5 + 0.5 * done, "");
}

static ar_status run_train(const void *parsed, ar_error *err) {
    const train_args *a = parsed;
    corpus c = {.err = err};
    TRY(documents_open(&c.docs, a->files.word, a->files.n, a->key, err));
    ar_bpe_options o = ar_bpe_options_default();
    o.n_vocab = a->vocab < INT32_MAX ? (int32_t)a->vocab : INT32_MAX;
    o.pattern = a->pattern ? a->pattern : o.pattern;
    o.progress = merging;
    o.ctx = &c;
    progress_begin(&c.bar, "tokenizer");
    ar_tokenizer *tok = NULL;
    ar_status s = ar_tokenizer_train(&tok, &o, next_document, &c, err);
    if (c.status != AR_OK) s = c.status;
    if (s == AR_OK) s = ar_tokenizer_save(tok, a->out, err);
    progress_end(&c.bar);
    if (s == AR_OK && a->json)
        s = print_json(json_pack("{s:s, s:i}", "file", a->out, "vocab",
                                 ar_tokenizer_vocab(tok)),
                       err);
    else if (s == AR_OK)
        printf("%s: %d tokens\n", a->out, ar_tokenizer_vocab(tok));
    ar_tokenizer_close(tok);
    documents_close(c.docs);
    return s;
}

const cli_command cmd_tokenizer_train = {
    .name = "tokenizer train",
    .summary = "learn a byte-level BPE vocabulary from text",
    .examples =
        "  arcane tokenizer train corpus.txt --vocab 4096 --out tok.json\n"
        "  arcane tokenizer train *.jsonl.zst --vocab 32768 -o tok.json\n",
    .options = train_options,
    .args_size = sizeof(train_args),
    .defaults = &(const train_args){.vocab = 4096},
    .run = run_train,
};

/* ---- encode and decode ---- */

typedef struct code_args {
    const char *tokenizer, *text;
    bool special, json, raw;
} code_args;

/* What lines of JSON are answered with. */
typedef struct coder {
    const ar_tokenizer *tok;
    const code_args *args;
} coder;

static const cli_option encode_options[] = {
    {"TOKENIZER", NULL, CLI_MODEL, true, offsetof(code_args, tokenizer), NULL,
     "tokenizer file, model folder or GGUF file, or \"bytes\""},
    {"TEXT", NULL, CLI_TEXT, false, offsetof(code_args, text), NULL,
     "text; standard input if absent: text, or JSON lines"},
    {"--special", NULL, CLI_FLAG, false, offsetof(code_args, special), NULL,
     "recognise special tokens in the text and add what the file's template "
     "adds"},
    {"--json", NULL, CLI_FLAG, false, offsetof(code_args, json), NULL,
     "print a JSON list"},
    {"--raw", NULL, CLI_FLAG, false, offsetof(code_args, raw), NULL,
     "standard input is text, even if it looks like JSON lines"},
    OPTIONS_END,
};

/* {"text", "add_special"} -> {"ids"} */
static ar_status encode_line(void *ctx, const json_t *line, json_t **out,
                             ar_error *err) {
    const coder *c = ctx;
    const json_t *t = json_object_get(line, "text"),
                 *add = json_object_get(line, "add_special");
    const bool template = add ? json_is_true(add) : c->args->special;
    size_t n;
    if (!json_is_string(t))
        return error_set(err, AR_FORMAT, "\"text\" is not a text");
    const unsigned flags = AR_SPECIAL | (template ? AR_TEMPLATE : 0);
    TRY(ar_tokenizer_encode(c->tok, json_string_value(t), json_string_length(t),
                            flags, NULL, 0, &n, err));
    int32_t *ids = mem_new(int32_t, (int64_t)n + 1);
    if (!ids) return error_set(err, AR_NOMEM, "out of memory");
    const ar_status s =
        ar_tokenizer_encode(c->tok, json_string_value(t), json_string_length(t),
                            flags, ids, n, &n, err);
    json_t *list = json_array();
    for (size_t i = 0; s == AR_OK && i < n; i++)
        json_array_append_new(list, json_integer(ids[i]));
    mem_free(ids);
    *out = json_pack("{s:o}", "ids", list);
    return s;
}

static ar_status encode(const ar_tokenizer *tok, const code_args *a,
                        const char *text, size_t n, ar_error *err) {
    const unsigned flags = a->special ? AR_SPECIAL | AR_TEMPLATE : 0;
    size_t count;
    TRY(ar_tokenizer_encode(tok, text, n, flags, NULL, 0, &count, err));
    int32_t *ids = mem_new(int32_t, count);
    if (!ids) return error_set(err, AR_NOMEM, "out of memory");
    const ar_status s =
        ar_tokenizer_encode(tok, text, n, flags, ids, count, &count, err);
    if (s == AR_OK && a->json) putchar('[');
    for (size_t i = 0; s == AR_OK && i < count; i++)
        printf("%s%d", i ? a->json ? ", " : " " : "", ids[i]);
    if (s == AR_OK) puts(a->json ? "]" : "");
    mem_free(ids);
    return s;
}

static ar_status run_encode(const void *parsed, ar_error *err) {
    const code_args *a = parsed;
    ar_tokenizer *tok = NULL;
    TRY(open_named_tokenizer(&tok, a->tokenizer, err));
    char *input = NULL;
    size_t n = a->text ? strlen(a->text) : 0;
    ar_status s = AR_OK;
    if (!a->text && a->raw)
        s = read_stdin(&input, &n, err);
    else if (!a->text)
        s = json_lines("text", encode_line, &(coder){tok, a}, &input, &n, err);
    if (s == AR_OK && (a->text || input))
        s = encode(tok, a, a->text ? a->text : input, n, err);
    mem_free(input);
    ar_tokenizer_close(tok);
    return s;
}

const cli_command cmd_tokenizer_encode = {
    .name = "tokenizer encode",
    .summary = "turn text into token ids",
    .text = "Lines {\"text\": ..., \"add_special\": true or false} on standard "
            "input are answered by lines {\"ids\": [...]}; special tokens in "
            "such a text are recognised.",
    .examples = "  arcane tokenizer encode tok.json \"In the beginning\"\n"
                "  arcane tokenizer encode runs/a --json < chapter.txt\n"
                "  arcane tokenizer encode model.gguf < lines.jsonl\n",
    .options = encode_options,
    .args_size = sizeof(code_args),
    .run = run_encode,
};

static const cli_option decode_options[] = {
    {"TOKENIZER", NULL, CLI_MODEL, true, offsetof(code_args, tokenizer), NULL,
     "tokenizer file, model folder or GGUF file, or \"bytes\""},
    {"IDS", NULL, CLI_TEXT, false, offsetof(code_args, text), NULL,
     "ids, as 1,2,3 or 1 2 3 or a JSON list; standard input if absent: the "
     "same, or JSON lines"},
    {"--special", NULL, CLI_FLAG, false, offsetof(code_args, special), NULL,
     "show special tokens"},
    OPTIONS_END,
};

static ar_status check_ids(const ar_tokenizer *tok, const int32_t *ids,
                           int64_t n, ar_error *err) {
    const int32_t n_vocab = ar_tokenizer_vocab(tok);
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= n_vocab)
            return error_set(err, AR_RANGE,
                             "IDS: %d is outside of the vocabulary of %d",
                             ids[i], n_vocab);
    return AR_OK;
}

static ar_status decode(const ar_tokenizer *tok, const code_args *a,
                        const char *list, ar_error *err) {
    int32_t *ids;
    int64_t n;
    TRY(parse_ids("IDS", list, &ids, &n, err));
    char *text = NULL;
    size_t size = 0;
    ar_status s = check_ids(tok, ids, n, err);
    if (s == AR_OK)
        s = decode_text(tok, ids, (size_t)n, a->special ? AR_SPECIAL : 0, &text,
                        &size, err);
    if (s == AR_OK) {
        fwrite(text, 1, size, stdout);
        putchar('\n');
    }
    mem_free(text);
    mem_free(ids);
    return s;
}

/* Ids of a line; free with mem_free. */
static ar_status ids_of(const coder *c, const json_t *list, int32_t **out,
                        ar_error *err) {
    const size_t n = json_array_size(list);
    *out = NULL;
    if (!json_is_array(list))
        return error_set(err, AR_FORMAT, "\"ids\" is not a list");
    int32_t *ids = mem_new(int32_t, (int64_t)n + 1);
    if (!ids) return error_set(err, AR_NOMEM, "out of memory");
    bool good = true;
    for (size_t i = 0; i < n; i++) {
        const json_t *x = json_array_get(list, i);
        good = good && json_is_integer(x) && json_integer_value(x) >= 0 &&
               json_integer_value(x) < ar_tokenizer_vocab(c->tok);
        ids[i] = good ? (int32_t)json_integer_value(x) : 0;
    }
    if (good) {
        *out = ids;
        return AR_OK;
    }
    mem_free(ids);
    return error_set(err, AR_RANGE,
                     "\"ids\" has one outside of the vocabulary of %d",
                     ar_tokenizer_vocab(c->tok));
}

/* {"ids", "skip_special"} -> {"text"} */
static ar_status decode_line(void *ctx, const json_t *line, json_t **out,
                             ar_error *err) {
    const coder *c = ctx;
    const json_t *list = json_object_get(line, "ids");
    const bool skip = json_is_true(json_object_get(line, "skip_special"));
    int32_t *ids;
    char *text = NULL;
    size_t size = 0;
    TRY(ids_of(c, list, &ids, err));
    const ar_status s = decode_text(c->tok, ids, json_array_size(list),
                                    skip ? 0 : AR_SPECIAL, &text, &size, err);
    mem_free(ids);
    if (s == AR_OK) *out = json_pack("{s:s%}", "text", text, size);
    mem_free(text);
    return s;
}

static ar_status run_decode(const void *parsed, ar_error *err) {
    const code_args *a = parsed;
    ar_tokenizer *tok = NULL;
    TRY(open_named_tokenizer(&tok, a->tokenizer, err));
    char *input = NULL;
    size_t n = 0;
    ar_status s = AR_OK;
    if (!a->text)
        s = json_lines("ids", decode_line, &(coder){tok, a}, &input, &n, err);
    if (s == AR_OK && (a->text || input))
        s = decode(tok, a, a->text ? a->text : input, err);
    mem_free(input);
    ar_tokenizer_close(tok);
    return s;
}

const cli_command cmd_tokenizer_decode = {
    .name = "tokenizer decode",
    .summary = "turn token ids into text",
    .text =
        "Lines {\"ids\": [...], \"skip_special\": true or false} on standard "
        "input are answered by lines {\"text\": ...}.",
    .examples = "  arcane tokenizer decode tok.json 72,101,108\n",
    .options = decode_options,
    .args_size = sizeof(code_args),
    .run = run_decode,
};
