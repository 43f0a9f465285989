/* golden_models.h - the recorded models that tests run over. */
#ifndef TESTS_GOLDEN_MODELS_H
#define TESTS_GOLDEN_MODELS_H

static const char *const golden_models[] = {
    "gpt2",       "llama",   "llama_linear",  "llama_f16",
    "llama_bf16", "mistral", "qwen2",         "qwen2_yarn",
    "qwen3",      "gemma2",  "gemma3_text",   "smollm3",
    "phi3",       "olmo2",   "phi3_longrope", "qwen3_sharded",
};
enum { N_GOLDEN_MODELS = sizeof golden_models / sizeof *golden_models };

#endif
