#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "core/files.h"
#include "formats/csv.h"
#include "formats/json.h"
#include "placement/files/formats.h"

namespace moesim::placement {
namespace {
constexpr int kLow = -1, kHigh = 1'000'000;  // of any number in such a file

/// What a file says, before it is checked.
struct Raw {
  std::map<int, std::vector<int>> slots;  // by layer
  int gpus = 0, experts = 0, hidden_layers = 0, nodes = 0;
  bool moe_numbers = false;  // layers are counted from the first MoE layer
  std::string strategy;
};

class Reader {
 public:
  Reader(const std::string& name, const PlacementExpectation& expected) : name_(name), expected_(expected) {}

  ModelPlacement read(const std::string& text) const {
    const std::size_t start = text.find_first_not_of(" \t\r\n");
    if (start == std::string::npos) fail("is empty");
    Raw raw;
    if (text[start] == '{')
      raw = from_json(text);
    else if (is_csv(text.substr(start, text.find('\n', start) - start)))
      raw = from_csv(text);
    else
      raw = from_yaml(text);
    if (raw.slots.empty()) fail("places no layer");
    if (raw.slots.begin()->first < 0) fail("layer {}: layers count from 0", raw.slots.begin()->first);
    return checked(raw);
  }

 private:
  /// Whether a first line names columns.
  static bool is_csv(std::string_view line) {
    return line.starts_with("layer,") ||
           (line.find(',') != line.npos && line.find("expert") != line.npos && line.find_first_of(":{[") == line.npos);
  }
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw ConfigError::placed(name_ + ": " + fmt::format(format, std::forward<Args>(args)...));
  }
  static std::vector<int> integers(const formats::JsonObject& object, const char* key, const std::string& where) {
    std::vector<int> out;
    formats::append_integers(object.at(key), kLow, kHigh, where, out);
    return out;
  }
  static int integer(const formats::JsonObject& object, const char* key) {
    return int(object.integer(key, kLow, kHigh));
  }
  /// A key that stands for a number.
  int number(std::string_view text, std::string_view where) const {
    int out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size() || out < kLow || out > kHigh)
      fail("{}: expected an integer, got \"{}\"", where, text);
    return out;
  }

  /// The slots of a layer that is not there yet; "3" and "03" are one.
  std::vector<int>& layer_of(Raw& raw, int layer) const {
    const auto [at, fresh] = raw.slots.try_emplace(layer);
    if (!fresh) fail("layer {} appears twice", layer);
    return at->second;
  }

  Raw from_json(const std::string& text) const {
    const formats::JsonValue document = formats::parse_json(text, name_);
    const formats::JsonObject root(document, name_);
    if (root.has("physical_to_logical_map")) return from_sglang(root);
    if (root.has("layer_list")) return from_ascend(root);
    if (root.has("layers")) return from_plain(root);
    fail(
        "is no placement: expected the key \"layers\", \"physical_to_logical_map\" (SGLang) or \"layer_list\" "
        "(vLLM-Ascend)");
  }

  Raw from_plain(const formats::JsonObject& root) const {
    Raw out;
    if (!root.at("layers").is_object()) fail("layers: expected an object with a key a layer");
    for (const auto& [key, layer] : root.at("layers").items()) {
      const std::string where = fmt::format("{}: layer {}", name_, key);
      layer_of(out, number(key, "layers")) = integers({layer, where}, "slots", where);
    }
    const int slots_per_gpu = integer(root, "slots_per_gpu");
    if (slots_per_gpu < 1) fail("slots_per_gpu: must be at least 1, got {}", slots_per_gpu);
    for (const auto& [layer, slots] : out.slots) {
      if (slots.size() % std::size_t(slots_per_gpu) != 0)
        fail("layer {}: {} slots are no multiple of slots_per_gpu, {}", layer, slots.size(), slots_per_gpu);
      out.gpus = int(slots.size()) / slots_per_gpu;
    }
    for (const auto& [key, value] : {std::pair("experts", &out.experts), std::pair("nodes", &out.nodes),
                                     std::pair("hidden_layers", &out.hidden_layers)})
      if (root.has(key)) *value = integer(root, key);
    if (root.has("strategy") && root.at("strategy").is_string()) out.strategy = root.text("strategy");
    return out;
  }

  Raw from_sglang(const formats::JsonObject& root) const {
    Raw out;
    int layer = 0;
    for (const formats::JsonValue& row : root.list_at("physical_to_logical_map")) {
      formats::append_integers(row, kLow, kHigh, fmt::format("{}: layer {}", name_, layer), out.slots[layer]);
      ++layer;
    }
    out.hidden_layers = layer;
    return out;
  }

  Raw from_ascend(const formats::JsonObject& root) const {
    Raw out;
    out.moe_numbers = true;
    std::map<int, std::vector<std::vector<int>>> held;
    std::size_t widest = 0, devices_in_all = 0, written = 0;
    for (const formats::JsonValue& element : root.list_at("layer_list")) {
      const formats::JsonObject entry(element, name_ + ": layer_list");
      const int id =
          entry.has("layer_id") ? integer(entry, "layer_id") : int(held.size());  // in order, as it reads them
      const formats::JsonObject layer(element, fmt::format("{}: layer {}", name_, id));
      if (held.contains(id)) layer.fail("appears twice");
      const formats::JsonValue& devices = layer.list_at("device_list");
      auto& by_gpu = held[id];
      by_gpu.resize(devices.size());
      if (layer.has("device_count") && integer(layer, "device_count") != int(devices.size()))
        layer.fail(fmt::format("device_count {}, but {} devices", integer(layer, "device_count"), devices.size()));
      std::set<int> seen;
      for (const formats::JsonValue& one : devices) {
        const formats::JsonObject device(one, layer.where());
        const int gpu = device.has("device_id") ? integer(device, "device_id") : int(&one - &devices[0]);
        if (gpu < 0 || gpu >= int(devices.size()))
          device.fail(fmt::format("device_id {} of {} devices", gpu, devices.size()));
        if (!seen.insert(gpu).second) device.fail(fmt::format("device_id {} appears twice", gpu));
        by_gpu[std::size_t(gpu)] = integers(device, "device_expert", device.where() + ": device_expert");
        written += by_gpu[std::size_t(gpu)].size();
        widest = std::max(widest, by_gpu[std::size_t(gpu)].size());
      }
      devices_in_all += devices.size();
      out.gpus = int(devices.size());
    }
    // Every device gets as many slots as the fullest, so that a small file could ask for any number of them.
    constexpr std::size_t kMostPerWritten = 100;
    if (widest * devices_in_all > kMostPerWritten * (written + devices_in_all))
      fail("layer_list: a device has {} experts, but most of the {} have next to none", widest, devices_in_all);
    for (auto& [id, by_gpu] : held)
      for (auto& experts : by_gpu) {
        experts.resize(widest, -1);
        out.slots[id].insert(out.slots[id].end(), experts.begin(), experts.end());
      }
    return out;
  }

  Raw from_yaml(const std::string& text) const {
    Raw out;
    const Config root = Config::from_text(text, name_);
    if (!root.is_map() || !root.has("initial_global_assignments"))
      fail(
          "is no placement: expected JSON, CSV with the columns layer,gpu,slot,expert, or TensorRT-LLM's YAML with "
          "\"initial_global_assignments\"");
    const Config layers = root.at("initial_global_assignments");
    int slots = 0;
    const auto count = [&](const char* key, int& value) {
      if (!root.has(key)) return;
      root.at(key).parse(value);
      if (value < 1 || value > kHigh) root.at(key).fail(fmt::format("expected 1 to {}, got {}", kHigh, value));
    };
    count("num_slots", slots);
    count("ep_size", out.gpus);
    for (const std::string& key : layers.keys()) {
      std::vector<int>& ids = layer_of(out, number(key, "initial_global_assignments"));
      layers.at(key).parse(ids);
      for (const int id : ids)
        if (id < kLow || id > kHigh) fail("layer {}: expected {} to {}, got {}", key, kLow, kHigh, id);
      if (slots > 0 && int(ids.size()) != slots)
        fail("layer {}: {} slots, but num_slots is {}", key, ids.size(), slots);
    }
    return out;
  }

  Raw from_csv(const std::string& text) const {
    Raw out;
    std::map<std::pair<int, int>, int> gpu_of;  // by layer and slot
    formats::CsvFile csv(formats::LineFile::of_text(text, name_));
    csv.read_names();
    if (csv.names() != std::vector<std::string>{"layer", "gpu", "slot", "expert"})
      csv.fail(fmt::format("expected the columns layer,gpu,slot,expert, got {}", csv.lines().line().substr(0, 60)));
    const auto cell = [&](std::size_t column, int low = 0) {
      const std::int64_t v = csv.integer(column);
      if (v < low || v > kHigh) csv.fail(fmt::format("{}: expected {} to {}, got {}", csv.name(column), low, kHigh, v));
      return int(v);
    };
    while (csv.next()) {
      const int layer = cell(0), gpu = cell(1), slot = cell(2);
      std::vector<int>& slots = out.slots[layer];
      if (slot != int(slots.size()))
        csv.fail(fmt::format("expected slot {} of layer {}, got {}", slots.size(), layer, slot));
      slots.push_back(cell(3, kLow));
      gpu_of[{layer, slot}] = gpu;
      out.gpus = std::max(out.gpus, gpu + 1);
    }
    for (const auto& [where, gpu] : gpu_of) {
      const std::size_t slots = out.slots[where.first].size();
      if (slots % std::size_t(out.gpus) == 0 && gpu != where.second / int(slots / std::size_t(out.gpus)))
        fail("layer {}: slot {} is on GPU {}, but every GPU has {} consecutive slots", where.first, where.second, gpu,
             slots / std::size_t(out.gpus));
    }
    return out;
  }

  /// Gives the layers the model's numbers, keeps those asked for, and checks every map.
  ModelPlacement checked(const Raw& raw) const {
    const int gpus = raw.gpus ? raw.gpus : expected_.gpus;
    if (gpus == 0) fail("does not say how many GPUs it is for");
    if (expected_.gpus != 0 && gpus != expected_.gpus) fail("is for {} GPUs, not {}", gpus, expected_.gpus);
    int experts = expected_.experts ? expected_.experts : raw.experts;
    if (experts == 0)
      for (const auto& [layer, slots] : raw.slots)
        for (const int e : slots) experts = std::max(experts, e + 1);
    ModelPlacement out;
    out.hidden_layers = raw.hidden_layers;
    out.nodes = raw.nodes;
    out.strategy = raw.strategy;
    std::vector<int> wanted = expected_.layers;
    if (wanted.empty())
      for (const auto& [layer, slots] : raw.slots) wanted.push_back(layer);
    const bool count_from_moe = raw.moe_numbers && !expected_.layers.empty();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const auto found = raw.slots.find(count_from_moe ? int(i) : wanted[i]);
      if (found == raw.slots.end()) fail("layer {} is missing", wanted[i]);
      out.layers.push_back(wanted[i]);
      out.maps.push_back(map_of(wanted[i], found->second, gpus, experts));
      if (out.maps[i].slots_per_gpu != out.maps[0].slots_per_gpu)
        fail("layer {}: {} slots, but layer {} has {}", wanted[i], out.maps[i].slots(), wanted[0], out.maps[0].slots());
    }
    return out;
  }

  exchange::ExpertMap map_of(int layer, const std::vector<int>& slots, int gpus, int experts) const {
    if (slots.empty() || slots.size() % std::size_t(gpus) != 0)
      fail("layer {}: {} slots are no multiple of the {} GPUs", layer, slots.size(), gpus);
    std::vector<bool> placed(std::size_t(experts), false);
    for (std::size_t s = 0; s < slots.size(); ++s) {
      if (slots[s] >= experts) fail("layer {}, slot {}: expert {} of {}", layer, s, slots[s], experts);
      if (slots[s] >= 0) placed[std::size_t(slots[s])] = true;
    }
    for (int e = 0; e < experts; ++e)
      if (!placed[std::size_t(e)]) fail("layer {}: expert {} has no slot", layer, e);
    return {experts, gpus, int(slots.size()) / gpus, slots};
  }

  const std::string& name_;
  const PlacementExpectation& expected_;
};
}  // namespace

ModelPlacement placement_from_text(const std::string& text, const std::string& name,
                                   const PlacementExpectation& expected) {
  return Reader(name, expected).read(text);
}

ModelPlacement load_placement(const std::string& file, const PlacementExpectation& expected) {
  return placement_from_text(read_file(file, kMostWritten), file, expected);
}
}  // namespace moesim::placement
