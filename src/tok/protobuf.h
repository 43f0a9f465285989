/* protobuf.h - reading messages of Protocol Buffers.
 *
 * A message is a list of fields, each a number, a type and a value; fields
 * that a reader does not know are passed over.  Nothing nests here: a
 * message inside is bytes, read by another reader. */
#ifndef TOK_PROTOBUF_H
#define TOK_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

typedef struct proto_reader {
    const unsigned char *p, *end;
} proto_reader;

enum proto_type {
    PROTO_VARINT = 0,
    PROTO_64 = 1,
    PROTO_BYTES = 2,
    PROTO_32 = 5
};

typedef struct proto_field {
    uint32_t number;
    enum proto_type type;
    uint64_t value;    /* of a number; bits for PROTO_32 and PROTO_64 */
    const char *bytes; /* borrowed from the message */
    size_t size;
} proto_field;

/* The next field; *found is false at the end.  Errors: AR_FORMAT. */
ar_status proto_next(proto_reader *r, proto_field *out, bool *found,
                     ar_error *err);

float proto_float(const proto_field *f); /* of PROTO_32 */

#endif
