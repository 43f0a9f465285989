/* read_post_processor.c - the "post_processor" of tokenizer.json. */
#include <string.h>

#include "base/error.h"
#include "tok/tokenizer_json.h"

/* Put ids in front of those that an earlier processor put there, or behind. */
static ar_status add_around(ar_tokenizer *tok, const int32_t *ids, int n,
                            bool front, ar_error *err) {
    int32_t *list = front ? tok->before : tok->after;
    int *count = front ? &tok->n_before : &tok->n_after;
    if (n > TOKENIZER_MAX_TEMPLATE - *count)
        return error_set(err, AR_UNSUPPORTED,
                         "a post_processor that adds more than %d tokens",
                         TOKENIZER_MAX_TEMPLATE);
    const size_t size = (size_t)n * sizeof *ids;
    if (front) memmove(list + n, list, (size_t)*count * sizeof *ids);
    memcpy(front ? list : list + *count, ids, size);
    *count += n;
    return AR_OK;
}

/* The ids that a name of a template stands for. */
static ar_status template_ids(const json_t *o, const char *name, int32_t *ids,
                              int *n, ar_error *err) {
    const json_t *known = json_object_get(o, "special_tokens");
    const json_t *list = json_object_get(json_object_get(known, name), "ids");
    const size_t more = json_array_size(list);
    if (!json_is_array(list))
        return error_set(err, AR_FORMAT,
                         "post_processor: \"%.80s\" is not among its "
                         "special_tokens",
                         name);
    if (more > (size_t)(TOKENIZER_MAX_TEMPLATE - *n))
        return error_set(err, AR_UNSUPPORTED,
                         "a post_processor that adds more than %d tokens",
                         TOKENIZER_MAX_TEMPLATE);
    for (size_t i = 0; i < more; i++, ++*n)
        TRY(id_read(json_array_get(list, i), name, &ids[*n], err));
    return AR_OK;
}

static ar_status read_template(ar_tokenizer *tok, const json_t *o,
                               ar_error *err) {
    const json_t *single = json_object_get(o, "single");
    int32_t ids[2][TOKENIZER_MAX_TEMPLATE];
    int n[2] = {0, 0}, side = 0;
    if (!json_is_array(single))
        return error_set(err, AR_FORMAT,
                         "post_processor: \"single\" is not a list");
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *piece = json_array_get(single, i);
        const json_t *special = json_object_get(piece, "SpecialToken");
        const json_t *sequence = json_object_get(piece, "Sequence");
        const char *name = json_string_value(
            json_object_get(special ? special : sequence, "id"));
        if (!name)
            return error_set(err, AR_FORMAT,
                             "post_processor: piece %zu of \"single\" is "
                             "neither SpecialToken nor Sequence",
                             i);
        if (special)
            TRY(template_ids(o, name, ids[side], &n[side], err));
        else if (side++ || strcmp(name, "A"))
            return error_set(err, AR_UNSUPPORTED,
                             "a post_processor whose \"single\" has more than "
                             "the sequence A");
    }
    if (!side)
        return error_set(err, AR_FORMAT,
                         "post_processor: \"single\" lacks the sequence A");
    TRY(add_around(tok, ids[0], n[0], true, err));
    return add_around(tok, ids[1], n[1], false, err);
}

/* ["</s>", 2] */
static ar_status read_pair(ar_tokenizer *tok, const json_t *o, const char *name,
                           bool front, ar_error *err) {
    int32_t id = -1;
    TRY(id_read(json_array_get(json_object_get(o, name), 1), name, &id, err));
    return add_around(tok, &id, 1, front, err);
}

static ar_status read_cls_sep(ar_tokenizer *tok, const json_t *o,
                              ar_error *err) {
    TRY(read_pair(tok, o, "cls", true, err));
    return read_pair(tok, o, "sep", false, err);
}

/* It only moves offsets, which are not kept here. */
static ar_status read_byte_level(ar_tokenizer *tok, const json_t *o,
                                 ar_error *err) {
    (void)tok, (void)o, (void)err;
    return AR_OK;
}

static const part_row rows[] = {{"ByteLevel", read_byte_level},
                                {"TemplateProcessing", read_template},
                                {"RobertaProcessing", read_cls_sep},
                                {"BertProcessing", read_cls_sep}};
const part_table post_processor_table = {"post_processor", "processors", rows,
                                         sizeof rows / sizeof *rows};
