/* status.h - how arcane reports failure.
 *
 * Every call that can fail returns an ar_status.  Calls that read files,
 * devices or user text also take an ar_error, which receives one sentence
 * naming the thing at fault.  The library never prints, exits or aborts on
 * bad input; assertions guard only against mistakes inside the library. */
#ifndef AR_STATUS_H
#define AR_STATUS_H

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* The one list of codes.  Append only: the values are part of the ABI. */
#define AR_STATUS_LIST(X)                                                      \
    X(OK, 0, "success")                                                        \
    X(NOMEM, -1, "out of memory")                                              \
    X(IO, -2, "the file could not be read or written")                         \
    X(FORMAT, -3, "the file is not what it claims to be")                      \
    X(SHAPE, -4, "tensor shapes do not agree")                                 \
    X(UNSUPPORTED, -5, "no backend here can do that")                          \
    X(RANGE, -6, "a value is outside its allowed range")                       \
    X(DEVICE, -7, "the device reported an error")                              \
    X(CANCELLED, -8, "the caller asked to stop")                               \
    X(FULL, -9, "no room is left in the cache")                                \
    X(USAGE, -10, "the command line or options are wrong")

typedef enum ar_status {
#define X(name, value, text) AR_##name = value,
    AR_STATUS_LIST(X)
#undef X
} ar_status;

/* Filled on failure when the caller passes one; NULL is always allowed. */
typedef struct ar_error {
    ar_status code;
    char message[252]; /* UTF-8, NUL-terminated, no trailing newline */
} ar_error;

/* Static text for a code; never NULL, not to be freed. */
const char *ar_status_text(ar_status s);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
