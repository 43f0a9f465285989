/* tok.h - the top header of the tok layer. */
#ifndef TOK_TOK_H
#define TOK_TOK_H

#include "arcane/tokenizer.h"
#include "tok/tokenizer_source.h"
#include "tok/utf8.h"

#endif
