#include "sizing/launch.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "forward/engine.h"
#include "serving/deployment/section.h"

namespace moesim::sizing {
namespace {
using serving::OverlapKind;
using serving::Role;

struct Pool {
  const Plan& plan;
  const Deployment& deployment;
  const PoolDesign& design;
  int per_node() const { return deployment.node->node.gpus; }
  int nodes() const { return std::max(1, design.gpus() / per_node()); }
  bool exchanges() const { return plan.model.moe && !design.experts_tensor && design.stage_gpus() > 1; }
  int copies() const { return exchanges() ? design.slots - plan.model.moe->experts : 0; }
  bool apart() const { return design.role != Role::both; }
  std::string weights() const { return plan.model.hugging_face.empty() ? plan.model.name : plan.model.hugging_face; }
  std::string placement() const { return fmt::format("{}.placement.json", name_of(design.role)); }
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

/// Options: SGLang docs, server arguments, expert parallelism, PD disaggregation; issues 6017 and 7998 for large units.
std::string sglang(const Pool& p) {
  const PoolDesign& d = p.design;
  std::string out = placement_text(p, "sglang") + p.overlap_note();
  // The engine's buffers hold 128 tokens of a rank otherwise.
  if (p.exchanges() && d.role != Role::prefill && d.batch > 128)
    out += fmt::format("SGLANG_DEEPEP_NUM_MAX_DISPATCH_TOKENS_PER_RANK={} ", d.batch);
  out += fmt::format("python -m sglang.launch_server --model-path {} --tp-size {}", p.weights(), d.stage_gpus());
  if (d.pipeline > 1) out += fmt::format(" --pp-size {}", d.pipeline);
  if (d.data > 1) out += fmt::format(" --enable-dp-attention --dp-size {}", d.data);
  if (d.data > 1 && d.tensor == 1) out += " --moe-dense-tp-size 1 --enable-dp-lm-head";
  if (p.exchanges()) {
    out += fmt::format(" --ep-size {} --moe-a2a-backend deepep --deepep-mode {}", d.stage_gpus(),
                       d.role == Role::decode    ? "low_latency"
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
  if (p.nodes() > 1) out += fmt::format(" --nnodes {} --node-rank $RANK --dist-init-addr $HEAD:5000", p.nodes());
  return out;
}

/// The backend that exchanges as was simulated; "": the engine has none.
std::string vllm_backend(const Pool& p) {
  using network::ExchangeKernel;
  const forward::Engine engine = forward::load_engine(p.deployment.engine);
  const bool answers = p.design.role == Role::decode;
  const ExchangeKernel usual = answers ? ExchangeKernel::deepep_low_latency : ExchangeKernel::deepep_normal;
  switch ((answers ? engine.decode_exchange : engine.prefill_exchange).value_or(usual)) {
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

/// Options: vLLM docs, engine arguments, expert parallel deployment, data parallel deployment, dual batch overlap
/// (which is for data and expert parallelism, with DeepEP's exchanges).
std::string vllm(const Pool& p) {
  const PoolDesign& d = p.design;
  const std::string backend = p.exchanges() && d.data > 1 ? vllm_backend(p) : "";
  const bool overlaps = d.overlap != OverlapKind::none && backend.starts_with("deepep");
  std::string out = overlaps ? p.overlap_note() : "";
  if (d.overlap != OverlapKind::none && !overlaps)
    out += "# overlap: the engine has it for data parallelism with DeepEP's exchanges alone, which these are not\n";
  if (p.exchanges()) out += "# which experts where: the engine plans it as it serves, it takes no file\n";
  out += fmt::format("vllm serve {} --tensor-parallel-size {}", p.weights(), d.tensor);
  if (d.pipeline > 1) out += fmt::format(" --pipeline-parallel-size {}", d.pipeline);
  if (d.data > 1) out += fmt::format(" --data-parallel-size {}", d.data);
  if (p.exchanges()) {
    out += " --enable-expert-parallel";
    if (!backend.empty()) out += fmt::format(" --all2all-backend {}", backend);
    out += fmt::format(" --enable-eplb --eplb-config '{{\"num_redundant_experts\": {}}}'", p.copies());
  }
  if (overlaps) out += " --enable-dbo";
  if (p.apart())
    out += fmt::format(" --kv-transfer-config '{{\"kv_connector\": \"NixlConnector\", \"kv_role\": \"kv_both\"}}'");
  out += fmt::format(" --max-num-seqs {} --max-num-batched-tokens {}", d.batch, d.tokens);
  if (const auto share = p.share()) out += fmt::format(" --gpu-memory-utilization {}", *share);
  if (p.nodes() == 1) return out;
  if (d.pipeline > 1) return out + " --distributed-executor-backend ray  # started on all of these nodes before";
  const int local = p.per_node() / d.tensor;
  out += fmt::format(
      " --data-parallel-size-local {0} --data-parallel-address $HEAD --data-parallel-rpc-port 13345 $([ $RANK -gt 0 ] "
      "&& echo --headless --data-parallel-start-rank $((RANK * {0})))",
      local);
  return out;
}

/// Options: TensorRT-LLM docs, trtllm-serve, wide expert parallelism, disaggregated serving.
std::string trtllm(const Pool& p) {
  const PoolDesign& d = p.design;
  const std::string file = fmt::format("{}.yaml", name_of(d.role));
  std::string out = placement_text(p, "tensorrt-llm");
  out += fmt::format("cat > {} <<END\nenable_attention_dp: {}\n", file, d.data > 1);
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
  if (const auto share = p.share()) out += fmt::format("kv_cache_config: {{free_gpu_memory_fraction: {}}}\n", *share);
  if (d.role != Role::prefill)
    out += fmt::format("cuda_graph_config: {{max_batch_size: {}, enable_padding: true}}\n", d.batch);
  out += "END\n";
  if (p.nodes() > 1) out += fmt::format("mpirun -n {} trtllm-llmapi-launch ", d.gpus());
  out += fmt::format("trtllm-serve {} --tp_size {}", p.weights(), d.stage_gpus());
  if (d.pipeline > 1) out += fmt::format(" --pp_size {}", d.pipeline);
  if (p.exchanges()) out += fmt::format(" --ep_size {}", d.stage_gpus());
  return out + fmt::format(" --max_batch_size {} --max_num_tokens {} --config {}", d.batch, d.tokens, file);
}

/// What stands before pools that do one job each; Dynamo's workers take their engine's options.
std::string front_text(const Deployment& d) {
  std::string out;
  if (d.pools.size() > 1 && d.engine == "sglang")
    out +=
        "# in front, with an address for each instance:\n"
        "python -m sglang_router.launch_router --pd-disaggregation --prefill http://PREFILL:30000 --decode "
        "http://DECODE:30000\n";
  if (d.pools.size() > 1 && d.engine == "vllm")
    out += "# in front: a proxy that sends prompts to prefill, and what it answers to decode\n";
  if (d.pools.size() > 1 && d.engine == "trtllm")
    out += fmt::format(
        "cat > disagg.yaml <<END\nhostname: 0.0.0.0\nport: 8000\nbackend: pytorch\n"
        "context_servers: {{num_instances: {}, urls: [\"PREFILL:8000\"]}}\n"
        "generation_servers: {{num_instances: {}, urls: [\"DECODE:8000\"]}}\nEND\n"
        "trtllm-serve disaggregated -c disagg.yaml\n",
        d.instances[0], d.instances[1]);
  const char* instead = d.engine == "sglang" ? "python -m sglang.launch_server"
                        : d.engine == "vllm" ? "vllm serve"
                                             : "";
  if (*instead != 0)
    out += fmt::format(
        "# under Dynamo: python -m dynamo.frontend --router-mode kv in front, and python -m dynamo.{} {}in place of "
        "{}\n",
        d.engine, d.engine == "vllm" ? "--model " : "", instead);
  else if (d.engine == "trtllm")
    out +=
        "# under Dynamo: python -m dynamo.frontend --router-mode kv in front, and python -m dynamo.trtllm --model-path "
        "MODEL --extra-engine-args FILE --disaggregation-mode prefill|decode\n";
  return out;
}
}  // namespace

std::string launch_text(const Plan& plan, const Deployment& deployment) {
  std::string out;
  for (std::size_t i = 0; i < deployment.pools.size(); ++i) {
    const Pool p{plan, deployment, deployment.pools[i]};
    out += fmt::format("# {} of these, on {} GPUs each{}\n", deployment.instances[i], p.design.gpus(),
                       p.nodes() > 1 ? fmt::format(" ({} nodes: once a node)", p.nodes()) : "");
    const std::string command = deployment.engine == "vllm"     ? vllm(p)
                                : deployment.engine == "trtllm" ? trtllm(p)
                                : deployment.engine == "sglang"
                                    ? sglang(p)
                                    : "# no commands are known of engine " + deployment.engine;
    out += command + "\n";
  }
  out += front_text(deployment);
  if (plan.section.candidates.pairs > 0)
    out += "# a bound on the query-key pairs of a step: no engine here has an option for it\n";
  const Variant& variant = deployment.pools.back().variant;
  if (!variant.drafts.empty()) out += "# drafts: add the engine's own options for them\n";
  if (!variant.precision.empty()) out += fmt::format("# precision {}: of weights released so\n", variant.precision);
  return out;
}
}  // namespace moesim::sizing
