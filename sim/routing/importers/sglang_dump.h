// What the dumps of SGLang's expert distribution recorder have in common.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/torch_file.h"
#include "routing/importers/import.h"

namespace moesim::routing {

using SglangDumps = std::vector<std::unique_ptr<formats::TorchFile>>;  // one a rank

/// Logical expert of every physical one: (layers, physical).
struct PhysicalMap {
  std::int64_t layers = 0, physical = 0;
  std::vector<std::int32_t> logical;
  int experts = 0;
};
/// The dump's last_physical_to_logical_map.
PhysicalMap physical_map(const formats::TorchFile& file);
/// The list of records; empty if no pass was recorded.  Throws ConfigError if one is there twice.
const std::vector<formats::Pickled>& dump_records(const formats::TorchFile& file);
/// A whole number, and an array of `rank` dimensions.  Throw ConfigError naming file and key.
std::int64_t dump_integer(const formats::TorchFile& file, const formats::Pickled& record, const char* key);
formats::ArraySource dump_array(const formats::TorchFile& file, const formats::Pickled* value, const std::string& what,
                                std::size_t rank);

/// The records' arrays against the file: tensors that share a storage, or records that share a tensor, would let a
/// small file stand for any number of passes.
class DumpBudget {
 public:
  /// Throws ConfigError if the arrays so far hold more than the file can.
  void add(const formats::TorchFile& file, const formats::ArraySource& array);

 private:
  std::map<const formats::TorchFile*, std::uint64_t> bytes_;
};

/// Whose tokens the dumps hold, where there is one a rank, and which are missing as far as names and contents tell:
/// below the highest rank given, or beside a file given (NAME_RANK.pt).  "" if none is known to be. Throws ConfigError
/// if two dumps hold the same pass of one rank.
std::string ranks_note(const SglangDumps& files);

/// Imports per_token dumps.
void read_sglang_per_token(const ImportContext& context, const SglangDumps& files);
}  // namespace moesim::routing
