// What stands in front of a deployment's instances.
#include <fmt/format.h>
#include <fmt/ranges.h>

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

}  // namespace

std::string front_text(const Deployment& d) {
  std::string out;
  if (d.pools.size() > 1 && d.engine == "sglang") {
    out += "# in front, NODE0 the first node:\npython -m sglang_router.launch_router --pd-disaggregation";
    for (const Place& place : places_of(d, 0))
      for (const int node : place.nodes)
        out += fmt::format(" --prefill http://NODE{}:{} {}", node, server_port(d.engine, place.first),
                           bootstrap_port(place.first));
    for (const std::string& address : addresses(d, 1)) out += " --decode http://" + address;
    out += "\n";
  }
  if (d.pools.size() > 1 && d.engine == "vllm")
    out +=
        fmt::format("# in front: a proxy that sends prompts to {}, and what they answer to {} (NODE0 the first node)\n",
                    fmt::join(addresses(d, 0), ", "), fmt::join(addresses(d, 1), ", "));
  if (d.pools.size() > 1 && d.engine == "trtllm")
    out += fmt::format(
        "# NODE0 the first node\ncat > disagg.yaml <<END\nhostname: 0.0.0.0\nport: 7999\nbackend: pytorch\n"
        "context_servers: {{num_instances: {}, urls: [\"{}\"]}}\n"
        "generation_servers: {{num_instances: {}, urls: [\"{}\"]}}\nEND\n"
        "trtllm-serve disaggregated -c disagg.yaml\n",
        d.instances[0], fmt::join(addresses(d, 0), "\", \""), d.instances[1], fmt::join(addresses(d, 1), "\", \""));
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
}  // namespace moesim::sizing
