/* template_json.h - JSON as values of a template. */
#ifndef TOK_TEMPLATE_JSON_H
#define TOK_TEMPLATE_JSON_H

#include "tok/template_run.h"

/* Each member of the object becomes a variable of the scope.  Errors:
 * AR_FORMAT (not an object, with line and column), AR_RANGE (nested more than
 * VALUE_DEPTH deep), AR_NOMEM. */
ar_status json_variables(render *r, const char *json, size_t size, scope *s);

#endif
