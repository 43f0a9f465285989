/* infer.h - the top header of the infer layer. */
#ifndef INFER_INFER_H
#define INFER_INFER_H

#include "infer/chat.h"
#include "infer/choices.h"
#include "infer/engine.h"
#include "infer/generate.h"
#include "infer/grammar.h"
#include "infer/grammar_mask.h"
#include "infer/json_schema.h"
#include "infer/model_text.h"
#include "infer/sample.h"
#include "infer/score.h"
#include "infer/stop_text.h"

#endif
