// What the dumps of SGLang's expert distribution recorder have in common.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "formats/torch_file.h"
#include "routing/importers/import.h"

namespace moesim::routing {

constexpr int kMostDumpLayers = 10'000;
using SglangDumps = std::vector<std::unique_ptr<formats::TorchFile>>;  // one a rank

/// Logical expert of every physical one: (layers, physical).
struct PhysicalMap {
  std::int64_t layers = 0, physical = 0;
  std::vector<std::int32_t> logical;
  int experts = 0;
};
/// The dump's last_physical_to_logical_map.
PhysicalMap physical_map(const formats::TorchFile& file);
/// The list of records; empty if no pass was recorded.
const std::vector<formats::Pickled>& dump_records(const formats::TorchFile& file);
/// A whole number, and an array of `rank` dimensions.  Throw ConfigError naming file and key.
std::int64_t dump_integer(const formats::TorchFile& file, const formats::Pickled& record, const char* key);
formats::ArraySource dump_array(const formats::TorchFile& file, const formats::Pickled* value, const std::string& what,
                                std::size_t rank);

/// Imports per_token dumps.
void read_sglang_per_token(const ImportContext& context, const SglangDumps& files);
}  // namespace moesim::routing
