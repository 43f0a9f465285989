/* infer.h - the top header of the infer layer. */
#ifndef INFER_INFER_H
#define INFER_INFER_H

#include "arcane/generate.h"
#include "arcane/grammar.h"
#include "arcane/sample.h"
#include "arcane/session.h"
#include "infer/chat.h"
#include "infer/choices.h"
#include "infer/engine_predict.h"
#include "infer/grammar.h"
#include "infer/json_schema.h"
#include "infer/model_text.h"
#include "infer/score.h"
#include "infer/stop_text.h"
#include "model/model.h"

#endif
