// From a plan to a release's layers and tensors.
#include <fmt/format.h>

#include "spec/release/emit.h"
#include "spec/release/mixers.h"
#include "spec/release/plan.h"

namespace moesim::spec {
namespace {
using Kind = TensorKind;

struct PlanEmitter {
  const Plan& plan;
  Release& out;
  std::int64_t h;

  static std::string within(const std::string& module) { return module.empty() ? "" : module + "."; }
  Emitter emitter(Owner owner, std::string prefix = "") { return {out.tensors, owner, std::move(prefix)}; }

  void dense(Emitter& e, const std::string& module, const LayerPlan& layer, std::int64_t width) {
    const ModuleNames& n = plan.names;
    if (layer.dense_matrices > 2) e.matrix(Kind::dense, module + "." + n.gate_matrix, width, h);
    e.matrix(Kind::dense, module + "." + n.up_matrix, width, h);
    e.matrix(Kind::dense, module + "." + n.down_matrix, h, width);
    if (layer.dense_bias) e.vector(Kind::dense, module + ".bias", (layer.dense_matrices - 1) * width + h);
  }

  void routed(Emitter& e, const ExpertPlan& x) {
    const ModuleNames& n = plan.names;
    const std::int64_t in = x.latent > 0 ? x.latent : h;
    const auto put = [&](const std::string& part, std::int64_t rows, std::int64_t columns, Takes takes) {
      e.put({fmt::format("{}{}experts.0.{}", e.prefix, within(n.experts), part), Kind::routed, e.owner, rows, columns,
             x.experts, x.top_k, takes});
    };
    if (x.matrices > 2) put(n.gate_matrix, x.width, in, Takes::linear);
    put(n.up_matrix, x.width, in, Takes::linear);
    put(n.down_matrix, in, x.width, Takes::linear);
    if (!x.expert_bias) return;
    put("gate_up_proj_bias", 1, std::int64_t{x.matrices - 1} * x.width, Takes::nothing);
    put("down_proj_bias", 1, in, Takes::nothing);
  }

  void mixture(Emitter& e, const ExpertPlan& x) {
    const ModuleNames& n = plan.names;
    const std::string module = within(n.experts);
    routed(e, x);
    if (x.latent > 0) {
      e.matrix(Kind::shared, module + "fc1_latent_proj", x.latent, h);
      e.matrix(Kind::shared, module + "fc2_latent_proj", h, x.latent);
      if (x.latent_norm) e.vector(Kind::norm, module + "latent_norm", x.latent);
    }
    if (x.shared_width > 0) {
      const std::string shared = module + n.shared + ".";
      if (x.matrices > 2) e.matrix(Kind::shared, shared + n.gate_matrix, x.shared_width, h);
      e.matrix(Kind::shared, shared + n.up_matrix, x.shared_width, h);
      e.matrix(Kind::shared, shared + n.down_matrix, h, x.shared_width);
      if (x.shared_gate) e.matrix(Kind::shared, module + "shared_expert_gate", 1, h, Takes::gate);
    }
    const std::int64_t outputs = std::int64_t{x.experts} + x.idle;
    if (x.gate) e.matrix(Kind::gate, module + n.gate, outputs, h, Takes::gate);
    if (x.gate_bias) e.vector(Kind::gate, module + n.gate + ".bias", outputs);
    if (x.selection_bias) e.vector(Kind::gate, module + n.gate + ".e_score_correction_bias", outputs, true);
    if (x.gate_scales) {
      e.uncounted(Kind::gate, module + n.gate + ".scale", h);
      e.uncounted(Kind::gate, module + n.gate + ".per_expert_scale", x.experts);
    }
  }

  ReleaseLayer layer(Emitter& e, const LayerPlan& p) {
    const ModuleNames& n = plan.names;
    ReleaseLayer made;
    for (std::size_t i = 0; i < p.mixers.size(); ++i)
      emit_mixer(e, p.mixers[i], plan.hidden, n, p.mixers.size() > 1 ? fmt::format(".{}", i) : "", made);
    if (p.mixers.empty()) made.mixers.push_back(MixerKind::none);
    for (std::size_t i = 0; i < p.dense.size(); ++i)
      dense(e, p.dense.size() > 1 ? fmt::format("{}s.{}", n.dense, i) : n.dense, p, p.dense[i]);
    if (p.experts) mixture(e, *p.experts);
    const bool has_dense = !p.dense.empty();
    made.feed =
        p.experts ? (has_dense ? FeedKind::both : FeedKind::experts) : (has_dense ? FeedKind::dense : FeedKind::none);
    for (int i = 0; i < p.norms; ++i) e.vector(Kind::norm, fmt::format("norm{}", i), h * p.norm_values);
    for (int i = 0; i < p.extra_vectors; ++i) e.vector(Kind::residual, fmt::format("residual{}", i), h);
    hyper_connections(e, p.residual_streams);
    e.uncounted(Kind::norm, "layer_scalar", p.scalars);
    if (p.side_width > 0) {
      e.matrix(Kind::residual, "per_layer_input_gate", p.side_width, h);
      e.matrix(Kind::residual, "per_layer_projection", h, p.side_width);
      e.vector(Kind::norm, "post_per_layer_input_norm", h);
    }
    return made;
  }

  /// n streams: from all of them to (2 + n) n numbers, with a base each and three scales, before each half of a layer.
  void hyper_connections(Emitter& e, std::int64_t n) {
    if (n == 0) return;
    for (const char* half : {"hc_attn", "hc_ffn"}) {
      e.matrix(Kind::residual, fmt::format("{}_fn", half), (2 + n) * n, n * h, Takes::nothing);
      e.out.back().fp32 = true;
      e.vector(Kind::residual, fmt::format("{}_base", half), (2 + n) * n, true);
      e.vector(Kind::residual, fmt::format("{}_scale", half), 3, true);
    }
  }

  void ends(Owner owner) {
    Emitter e = emitter(owner);
    e.vector(Kind::norm, "norm", h * plan.final_norm_values);
    const int streams = plan.layers.empty() ? 0 : plan.layers.front().residual_streams;
    if (streams == 0) return;
    e.matrix(Kind::residual, "hc_head_fn", streams, std::int64_t{streams} * h, Takes::nothing);
    e.out.back().fp32 = true;
    e.vector(Kind::residual, "hc_head_base", streams, true);
    e.vector(Kind::residual, "hc_head_scale", 1, true);
  }

  void backbone() {
    Emitter e = emitter(Owner::backbone);
    e.matrix(Kind::embedding, "embed_tokens", plan.vocabulary, h, Takes::nothing);
    if (plan.position_rows > 0) e.matrix(Kind::embedding, "embed_positions", plan.position_rows, h, Takes::nothing);
    if (plan.embedding_norm_values > 0) e.vector(Kind::norm, "embed_norm", h * plan.embedding_norm_values);
    if (plan.side_width > 0) {
      const std::int64_t wide = std::int64_t(plan.layers.size()) * plan.side_width;
      e.matrix(Kind::embedding, "embed_tokens_per_layer", plan.side_vocabulary, wide, Takes::nothing);
      e.matrix(Kind::residual, "per_layer_model_projection", wide, h);
      e.vector(Kind::norm, "per_layer_projection_norm", plan.side_width);
    }
    for (std::size_t i = 0; i < plan.layers.size(); ++i) {
      Emitter at = emitter(Owner::backbone, fmt::format("layers.{}.", i));
      out.layers.push_back(layer(at, plan.layers[i]));
    }
    ends(Owner::backbone);
    if (!plan.tied) e.matrix(Kind::head, "lm_head", plan.vocabulary, h, Takes::head);
    if (plan.head_bias) e.vector(Kind::head, "lm_head.bias", plan.vocabulary);
  }

  void mtp() {
    const int joins = plan.mtp_joins >= 0 ? plan.mtp_joins : int(plan.mtp.size());
    for (std::size_t i = 0; i < plan.mtp.size(); ++i) {
      const std::string& begins = plan.names.mtp;
      Emitter e = emitter(Owner::mtp, begins.empty() ? fmt::format("layers.{}.", plan.layers.size() + i)
                                                     : fmt::format("{}{}.", begins, i));
      if (int(i) < joins) join(e);
      (void)layer(e, plan.mtp[i]);
    }
  }
  /// Norms of its two inputs and of its output, and the map that joins them.
  void join(Emitter& e) {
    for (const char* name : {"enorm", "hnorm", "shared_head.norm"}) e.vector(Kind::norm, name, h);
    if (plan.mtp_joins_apart) {
      e.matrix(Kind::dense, "e_proj", h, h);
      e.matrix(Kind::dense, "h_proj", h, h);
    } else {
      e.matrix(Kind::dense, "eh_proj", h, 2 * h, Takes::nothing);
    }
    if (!plan.mtp_stores_embedding) return;
    for (const auto& [name, kind] : {std::pair{"embed_tokens", Kind::embedding}, {"shared_head.head", Kind::head}}) {
      e.matrix(kind, name, plan.vocabulary, h, Takes::nothing);
      e.out.back().duplicate = true;
    }
  }
};
}  // namespace

std::int64_t CacheEntry::bytes(EntryFormat format) const {
  switch (format) {
    case EntryFormat::bf16:
      return bf16;
    case EntryFormat::fp8:
      return fp8;
    case EntryFormat::packed:
      return packed;
  }
  return bf16;
}

Release carry_out(const Plan& plan) {
  Release out;
  out.hidden = plan.hidden;
  out.vocabulary = plan.vocabulary;
  out.max_positions = plan.max_positions;
  out.notes = plan.notes;
  PlanEmitter emit{plan, out, plan.hidden};
  emit.backbone();
  emit.mtp();
  out.tensors.insert(out.tensors.end(), plan.towers.begin(), plan.towers.end());
  for (const LayerPlan& layer : plan.layers)
    if (layer.experts && !out.experts)
      out.experts = {layer.experts->experts, layer.experts->top_k, layer.experts->width, layer.experts->idle};
  return out;
}
}  // namespace moesim::spec
