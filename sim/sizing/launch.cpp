#include "sizing/launch.h"

#include <fmt/format.h>

#include <vector>

namespace moesim::sizing {
namespace {
using serving::OverlapKind;
using serving::Role;

struct Pool {
  const Plan& plan;
  const Deployment& deployment;
  const PoolDesign& design;
  int nodes() const { return std::max(1, design.gpus() / deployment.node->node.gpus); }
  bool exchanges() const { return plan.model.moe && !design.experts_tensor && design.gpus() > 1; }
  std::string weights() const { return plan.model.hugging_face.empty() ? plan.model.name : plan.model.hugging_face; }
};

/// Options: SGLang docs, server arguments.
std::string sglang(const Pool& p) {
  const PoolDesign& d = p.design;
  std::string out = fmt::format("python -m sglang.launch_server --model-path {} --tp-size {}", p.weights(), d.gpus());
  if (d.data > 1) out += fmt::format(" --enable-dp-attention --dp-size {}", d.data);
  if (p.exchanges()) {
    out += fmt::format(" --ep-size {} --moe-a2a-backend deepep --deepep-mode {}", d.gpus(),
                       d.role == Role::decode    ? "low_latency"
                       : d.role == Role::prefill ? "normal"
                                                 : "auto");
    if (const int more = d.slots - p.plan.model.moe->experts; more > 0)
      out += fmt::format(" --ep-num-redundant-experts {} --enable-eplb", more);
  }
  if (d.overlap != OverlapKind::none) out += " --enable-two-batch-overlap";
  if (d.role != Role::both) out += fmt::format(" --disaggregation-mode {}", name_of(d.role));
  out += fmt::format(" --max-running-requests {}", d.batch * d.data);
  if (d.role != Role::decode) out += fmt::format(" --chunked-prefill-size {}", d.tokens * d.data);
  if (p.nodes() > 1) out += fmt::format(" --nnodes {} --node-rank $RANK --dist-init-addr $HEAD:5000", p.nodes());
  return out;
}

/// Options: vLLM docs, engine arguments and expert parallel deployment.
std::string vllm(const Pool& p) {
  const PoolDesign& d = p.design;
  std::string out = fmt::format("vllm serve {} --tensor-parallel-size {}", p.weights(), d.tensor);
  if (d.data > 1) out += fmt::format(" --data-parallel-size {}", d.data);
  if (p.exchanges()) {
    out += " --enable-expert-parallel";
    if (const int more = d.slots - p.plan.model.moe->experts; more > 0)
      out += fmt::format(" --enable-eplb --eplb-config '{{\"num_redundant_experts\": {}}}'", more);
  }
  if (d.overlap != OverlapKind::none) out += " --enable-dbo";
  if (d.role != Role::both)
    out += fmt::format(" --kv-transfer-config '{{\"kv_connector\": \"NixlConnector\", \"kv_role\": \"kv_both\"}}'");
  out += fmt::format(" --max-num-seqs {} --max-num-batched-tokens {}", d.batch, d.tokens);
  if (p.nodes() > 1)
    out += fmt::format(" --data-parallel-size-local {} --data-parallel-address $HEAD", std::max(1, d.data / p.nodes()));
  return out;
}

/// Options: TensorRT-LLM docs, trtllm-serve and its configuration file.
std::string trtllm(const Pool& p) {
  const PoolDesign& d = p.design;
  std::string file = fmt::format("{}.yaml", name_of(d.role));
  std::string out = fmt::format("cat > {} <<END\nenable_attention_dp: {}\n", file, d.data > 1);
  if (d.overlap != OverlapKind::none) out += "# no option for two micro-batches that hide each other's exchanges\n";
  if (p.exchanges() && d.slots > p.plan.model.moe->experts)
    out += fmt::format("moe_config: {{load_balancer: {{num_slots: {}}}}}\n", d.slots);
  out += fmt::format("cuda_graph_config: {{max_batch_size: {}}}\nEND\n", d.batch);
  out += fmt::format("trtllm-serve {} --tp_size {}", p.weights(), d.gpus());
  if (p.exchanges()) out += fmt::format(" --ep_size {}", d.gpus());
  return out +
         fmt::format(" --max_batch_size {} --max_num_tokens {} --extra_llm_api_options {}", d.batch, d.tokens, file);
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
  if (deployment.pools.size() > 1)
    out += "# and a router in front that sends prompts to prefill and answers to decode (SGLang's router, Dynamo)\n";
  if (!plan.speculation_text.empty()) out += "# drafts: add the engine's own options for them\n";
  return out;
}
}  // namespace moesim::sizing
