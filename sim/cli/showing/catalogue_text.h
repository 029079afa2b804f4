// Catalogue entries as text: one-line summaries, and what kind of entry a name stands for.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "spec/catalogue.h"

namespace moesim::cli {

/// "671.03 B", "44.04 M", "853".
std::string short_count(double n);
/// "671,026,419,200".
std::string long_count(std::int64_t n);
/// "9 heads of 128", "MLA, ..." and so on.
std::string attention_text(const spec::Model& m);
std::string gate_text(const spec::MoeShape& s);

std::string summary(const spec::Model& model);
std::string summary(const spec::Gpu& gpu);
std::string summary(const spec::Node& node);
std::string summary(const spec::Fabric& fabric);
std::string summary(const spec::Cluster& cluster);

/// A file in hardware/: its name, `type` and one-line summary (its title, if the type is another folder's).
struct HardwareEntry {
  std::string name, type, summary;
};
/// Sorted by type (gpu, node, fabric, cluster, others) and name.
std::vector<HardwareEntry> hardware_entries();
}  // namespace moesim::cli
