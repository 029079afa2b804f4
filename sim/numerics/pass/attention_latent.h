// What MLA over all keys and over picked ones have in common.
#pragma once
#include <span>

#include "numerics/pass/attention.h"

namespace moesim::numerics {

struct Latents {
  Matrix query_latent;  // (rows, q_lora), normed; empty where queries are not compressed
  Matrix q;             // (rows, heads * (nope + rope)), rope part rotated
  Matrix kv;            // (rows, kv_lora + rope), latent normed, rope part rotated
};
/// h (rows, hidden), already normed.
Latents project_latents(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w,
                        const Rope& rope, std::span<const Segment> segments, const Matrix& h);

/// Appends the segment's latents to its cache and attends to it: heads_out (rows, heads * v_head_dim), made before.
/// picks: of the segment's rows; nullptr: all keys.
void attend_latents(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w, MlaForm form,
                    const Segment& segment, const Latents& latents, const IndexPicks* picks, Matrix& heads_out);

/// YaRN's temperature, which DeepSeek's configs keep out of the rotation and square into the softmax.
double latent_softmax_factor(const spec::Model& model);
}  // namespace moesim::numerics
