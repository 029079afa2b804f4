#include "sizing/launch.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "forward/asked_precision.h"
#include "serving/deployment/section.h"
#include "sizing/enumerate.h"
#include "sizing/places.h"

namespace moesim::sizing {
namespace {
using serving::OverlapKind;
using serving::Role;

struct Pool {
  const Plan& plan;
  const Deployment& deployment;
  const PoolDesign& design;
  int first = 0;  // GPU of the node that an instance begins with
  /// Whether others may lie beside it on its node.
  bool shares() const { return design.gpus() < per_node(); }
  /// "CUDA_VISIBLE_DEVICES=4,5,6,7 ", of instances that share a node.
  std::string devices() const {
    if (!shares()) return "";
    std::string out = fmt::format("CUDA_VISIBLE_DEVICES={}", first);
    for (int gpu = first + 1; gpu < first + design.gpus(); ++gpu) out += fmt::format(",{}", gpu);
    return out + " ";
  }
  int port() const { return server_port(deployment.engine, first); }
  int per_node() const { return deployment.node->node.gpus; }
  int nodes() const { return std::max(1, design.gpus() / per_node()); }
  bool exchanges() const { return plan.model.moe && !design.experts_tensor && design.stage_gpus() > 1; }
  int copies() const { return exchanges() ? design.slots - plan.model.moe->experts : 0; }
  bool apart() const { return design.role != Role::both; }
  /// By DeepEP's kernels.
  bool sends_rows() const { return exchanges() && has_deepep(deployment.node->node); }
  std::string weights() const { return plan.model.hugging_face.empty() ? plan.model.name : plan.model.hugging_face; }
  std::string placement() const { return fmt::format("{}.placement.json", name_of(design.role)); }
  /// Of the precision, what an engine makes of the release as it starts; the rest is said.
  forward::AskedPrecision precision() const {
    if (design.variant.precision.empty()) return {};
    return read<forward::AskedPrecision>(Config::from_text(design.variant.precision, plan.file));
  }
  /// Whether linear layers are to be in FP8, and are not released so.
  bool makes_fp8() const { return precision().linear == spec::Dtype::fp8 && plan.model.weights != spec::Dtype::fp8; }
  bool fp8_cache() const { return precision().kv_cache == spec::Dtype::fp8; }
  std::string overlap_note() const {
    return design.overlap == OverlapKind::five_stage ? "# overlap: two micro-batches, as the engine cuts them\n" : "";
  }
  /// Of the memory, for weights and cache, where the plan says how much.
  std::optional<double> share() const {
    if (plan.kv_text.empty()) return {};
    return read<serving::KvSection>(Config::from_text(plan.kv_text, plan.file)).memory_share;
  }
};

/// The placement that was simulated is of drawn loads: the engine's file is made of recorded ones.
std::string placement_text(const Pool& p, std::string_view format) {
  if (!p.exchanges()) return "";
  return fmt::format(
      "# which experts where: from loads recorded on your traffic (moesim trace import)\n"
      "moesim place --trace RECORDED.db --strategy eplb --gpus {} --nodes {} --slots {} --format {} -o {}\n",
      p.design.stage_gpus(), std::max(1, p.design.stage_gpus() / p.per_node()), p.design.slots, format, p.placement());
}

/// What is made or said once, before the instances of a pool are started.
std::string sglang_before(const Pool& p) {
  std::string out = placement_text(p, "sglang") + p.overlap_note();
  if (p.exchanges() && !p.sends_rows())
    out += "# tokens are gathered, as was simulated: DeepEP's kernels need Hopper or newer GPUs, and NVLink\n";
  return out;
}

std::string once_a_node(const Pool&) {
  return "once a node, RANK its number among them from 0, HEAD the address of the first";
}

/// Options: SGLang docs, server arguments, expert parallelism, PD disaggregation; issues 6017 and 7998 for large units.
std::string sglang(const Pool& p) {
  const PoolDesign& d = p.design;
  std::string out;
  // The engine's buffers hold 128 tokens of a rank otherwise.
  if (p.sends_rows() && d.role != Role::prefill && d.batch > 128)
    out += fmt::format("SGLANG_DEEPEP_NUM_MAX_DISPATCH_TOKENS_PER_RANK={} ", d.batch);
  out += fmt::format("python -m sglang.launch_server --host 0.0.0.0 --model-path {} --tp-size {}", p.weights(),
                     d.stage_gpus());
  if (d.pipeline > 1) out += fmt::format(" --pp-size {}", d.pipeline);
  if (d.data > 1) out += fmt::format(" --enable-dp-attention --dp-size {}", d.data);
  if (d.data > 1 && d.tensor == 1) out += " --moe-dense-tp-size 1 --enable-dp-lm-head";
  if (p.exchanges()) {
    out += fmt::format(" --ep-size {}", d.stage_gpus());
    if (p.sends_rows())
      out += fmt::format(" --moe-a2a-backend deepep --deepep-mode {}", d.role == Role::decode    ? "low_latency"
                                                                       : d.role == Role::prefill ? "normal"
                                                                                                 : "auto");
    if (p.copies() > 0) out += fmt::format(" --ep-num-redundant-experts {}", p.copies());
    out += fmt::format(" --init-expert-location {}", p.placement());
  }
  if (d.overlap != OverlapKind::none) out += " --enable-two-batch-overlap";
  if (p.apart()) out += fmt::format(" --disaggregation-mode {}", name_of(d.role));
  out += fmt::format(" --max-running-requests {}", d.batch * d.data);
  if (d.role != Role::decode) out += fmt::format(" --chunked-prefill-size {}", d.tokens * d.data);
  if (d.role == Role::decode) out += fmt::format(" --cuda-graph-max-bs {}", d.batch);
  if (const auto share = p.share()) out += fmt::format(" --mem-fraction-static {}", *share);
  if (p.makes_fp8()) out += " --quantization fp8";
  if (p.fp8_cache()) out += " --kv-cache-dtype fp8_e4m3";
  if (p.shares()) {
    out += fmt::format(" --base-gpu-id {} --port {} --nccl-port {}", p.first, p.port(), nccl_port(p.first));
    if (d.role == Role::prefill) out += fmt::format(" --disaggregation-bootstrap-port {}", bootstrap_port(p.first));
  }
  if (p.nodes() > 1) out += fmt::format(" --nnodes {} --node-rank $RANK --dist-init-addr $HEAD:5000", p.nodes());
  return out;
}

/// The backend that exchanges as was simulated; "": the engine has none.
std::string vllm_backend(const Pool& p) {
  using network::ExchangeKernel;
  switch (exchange_of(p.deployment.engine, p.design.role, p.deployment.node->node)) {
    case ExchangeKernel::all_gather:
      return "allgather_reducescatter";
    case ExchangeKernel::deepep_normal:
      return "deepep_high_throughput";
    case ExchangeKernel::deepep_low_latency:
      return "deepep_low_latency";
    case ExchangeKernel::all_to_all:
    case ExchangeKernel::hybrid:
      return "";
  }
  return "";
}

/// Overlap is for data and expert parallelism, with DeepEP's exchanges.
bool vllm_overlaps(const Pool& p) {
  return p.design.overlap != OverlapKind::none && p.exchanges() && p.design.data > 1 &&
         vllm_backend(p).starts_with("deepep");
}

std::string vllm_before(const Pool& p) {
  std::string out = vllm_overlaps(p) ? p.overlap_note() : "";
  if (p.design.overlap != OverlapKind::none && !vllm_overlaps(p))
    out += "# overlap: the engine has it for data parallelism with DeepEP's exchanges alone, which these are not\n";
  if (p.exchanges()) out += "# which experts where: the engine plans it as it serves, it takes no file\n";
  return out;
}

/// Whether it runs on a Ray cluster, where one command starts all stages.
bool vllm_on_ray(const Pool& p) { return p.nodes() > 1 && p.design.pipeline > 1; }

std::string vllm_spans(const Pool& p) {
  if (!vllm_on_ray(p)) return once_a_node(p);
  return "once, on the first of them, HEAD its address; before, ray start --head --port=6379 there, ray start "
         "--address=$HEAD:6379 on the others";
}

/// Options: vLLM docs, engine arguments, expert parallel deployment, data parallel deployment, dual batch overlap,
/// online quantization, NixlConnector, parallelism and scaling.
std::string vllm(const Pool& p) {
  const PoolDesign& d = p.design;
  const std::string backend = p.exchanges() && d.data > 1 ? vllm_backend(p) : "";
  std::string out = p.devices();
  if (p.apart() && p.deployment.nodes() > 1) out += "VLLM_NIXL_SIDE_CHANNEL_HOST=$(hostname -i) ";
  if (p.shares() && p.apart()) out += fmt::format("VLLM_NIXL_SIDE_CHANNEL_PORT={} ", side_channel_port(p.first));
  out += fmt::format("vllm serve {} --tensor-parallel-size {}", p.weights(), d.tensor);
  if (d.pipeline > 1) out += fmt::format(" --pipeline-parallel-size {}", d.pipeline);
  if (d.data > 1) out += fmt::format(" --data-parallel-size {}", d.data);
  if (p.exchanges()) {
    out += " --enable-expert-parallel";
    if (!backend.empty()) out += fmt::format(" --all2all-backend {}", backend);
    out += fmt::format(" --enable-eplb --eplb-config '{{\"num_redundant_experts\": {}}}'", p.copies());
  }
  if (vllm_overlaps(p)) out += " --enable-dbo";
  if (p.apart())
    out += fmt::format(" --kv-transfer-config '{{\"kv_connector\": \"NixlConnector\", \"kv_role\": \"kv_both\"}}'");
  out += fmt::format(" --max-num-seqs {} --max-num-batched-tokens {}", d.batch, d.tokens);
  if (const auto share = p.share()) out += fmt::format(" --gpu-memory-utilization {}", *share);
  if (p.makes_fp8()) out += " --quantization fp8_per_block";
  if (p.fp8_cache()) out += " --kv-cache-dtype fp8";
  if (p.shares()) out += fmt::format(" --port {}", p.port());
  if (p.shares() && d.data > 1) out += fmt::format(" --data-parallel-rpc-port {}", rpc_port(p.first));
  if (p.nodes() == 1) return out;
  if (vllm_on_ray(p))
    return out + " --distributed-executor-backend ray" + (d.data > 1 ? " --data-parallel-backend ray" : "");
  const int local = p.per_node() / d.tensor;
  out += fmt::format(
      " --data-parallel-size-local {0} --data-parallel-address $HEAD --data-parallel-rpc-port 13345 $([ $RANK -gt 0 ] "
      "&& echo --headless --data-parallel-start-rank $((RANK * {0})))",
      local);
  return out;
}

/// Options: TensorRT-LLM docs, trtllm-serve, wide expert parallelism, disaggregated serving.
std::string trtllm_before(const Pool& p) {
  const PoolDesign& d = p.design;
  std::string out = placement_text(p, "tensorrt-llm");
  out += fmt::format("cat > {}.yaml <<END\nenable_attention_dp: {}\n", name_of(d.role), d.data > 1);
  if (d.data > 1 && d.tensor > 1)
    out += fmt::format("# {} GPUs that share each rank's attention: no option, attention is on each GPU\n", d.tensor);
  if (d.overlap != OverlapKind::none) out += "# no option for two micro-batches that hide each other's exchanges\n";
  if (p.exchanges()) out += fmt::format("moe_config: {{backend: WIDEEP, load_balancer: {}}}\n", p.placement());
  if (p.apart()) {
    // assumed: a prompt four times as long as the mean one is among the longest
    out += fmt::format("cache_transceiver_config: {{backend: DEFAULT, max_tokens_in_buffer: {}}}\n",
                       int(4 * p.plan.load.input + 1023) / 1024 * 1024);
    if (d.role == Role::prefill) out += "disable_overlap_scheduler: true\n";
  }
  std::string cache;
  if (const auto share = p.share()) cache += fmt::format("free_gpu_memory_fraction: {}", *share);
  if (p.fp8_cache()) cache += fmt::format("{}dtype: fp8", cache.empty() ? "" : ", ");
  if (!cache.empty()) out += fmt::format("kv_cache_config: {{{}}}\n", cache);
  if (d.role != Role::prefill)
    out += fmt::format("cuda_graph_config: {{max_batch_size: {}, enable_padding: true}}\n", d.batch);
  return out + "END\n";
}

std::string trtllm_spans(const Pool& p) {
  return fmt::format("once, HOSTS these nodes with their GPUs: NODE0:{0},NODE1:{0},...", p.per_node());
}

std::string trtllm(const Pool& p) {
  const PoolDesign& d = p.design;
  std::string out = p.devices();
  if (p.nodes() > 1) out += fmt::format("mpirun -n {} -H $HOSTS trtllm-llmapi-launch ", d.gpus());
  out += fmt::format("trtllm-serve {} --host 0.0.0.0 --tp_size {}", p.weights(), d.stage_gpus());
  if (d.pipeline > 1) out += fmt::format(" --pp_size {}", d.pipeline);
  if (p.exchanges()) out += fmt::format(" --ep_size {}", d.stage_gpus());
  out += fmt::format(" --max_batch_size {} --max_num_tokens {} --config {}.yaml", d.batch, d.tokens, name_of(d.role));
  return out + (p.shares() ? fmt::format(" --port {}", p.port()) : "");
}

/// What an engine has no option for is a comment.
std::string precision_note(const Pool& p) {
  const std::string& asked = p.design.variant.precision;
  if (asked.empty() || asked == "{}") return "";
  const auto a = p.precision();
  const bool trtllm = p.deployment.engine == "trtllm";
  std::string out;
  if (p.makes_fp8() && trtllm) out += "; linear: give weights that are quantised so, the engine makes none";
  if (a.linear && !p.makes_fp8() && *a.linear != p.plan.model.weights)
    out += "; linear: give weights that are released so";
  if (a.experts || a.projections || a.expert_weights)
    out += "; parts of the layers: give weights that are quantised so";
  if (a.attention || a.dispatch) out += "; attention core and dispatch: no option, the engine chooses";
  return out.empty() ? "" : fmt::format("# precision {}{}\n", asked, out);
}

struct EngineCommands {
  std::string_view name;
  std::string (*spans)(const Pool&);  // several nodes: where a command is given
  std::string (*before)(const Pool&);
  std::string (*command)(const Pool&);
};
constexpr EngineCommands kEngines[] = {{"sglang", once_a_node, sglang_before, sglang},
                                       {"vllm", vllm_spans, vllm_before, vllm},
                                       {"trtllm", trtllm_spans, trtllm_before, trtllm}};

/// "# on nodes 0 to 3:"; of instances of several nodes "# on nodes 0 to 3, 4 to 7:"
std::string where_text(const Pool& p, const Place& place) {
  if (p.nodes() == 1)
    return fmt::format("# on node{} {}:\n", place.nodes.size() > 1 ? "s" : "", node_list(place.nodes));
  std::string out;
  for (const int first : place.nodes)
    out += fmt::format("{} {} to {}", out.empty() ? "# on nodes" : ",", first, first + p.nodes() - 1);
  return out + ":\n";
}
}  // namespace

std::string launch_text(const Plan& plan, const Deployment& deployment) {
  const auto* engine = std::ranges::find(kEngines, deployment.engine, &EngineCommands::name);
  if (engine == std::end(kEngines)) return "# no commands are known of engine " + deployment.engine + "\n";
  std::string out;
  for (std::size_t i = 0; i < deployment.pools.size(); ++i) {
    Pool p{plan, deployment, deployment.pools[i]};
    out += fmt::format("# {} of these, on {} GPUs each{}\n", deployment.instances[i], p.design.gpus(),
                       p.nodes() > 1 ? fmt::format(" ({} nodes: {})", p.nodes(), engine->spans(p)) : "");
    out += engine->before(p);
    for (const Place& place : places_of(deployment, i)) {
      p.first = place.first;
      out += where_text(p, place) + engine->command(p) + "\n";
    }
    out += precision_note(p);
  }
  out += front_text(deployment);
  if (plan.section.candidates.pairs > 0)
    out += "# a bound on the query-key pairs of a step: no engine here has an option for it\n";
  if (!deployment.pools.back().variant.drafts.empty()) out += "# drafts: add the engine's own options for them\n";
  return out;
}
}  // namespace moesim::sizing
