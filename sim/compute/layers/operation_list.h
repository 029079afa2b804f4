// Collects a layer's operations: the small steps that the inventory files share.
#pragma once
#include "compute/layers/inventory.h"

namespace moesim::compute {

class OperationList {
 public:
  /// tokens: of the step, which decide whether it is replayed from graphs.
  OperationList(std::vector<Operation>& out, LayerPart part, Pass pass, const LayerOptions& options,
                std::int64_t tokens)
      : out_(out),
        part_(part),
        pass_(pass),
        options_(options),
        replayed_(options.graphs && tokens <= options.graph_tokens) {}

  /// Whether products take scaled 8- or 4-bit operands, with casts before them.
  bool fp8() const { return spec::block_scaled(linear_dtype()); }
  bool training() const { return options_.training; }
  bool backward() const { return pass_ != Pass::forward; }
  /// Whether what is cast lies in memory as DeepSeek's framework leaves it: fused into other kernels, once for
  /// gradients of inputs and once, transposed, for those of weights.
  bool casts_in_blocks() const { return options_.precision.recipe == Recipe::blocks; }
  /// Of products in the running pass.
  Scales scales() const;
  /// Of this part's products; the gate casts what the experts compute with.
  spec::Dtype linear_dtype() const {
    if (part_ == LayerPart::experts || part_ == LayerPart::gate) return options_.precision.of_experts();
    return part_ == LayerPart::attention ? options_.precision.of_projections() : options_.precision.linear;
  }
  /// Of this part's weights, where they are stored narrower than computed.
  std::optional<spec::Dtype> stored_dtype() const;

  /// Operations added while this is set are recomputation: executed, but not useful.
  bool recomputing = false;

  void add(std::string_view name, const Kernel& kernel);
  /// The same with FLOPs that the kernel's shape does not show: 2 for each parameter of a norm or bias and token.
  /// vectors: bytes of those parameters, read by the forward pass.
  void add(std::string_view name, const Kernel& kernel, double parameters, std::int64_t tokens, Bytes vectors);
  /// Attention backward: the recomputed scores are executed, not useful.
  void add_attention_backward(std::string_view name, const AttentionBackward& kernel, double sinks);

  /// A scan over states: what a model's FLOPs count is the recurrence, however the kernel gets there.
  void add_scan(std::string_view name, const StateScan& scan, double parameters);

  /// (m, k) x (n, k)^T in the linear layers' precision.  parameters: of its bias.
  void linear(std::string_view name, std::int64_t m, std::int64_t n, std::int64_t k, double bias = 0);
  /// Gradient of a (n, k) weight from m rows; of its adapter's where it has one.  products: forward ones that this is
  /// of.
  void weight(std::string_view name, std::int64_t m, std::int64_t n, std::int64_t k, int products = 1);
  /// What the adapters of experts add to their product, or their gradients in place of the experts'.
  void adapt_groups(const GroupedGemm& product);
  /// Whether weights stay as they are: none of them has a gradient.
  bool frozen() const { return options_.adapters.rank > 0; }
  /// Reads and writes, in elements a row: `read` and `write` of `dtype_in` and `dtype_out`.
  void moved(std::string_view name, MemoryKind kind, std::int64_t read, spec::Dtype in, std::int64_t write,
             spec::Dtype out, double parameters = 0, std::int64_t tokens = 0);
  void norm(std::string_view name, std::int64_t rows, std::int64_t width);
  void norm_backward(std::string_view name, std::int64_t rows, std::int64_t width);
  /// BF16 to the linear layers' precision; nothing if they are BF16.  Scaled by more than blocks: as it is read along
  /// either dimension, in one kernel.
  void cast(std::string_view name, std::int64_t elements);
  /// The same of the rows of each expert here, `width` numbers each; one by one where nothing casts them together.
  void cast_rows(std::string_view name, std::span<const std::int64_t> rows, std::int64_t width);
  /// In blocks: the same, stored transposed for the weight gradient.
  void cast_transpose(std::string_view name, std::int64_t elements);
  /// The FP32 scales of that many cast numbers into the layout products read them in.
  void transpose_scales(std::string_view name, std::int64_t elements);
  void add_rows(std::string_view name, std::int64_t elements, int inputs = 2);
  void small(std::string_view name, int count);

 private:
  void push(std::string_view name, const Kernel& kernel, double flops, double useful, Bytes vectors);
  void adapt(std::int64_t m, std::int64_t n, std::int64_t k);
  void add_adapted(std::int64_t scaled, std::int64_t result);
  std::vector<Operation>& out_;
  LayerPart part_;
  Pass pass_;
  const LayerOptions& options_;
  bool replayed_;
  bool adapting_ = false;
};

/// What the inventory files need to know of a call.
struct LayerCall {
  const spec::Model& model;
  int layer;
  const Batch& batch;
  std::span<const std::int64_t> rows;
  const LayerOptions& options;
  bool bare = false;  // of a gate or a merge: what lies between norm and residual alone
};

void attention_forward(OperationList& list, const LayerCall& call);
void attention_backward(OperationList& list, const LayerCall& call);
void attention_weights(OperationList& list, const LayerCall& call);
void gate_operations(OperationList& list, const LayerCall& call, Pass pass);
void shared_operations(OperationList& list, const LayerCall& call, Pass pass);
void expert_operations(OperationList& list, const LayerCall& call, Pass pass);
/// Steps of shared_operations() where its result is gated.
void gate_shared(OperationList& list, std::int64_t tokens, std::int64_t hidden);
void gate_shared_backward(OperationList& list, std::int64_t tokens, std::int64_t hidden);
/// Between an FFN's products; inputs: matrices before it, gate and up or up alone.
void activate(OperationList& list, std::string_view name, int inputs, std::int64_t rows, std::int64_t width);
/// The same of the rows of each expert here.
void activate_rows(OperationList& list, std::string_view name, int inputs, std::span<const std::int64_t> rows,
                   std::int64_t width);
void activate_backward(OperationList& list, int inputs, std::int64_t rows, std::int64_t width);
/// Where routed experts work at a width of their own: to it before the exchange, back after it, by way of a norm where
/// the model has one, and their gradients.
void latent_down(OperationList& list, const LayerCall& call);
void latent_up(OperationList& list, const LayerCall& call);
void latent_weights(OperationList& list, const LayerCall& call);
void merge_operations(OperationList& list, const LayerCall& call, Pass pass);
void embedding_operations(OperationList& list, const LayerCall& call, Pass pass);
void mtp_operations(OperationList& list, const LayerCall& call, Pass pass);
void head_operations(OperationList& list, const LayerCall& call, Pass pass);

/// `total` over `parts`.  Throws ConfigError if it does not divide.
int share_of(int total, int parts, std::string_view what);
/// Columns of each routed expert on this GPU, filled up to whole blocks where asked.  Throws ConfigError as share_of()
/// where not.
int expert_columns(const spec::MoeShape& moe, const LayerOptions& options);
/// Rows of norms and residuals on this GPU.
std::int64_t replicated_rows(const LayerCall& call);
}  // namespace moesim::compute
