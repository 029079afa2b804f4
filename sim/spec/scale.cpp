#include "spec/scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spec/check_model.h"

namespace moesim {
namespace {
[[noreturn]] void fail(std::string_view key, std::string_view problem) {
  throw ConfigError(fmt::format("scale.{}", key), std::string(problem));
}

/// The given value, or the old one divided by `factor`, rounded up to a multiple of `unit`, at least `least`.
int smaller(std::string_view key, const std::optional<int>& given, int old, double factor, int unit = 1,
            int least = 1) {
  if (!given) {
    const int down = unit * int(std::ceil(double(old) / factor / unit));
    return std::min(old, std::max(down, least));
  }
  if (old == 0) fail(key, "the model has none");
  if (*given < 1 || *given > old) fail(key, fmt::format("must lie between 1 and the model's {}, got {}", old, *given));
  return *given;
}

void not_for(std::string_view key, const std::optional<int>& given, std::string_view what) {
  if (given) fail(key, what);
}

/// Query heads; as many as divide evenly among the KV heads.
void scale_heads(AttentionShape& a, const Scale& s) {
  const int ratio = a.heads / a.kv_heads;
  if (a.kind == AttentionKind::gqa) {
    a.kv_heads = smaller("kv_heads", s.kv_heads, a.kv_heads, s.heads ? 1 : s.factor);
    if (s.heads && !s.kv_heads) a.kv_heads = std::max(1, *s.heads / ratio);
    const int unit = a.kv_heads;
    a.heads = smaller("heads", s.heads, a.heads, s.factor, unit, unit);
    return;
  }
  not_for("kv_heads", s.kv_heads, fmt::format("{} has as many as heads; give heads", name_of(a.kind)));
  a.heads = a.kv_heads = smaller("heads", s.heads, a.heads, s.factor);
}

void scale_attention(AttentionShape& a, const Scale& s) {
  const int heads = a.heads;
  scale_heads(a, s);
  // What the heads could not take of the factor.
  const double rest = std::max(1.0, s.factor * double(a.heads) / double(heads));
  if (a.kind != AttentionKind::mla) {
    for (const auto& [key, given] : {std::pair{"v_head_dim", s.v_head_dim},
                                     {"qk_nope_head_dim", s.qk_nope_head_dim},
                                     {"qk_rope_head_dim", s.qk_rope_head_dim},
                                     {"q_lora_rank", s.q_lora_rank},
                                     {"kv_lora_rank", s.kv_lora_rank}})
      not_for(key, given, fmt::format("only MLA models have it, this one has {}", name_of(a.kind)));
    a.head_dim = a.v_head_dim = smaller("head_dim", s.head_dim, a.head_dim, rest, 2, 4);
    if (a.head_dim % 2 != 0) fail("head_dim", fmt::format("must be even for RoPE, got {}", a.head_dim));
    return;
  }
  not_for("head_dim", s.head_dim, "for MLA give qk_nope_head_dim and qk_rope_head_dim");
  a.qk_nope_head_dim = smaller("qk_nope_head_dim", s.qk_nope_head_dim, a.qk_nope_head_dim, rest, 2, 4);
  a.qk_rope_head_dim = smaller("qk_rope_head_dim", s.qk_rope_head_dim, a.qk_rope_head_dim, rest, 2, 4);
  if (a.qk_rope_head_dim % 2 != 0)
    fail("qk_rope_head_dim", fmt::format("must be even for RoPE, got {}", a.qk_rope_head_dim));
  a.v_head_dim = smaller("v_head_dim", s.v_head_dim, a.v_head_dim, rest, 2, 4);
  a.q_lora_rank = smaller("q_lora_rank", s.q_lora_rank, a.q_lora_rank, s.factor, 1, 4);
  a.kv_lora_rank = smaller("kv_lora_rank", s.kv_lora_rank, a.kv_lora_rank, s.factor, 1, 4);
  a.head_dim = a.qk_nope_head_dim + a.qk_rope_head_dim;
}
}  // namespace

Model scaled(const Model& model, const Scale& s) {
  constexpr int kLeastVocabulary = 256;  // so that any text can be read byte by byte
  if (!model.unpublished.empty()) fail("factor", fmt::format("nothing is published of {}", model.name));
  if (!(s.factor >= 1 && s.factor <= 1e6)) fail("factor", fmt::format("must be 1 or more, got {}", s.factor));
  Model m = model;
  m.hidden = smaller("hidden", s.hidden, m.hidden, s.factor, 2, 4);
  m.dense_width = smaller("dense_width", s.dense_width, m.dense_width, s.factor, 1, 4);
  m.vocabulary = smaller("vocabulary", s.vocabulary, m.vocabulary, s.factor, 1, kLeastVocabulary);
  if (m.moe)
    m.moe->expert_width = smaller("expert_width", s.expert_width, m.moe->expert_width, s.factor, 1, 4);
  else
    not_for("expert_width", s.expert_width, "a dense model has no experts");
  scale_attention(m.attention, s);
  check_model(m, [](std::string_view key, std::string_view problem) { fail(key.substr(key.rfind('.') + 1), problem); });
  m.title += ", scaled down";
  m.hugging_face = m.license = "";
  m.published = {};
  return m;
}
}  // namespace moesim
