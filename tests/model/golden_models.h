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
    "stablelm_head_norms",
    "granite",
    "cohere2",
    "nemotron",
    "gpt_neox",
    "phi",
    "phi_head_norms",
    "mixtral",
    "qwen3_moe",
    "olmoe",
    "qwen2_moe",
    "glm4_moe",
    "gpt_oss",
    "deepseek_v2",
    "deepseek_v2_lite",
    "deepseek_v3_dense",
    "deepseek_v3_halves",
    "deepseek_v3",
    "mamba2",
    "mamba2_limits",
    "qwen3_next_dense",
    "qwen3_next",
};
/* Of matrices that are several tensors; made by
 * tools/golden/packed_models.py. */
static const char *const packed_models[] = {
    "../packed/fp8",          "../packed/fbgemm_fp8", "../packed/modelopt_fp8",
    "../packed/int8",         "../packed/int4",       "../packed/nvfp4",
    "../packed/nvfp4_packed", "../packed/mlx",        "../packed/mlx_mxfp4",
    "../packed/gptq",         "../packed/gptq_2bit",  "../packed/gptq_8bit",
    "../packed/awq",
};
enum { N_PACKED_MODELS = sizeof packed_models / sizeof *packed_models };
enum { N_GOLDEN_MODELS = sizeof golden_models / sizeof *golden_models };

#endif
