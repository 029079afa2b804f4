// What stands in front of a deployment's instances.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "sizing/launch.h"
#include "sizing/places.h"

namespace moesim::sizing {
namespace {
/// An address for each instance of a pool, NODE0 the first node.
std::vector<std::string> addresses(const Deployment& d, std::size_t pool) {
  std::vector<std::string> out;
  for (const Place& place : places_of(d, pool))
    for (const int node : place.nodes)
      out.push_back(fmt::format("NODE{}:{}", node, server_port(d.engine, place.first)));
  return out;
}

constexpr const char* kInFront = "# in front, NODE0 the first node:\n";

/// SGLang docs, model gateway.
std::string sglang_front(const Deployment& d, bool apart) {
  std::string out =
      fmt::format("{}python -m sglang_router.launch_router --host 0.0.0.0 --port {}", kInFront, kRouterPort);
  if (!apart)
    return fmt::format("{} --policy power_of_two --worker-urls http://{}\n", out,
                       fmt::join(addresses(d, 0), " http://"));
  out += " --pd-disaggregation";
  for (const Place& place : places_of(d, 0))
    for (const int node : place.nodes)
      out += fmt::format(" --prefill http://NODE{}:{} {}", node, server_port(d.engine, place.first),
                         bootstrap_port(place.first));
  return fmt::format("{} --decode http://{}\n", out, fmt::join(addresses(d, 1), " --decode http://"));
}

/// vllm-project/router, README: standard routing, and prefill and decode apart with the NIXL connector.
std::string vllm_front(const Deployment& d, bool apart) {
  const std::string out =
      fmt::format("{}vllm-router --host 0.0.0.0 --port {} --policy power_of_two", kInFront, kRouterPort);
  if (!apart) return fmt::format("{} --worker-urls http://{}\n", out, fmt::join(addresses(d, 0), " http://"));
  return fmt::format("{} --vllm-pd-disaggregation --prefill http://{} --decode http://{}\n", out,
                     fmt::join(addresses(d, 0), " --prefill http://"), fmt::join(addresses(d, 1), " --decode http://"));
}

/// TensorRT-LLM docs, disaggregated serving; for instances that do all it has no router of its own, and nginx stands
/// for one (nginx docs, ngx_http_upstream_module).
std::string trtllm_front(const Deployment& d, bool apart) {
  if (!apart)
    return fmt::format(
        "{}cat > nginx.conf <<END\nevents {{}}\nhttp {{\n  upstream instances {{ least_conn; server {}; }}\n"
        "  server {{ listen {}; location / {{ proxy_pass http://instances; proxy_buffering off; proxy_read_timeout 1h; "
        "}} }}\n}}\nEND\nnginx -c $PWD/nginx.conf\n",
        kInFront, fmt::join(addresses(d, 0), "; server "), kRouterPort);
  return fmt::format(
      "# NODE0 the first node\ncat > disagg.yaml <<END\nhostname: 0.0.0.0\nport: {}\nbackend: pytorch\n"
      "context_servers: {{num_instances: {}, urls: [\"{}\"]}}\n"
      "generation_servers: {{num_instances: {}, urls: [\"{}\"]}}\nEND\n"
      "trtllm-serve disaggregated -c disagg.yaml\n",
      kRouterPort, d.instances[0], fmt::join(addresses(d, 0), "\", \""), d.instances[1],
      fmt::join(addresses(d, 1), "\", \""));
}

struct Front {
  std::string_view engine;
  std::string (*router)(const Deployment&, bool apart);
  std::string_view dynamo;  // a worker's words behind "python -m dynamo."
};
constexpr Front kFronts[] = {
    {"sglang", sglang_front, "sglang in place of python -m sglang.launch_server"},
    {"vllm", vllm_front, "vllm --model in place of vllm serve"},
    {"trtllm", trtllm_front, "trtllm --model-path MODEL --extra-engine-args FILE --disaggregation-mode prefill|decode"},
};
}  // namespace

std::string front_text(const Deployment& d) {
  const auto at = std::ranges::find(kFronts, d.engine, &Front::engine);
  if (at == std::end(kFronts)) return "";
  const bool apart = d.pools.size() > 1;
  const bool several = apart || std::reduce(d.instances.begin(), d.instances.end()) > 1;
  return fmt::format("{}# under Dynamo: python -m dynamo.frontend --router-mode kv in front, and python -m dynamo.{}\n",
                     several ? at->router(d, apart) : "", at->dynamo);
}
}  // namespace moesim::sizing
