#include "cli/listing/starts.h"

#include <fmt/format.h>

#include <iterator>

#include "core/key_help.h"
#include "core/yaml_line.h"
#include "spec/catalogue.h"

namespace moesim::cli {
namespace {
constexpr std::string_view kHead =
    "# Put your own figures in place of these.  `# key: value` is a default, and may\n"
    "# be written as it stands; `# key <what>` is a key that has none to write, or\n"
    "# whose help says it (moesim list KEY).\n";

constexpr std::string_view kWhole = "# Put your own figures in place of these.\n";

// The figures of these are examples: small enough that the command ends within seconds.
constexpr std::string_view kServe = R"(title: My service
model: mixtral-8x7b
cluster:
  node: hgx-h100
  nodes: 1
  fabric: ib-rail
routing:
  kind: grouped
  ...
...
serving:
  duration: 60 s
  warmup: 15 s
  workload:
    kind: poisson
    rate: 6
    input:
      kind: log_normal
      mean: 1000
      cv: 1
      max: 3000
      ...
    output:
      kind: log_normal
      mean: 250
      cv: 1
      max: 1000
      ...
    ...
  pools:
    - parallel:
        tensor: 2
        experts_tensor: true
        ...
      batcher:
        kind: chunked
        ...
      ...
  slo:
    ttft: 500 ms
    tpot: 50 ms
    ...
  ...
)";

constexpr std::string_view kTrain = R"(title: My training step
model: mixtral-8x7b
cluster:
  node: hgx-h100
  nodes: 8
  fabric: ib-rail
routing:
  kind: log_normal
  sigma: 0.2
  ...
...
training:
  batch: 256
  sequence: 4096
  parallel:
    pipeline: 4
    expert: 8
    ...
  schedule:
    kind: interleaved_1f1b
    chunks: 4
  recompute: selective
  ...
)";

constexpr std::string_view kPlace = R"(title: My placements
model: deepseek-v3
cluster: h800-32
routing:
  kind: grouped
  ...
...
place:
  strategies: [contiguous, eplb_hierarchical, eplb_global]
  slots: [256, 288]
  ...
)";

constexpr std::string_view kSize = R"(title: My plan
model: mixtral-8x7b
...
size:
  workload:
    kind: poisson
    rate: 4
    input:
      kind: log_normal
      mean: 1000
      max: 8000
      ...
    output:
      kind: log_normal
      mean: 250
      max: 1000
      ...
    ...
  targets:
    ttft_p90: 3 s
    tpot_p90: 80 ms
    ...
  candidates:
    nodes:
      - node: hgx-h100
        nodes: 1
        ...
    engines: [vllm]
    batch: [32, 64]
    tokens: [2048]
    ...
  ...
)";

/// The values of a field list as lines of YAML: those that must be given, and those that are not the default.
class ValueLines {
 public:
  ValueLines(std::string& out, std::size_t indent) : out_(out), indent_(indent) {}
  template <class T>
  void write(const T& value) {
    defaults_ = keys_of<T>();
    at_ = 0;
    T::fields(*this, value);
  }
  template <class T>
  void operator()(std::string_view key, const T& value, std::string_view) {
    const KeyHelp& known = next();
    if constexpr (FieldList<T>) {
      section(key, value);
    } else if constexpr (kIsOptional<T>) {
      if (value) one(key, *value);
    } else if (known.fallback != to_text(value)) {
      one(key, value);
    }
  }
  template <class T>
  void required(std::string_view key, const T& value, std::string_view) {
    next();
    one(key, value);
  }
  void skip(std::string_view) { next(); }

 private:
  const KeyHelp& next() { return defaults_.at(at_++); }
  template <class T>
  void one(std::string_view key, const T& value) {
    if constexpr (FieldList<T>)
      section(key, value);
    else if constexpr (std::is_same_v<T, std::string>)
      line(key, yaml_scalar(value));
    else
      line(key, to_text(value));
  }
  template <class T>
  void section(std::string_view key, const T& value) {
    std::string inner;
    ValueLines(inner, indent_ + 2).write(value);
    if (!inner.empty()) out_ += fmt::format("{:{}}{}:\n{}", "", indent_, key, inner);
  }
  void line(std::string_view key, std::string_view value) {
    out_ += fmt::format("{:{}}{}: {}\n", "", indent_, key, value);
  }
  std::string& out_;
  std::size_t indent_;
  std::vector<KeyHelp> defaults_;
  std::size_t at_ = 0;
};
template <class T>
std::string lines_of(const T& value, std::size_t indent) {
  std::string out;
  ValueLines(out, indent).write(value);
  return out;
}

std::string serve() { return std::string(kHead) + annotated(kServe, "scenario"); }
std::string train() { return std::string(kHead) + annotated(kTrain, "scenario"); }
std::string place() { return std::string(kHead) + annotated(kPlace, "scenario"); }
std::string size() { return std::string(kHead) + annotated(kSize, "plan"); }

/// A cluster of the catalogue, written out down to its GPUs.
std::string cluster() {
  const spec::Cluster c = spec::load_cluster("h800-32");
  const std::string text = fmt::format("type: cluster\ntitle: My cluster\nnodes: {}\nnode:\n{}  gpu:\n{}fabric:\n{}",
                                       c.nodes, lines_of(c.node, 2), lines_of(c.node.gpu, 4), lines_of(c.fabric, 2));
  return fmt::format("# The values of {} (moesim show {}); its file says where they\n# come from.\n{}{}", c.name,
                     c.name, kWhole, annotated(text, "cluster"));
}

std::string model() {
  spec::Model m = spec::load_model("mixtral-8x7b");
  const std::string name = m.name;
  m.title = "My model";
  m.published = {};
  m.hugging_face = m.license = m.source = "";
  return fmt::format("# The values of {} (moesim show {}).\n{}{}", name, name, kWhole,
                     annotated(lines_of(m, 0), "model"));
}

constexpr Start kStarts[] = {
    {"serve", "a service: requests, pools, targets", "moesim run FILE", serve},
    {"train", "a step of training", "moesim run FILE", train},
    {"place", "placements of experts compared", "moesim run FILE", place},
    {"size", "a plan: what must be served, and what may be bought", "moesim size FILE", size},
    {"cluster", "nodes, GPUs and what joins them", "moesim show FILE", cluster},
    {"model", "layers, attention, experts", "moesim show FILE", model},
};
}  // namespace

std::span<const Start> starts() { return kStarts; }
}  // namespace moesim::cli
