// Which tensors each kind of attention has in a layer.  A file a kind: parts_grouped.cpp (MHA, GQA), parts_latent.cpp,
// parts_sparse.cpp, parts_delta.cpp and parts_mamba.cpp (gated DeltaNet and Mamba-2, their output projections too).
#pragma once
#include <vector>

#include "numerics/weights/layout.h"

namespace moesim::numerics {

/// Appends the tensors of one layer's attention: all but the output projection and its bias.
void add_attention_parts(const spec::LayerAttention& attention, const spec::Model& model, std::vector<PartShape>& out);

// One a file; for add_attention_parts().
void add_grouped_parts(const spec::Model& model, std::vector<PartShape>& out);
void add_latent_parts(const spec::Model& model, std::vector<PartShape>& out);
void add_sparse_parts(const spec::Model& model, spec::IndexUse index, std::vector<PartShape>& out);
void add_delta_parts(const spec::Model& model, std::vector<PartShape>& out);
void add_mamba_parts(const spec::Model& model, std::vector<PartShape>& out);
}  // namespace moesim::numerics
