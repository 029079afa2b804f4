#include <fmt/ranges.h>

#include <algorithm>

#include "core/check.h"
#include "placement/files/formats.h"

namespace moesim::placement {
namespace {
std::string joined(const std::vector<int>& values) { return fmt::format("[{}]", fmt::join(values, ",")); }

std::string json(const ModelPlacement& p) {
  const exchange::ExpertMap& first = p.maps.front();
  std::string out = "{\"layers\":{";
  for (std::size_t i = 0; i < p.maps.size(); ++i)
    out += fmt::format("{}\n\"{}\":{{\"slots\":{}}}", i ? "," : "", p.layers[i], joined(p.maps[i].slot_to_expert));
  out += fmt::format("}},\n\"slots_per_gpu\":{},\"gpus\":{},\"experts\":{}", first.slots_per_gpu, first.gpus,
                     first.experts);
  if (p.nodes > 0) out += fmt::format(",\"nodes\":{}", p.nodes);
  if (p.hidden_layers > 0) out += fmt::format(",\"hidden_layers\":{}", p.hidden_layers);
  if (!p.strategy.empty()) out += fmt::format(",\"strategy\":\"{}\"", p.strategy);
  return out + "}\n";
}

std::string csv(const ModelPlacement& p) {
  std::string out = "layer,gpu,slot,expert\n";
  for (std::size_t i = 0; i < p.maps.size(); ++i)
    for (int slot = 0; slot < p.maps[i].slots(); ++slot)
      out += fmt::format("{},{},{},{}\n", p.layers[i], p.maps[i].gpu_of(slot), slot,
                         p.maps[i].slot_to_expert[std::size_t(slot)]);
  return out;
}

void require_full(const ModelPlacement& p, std::string_view format) {
  for (std::size_t i = 0; i < p.maps.size(); ++i) {
    const auto& slots = p.maps[i].slot_to_expert;
    const auto empty = std::ranges::find(slots, -1);
    if (empty != slots.end())
      throw ConfigError(fmt::format("the {} format cannot leave a slot empty: layer {}, slot {}", format, p.layers[i],
                                    empty - slots.begin()));
  }
}

std::string sglang(const ModelPlacement& p) {
  require_full(p, "sglang");
  const exchange::ExpertMap& first = p.maps.front();
  std::vector<int> dense;
  for (int slot = 0; slot < first.slots(); ++slot) dense.push_back(slot % first.experts);
  std::string out = "{\"physical_to_logical_map\":[";
  std::size_t next = 0;
  for (int layer = 0; layer < std::max(p.hidden_layers, p.layers.back() + 1); ++layer) {
    const bool moe = next < p.layers.size() && p.layers[next] == layer;
    out += fmt::format("{}\n{}", layer ? "," : "", joined(moe ? p.maps[next].slot_to_expert : dense));
    next += moe;
  }
  return out + "]}\n";
}

std::string tensorrt_llm(const ModelPlacement& p) {
  require_full(p, "tensorrt-llm");
  std::string out =
      fmt::format("num_slots: {}\nlayer_updates_per_iter: 0\ninitial_global_assignments:\n", p.maps.front().slots());
  for (std::size_t i = 0; i < p.maps.size(); ++i)
    out += fmt::format("  {}: [{}]\n", p.layers[i], fmt::join(p.maps[i].slot_to_expert, ", "));
  return out;
}

std::string vllm_ascend(const ModelPlacement& p) {
  std::string out = fmt::format("{{\"moe_layer_count\":{},\"layer_list\":[", p.maps.size());
  for (std::size_t i = 0; i < p.maps.size(); ++i) {
    const exchange::ExpertMap& map = p.maps[i];
    out += fmt::format("{}\n{{\"layer_id\":{},\"device_count\":{},\"device_list\":[", i ? "," : "", i, map.gpus);
    for (int gpu = 0; gpu < map.gpus; ++gpu) {
      const auto first = map.slot_to_expert.begin() + gpu * map.slots_per_gpu;
      std::vector<int> held(first, first + map.slots_per_gpu);
      std::erase(held, -1);
      out += fmt::format("{}{{\"device_id\":{},\"device_expert\":{}}}", gpu ? "," : "", gpu, joined(held));
    }
    out += "]}";
  }
  return out + "]}\n";
}
}  // namespace

std::string placement_text(const ModelPlacement& p, PlacementFormat format) {
  check(!p.maps.empty() && p.maps.size() == p.layers.size(), "a placement of {} layers has {} maps", p.layers.size(),
        p.maps.size());
  switch (format) {
    case PlacementFormat::json:
      return json(p);
    case PlacementFormat::csv:
      return csv(p);
    case PlacementFormat::sglang:
      return sglang(p);
    case PlacementFormat::tensorrt_llm:
      return tensorrt_llm(p);
    case PlacementFormat::vllm_ascend:
      return vllm_ascend(p);
  }
  throw std::logic_error("an unknown placement format");
}
}  // namespace moesim::placement
