/* golden_models.h - the recorded models that tests run over. */
#ifndef TESTS_GOLDEN_MODELS_H
#define TESTS_GOLDEN_MODELS_H

static const char *const golden_models[] = {
    "gpt2",
    "llama",
    "llama_linear",
    "llama_f16",
    "mistral",
    "llama_bf16",
    "qwen2",
    "qwen2_yarn",
    "qwen3",
    "qwen3_sharded",
    "gemma",
    "gemma2",
    "smollm3",
    "gemma3_text",
    "phi3",
    "phi3_longrope",
    "olmo2",
    "olmo3",
    "exaone4",
    "arcee",
    "seed_oss",
    "glm4",
    "hunyuan_v1_dense",
    "starcoder2",
    "stablelm",
    "ernie4_5",
    "stablelm_parallel",
    "granite",
    "cohere2",
    "nemotron",
    "gpt_neox",
    "phi",
    "mixtral",
    "qwen3_moe",
    "olmoe",
    "qwen2_moe",
    "glm4_moe",
    "gpt_oss",
};
enum { N_GOLDEN_MODELS = sizeof golden_models / sizeof *golden_models };

#endif
