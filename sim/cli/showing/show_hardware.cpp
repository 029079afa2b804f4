// moesim show GPU, NODE, FABRIC or CLUSTER: its data-sheet figures.
#include <fmt/format.h>

#include "cli/show.h"
#include "formats/json.h"
#include "network/topology/topology.h"
#include "results/summary.h"
#include "spec/extend.h"

namespace moesim::cli {
namespace {
/// Visits a field list as JSON: quantities in SI units.
class JsonWriter {
 public:
  explicit JsonWriter(formats::Json& out) : out_(out) {}
  void operator()(std::string_view key, const auto& value, std::string_view) { put(std::string(key), value); }
  void required(std::string_view key, const auto& value, std::string_view) { put(std::string(key), value); }
  void skip(std::string_view) {}

 private:
  template <class T>
  void put(const std::string& key, const T& value) {
    if constexpr (FieldList<T>) {
      out_[key] = formats::Json::object();
      JsonWriter inner(out_[key]);
      T::fields(inner, value);
    } else if constexpr (NamedEnum<T>)
      out_[key] = name_of(value);
    else if constexpr (std::is_same_v<T, Time>)
      out_[key] = seconds(value);
    else if constexpr (requires { value.v; })
      out_[key] = value.v;
    else
      out_[key] = value;
  }
  formats::Json& out_;
};

/// Visits a field list as lines of text: title apart, what is 0 left out.
class LineWriter {
 public:
  explicit LineWriter(std::string& out) : out_(out) {}
  void operator()(std::string_view key, const auto& value, std::string_view help) { put(key, value, help); }
  void required(std::string_view key, const auto& value, std::string_view help) { put(key, value, help); }
  void skip(std::string_view) {}

 private:
  template <class T>
  void put(std::string_view key, const T& value, std::string_view help) {
    if (key == "title") return;
    if constexpr (FieldList<T>) {
      const auto of = [&](std::string_view inner, const auto& part, std::string_view inner_help) {
        put(fmt::format("{}.{}", key, inner), part, inner_help);
      };
      T::fields(of, value);
      return;
    } else if constexpr (requires { value.v; })
      if (value.v == 0) return;
    if constexpr (!FieldList<T>) out_ += fmt::format("  {:<18} {:<16} {}\n", key, text_of(value), help);
  }
  static std::string text_of(const auto& value) { return to_text(value); }
  static std::string text_of(Bytes value) { return results::pretty(double(value.v), "B"); }
  std::string& out_;
};

template <class T>
formats::Json json_of(const T& value, std::string_view type) {
  formats::Json out = {{"name", value.name}, {"type", type}};
  JsonWriter writer(out);
  T::fields(writer, value);
  return out;
}
template <class T>
std::string lines_of(const T& value) {
  std::string out = fmt::format("{} ({})\n", value.title, value.name);
  LineWriter writer(out);
  T::fields(writer, value);
  return out;
}
formats::Json node_json(const spec::Node& node) {
  formats::Json out = json_of(node, "node");
  out["gpu"] = json_of(node.gpu, "gpu");
  return out;
}
}  // namespace

std::string show_gpu(const spec::Gpu& gpu, bool json) {
  const double intensity = gpu.bf16.v / gpu.memory_bandwidth.v;
  if (json) {
    formats::Json out = json_of(gpu, "gpu");
    out["bf16_flop_per_byte"] = intensity;
    return formats::json_text(out, 2) + "\n";
  }
  return lines_of(gpu) + fmt::format("  {:<18} {:<16.0f} {}\n", "balance", intensity,
                                     "BF16 operations for each byte of memory read at which both are busy");
}

std::string show_node(const spec::Node& node, bool json) {
  if (json) return formats::json_text(node_json(node), 2) + "\n";
  return lines_of(node) + "\n" + show_gpu(node.gpu, false);
}

std::string show_fabric(const spec::Fabric& fabric, bool json) {
  if (json) return formats::json_text(json_of(fabric, "fabric"), 2) + "\n";
  return lines_of(fabric);
}

std::string show_cluster(const spec::Cluster& c, bool json) {
  const network::TopologySummary net = at_place(c.name, [&] { return network::Topology(c).summary(); });
  const double gpus = c.gpus();
  struct Sum {
    std::string_view name, key, unit;
    double value;
  };
  const Sum sums[] = {{"memory", "memory", "B", gpus * double(c.node.gpu.memory.v)},
                      {"memory bandwidth", "memory_bandwidth", "B/s", gpus * c.node.gpu.memory_bandwidth.v},
                      {"BF16", "bf16", "FLOP/s", gpus * c.node.gpu.bf16.v},
                      {"FP8", "fp8", "FLOP/s", gpus * c.node.gpu.fp8.v},
                      {"network", "network_bandwidth", "B/s", double(c.nodes) * c.node.nics * c.node.nic.v},
                      {"GPU power", "power", "W", gpus * c.node.gpu.power.v},
                      {"price", "price_per_hour", "USD/h", gpus * c.node.gpu.price.v}};
  if (json) {
    formats::Json out = {
        {"name", c.name}, {"type", "cluster"}, {"title", c.title}, {"nodes", c.nodes}, {"gpus", c.gpus()}};
    for (const Sum& s : sums) out["total"][std::string(s.key)] = s.value;
    out["node"] = node_json(c.node);
    out["fabric"] = json_of(c.fabric, "fabric");
    out["topology"] = {{"gpus", net.gpus},
                       {"nvswitch_domains", net.nvswitch_domains},
                       {"adapters", net.nics},
                       {"leaf_switches", net.leaves},
                       {"spine_switches", net.spines},
                       {"core_switches", net.cores},
                       {"endpoint_cables", net.endpoint_cables},
                       {"switch_cables", net.switch_cables},
                       {"domain_bisection", net.domain_bisection.v},
                       {"bisection", net.bisection.v},
                       {"injection", net.injection.v},
                       {"fabric_cost", net.fabric_cost}};
    return formats::json_text(out, 2) + "\n";
  }
  std::string out =
      fmt::format("{} ({}): {} GPUs in {} node{}\n", c.title, c.name, c.gpus(), c.nodes, c.nodes > 1 ? "s" : "");
  for (const Sum& s : sums)
    if (s.value > 0) out += fmt::format("  {:<18} {}\n", s.name, results::pretty(s.value, s.unit));
  const auto line = [&](std::string_view name, const std::string& value) {
    out += fmt::format("  {:<18} {}\n", name, value);
  };
  line("endpoints",
       net.nics > 0 ? fmt::format("{} GPUs, {} adapters", net.gpus, net.nics) : fmt::format("{} GPUs", net.gpus));
  if (net.nvswitch_domains > 0)
    line("NVLink domains", fmt::format("{} of {} GPUs, bisection of one {}", net.nvswitch_domains, c.node.gpus,
                                       results::pretty(net.domain_bisection.v, "B/s")));
  if (net.switches() > 0) {
    line("switches", fmt::format("{} leaf, {} spine, {} core", net.leaves, net.spines, net.cores));
    line("cables", fmt::format("{} to adapters, {} between switches", net.endpoint_cables, net.switch_cables));
    line("bisection", fmt::format("{}, {:.0f} % of what half of the adapters send",
                                  results::pretty(net.bisection.v, "B/s"), 100 * (net.bisection / net.injection)));
    line("switch cost", fmt::format("{}, estimated", results::pretty(net.fabric_cost, "USD")));
  }
  return out + "\n" + show_node(c.node, false) + "\n" + show_fabric(c.fabric, false);
}
}  // namespace moesim::cli
