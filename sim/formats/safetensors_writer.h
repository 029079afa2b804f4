// Writes a folder of safetensors of any size, tensor by tensor, in bounded memory.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/new_file.h"
#include "core/units.h"
#include "formats/safetensors.h"

namespace moesim::formats {

/// Name, type and shape of a tensor to come.
struct PlannedTensor {
  std::string name;
  StoredType type = StoredType::f32;
  std::vector<std::int64_t> shape;
  std::int64_t bytes() const;
};

/// The folder's files: `model.safetensors`, or numbered shards of about `shard` bytes and their index.
class SafetensorsWriter {
 public:
  /// folder: exists.  Shards hold whole tensors, in the order given.  Throws ConfigError if a file cannot be written.
  SafetensorsWriter(std::string folder, std::vector<PlannedTensor> tensors, Bytes shard);

  /// The next bytes of the tensors, in order; a tensor may come in several pieces.
  void add(std::span<const std::byte> bytes);
  /// Writes the index, if there are shards.  Throws std::logic_error if bytes are missing.
  void finish();
  int files() const { return int(shards_.size()); }

 private:
  struct Shard {
    std::string file;  // its name in the folder
    std::size_t first = 0, end = 0;
    std::int64_t bytes = 0;
  };
  void open(const Shard& shard);
  void close();
  std::string folder_;
  std::vector<PlannedTensor> tensors_;
  std::vector<Shard> shards_;
  std::size_t at_ = 0;         // shard that is written
  std::int64_t written_ = -1;  // bytes of it; -1: not open
  std::optional<NewFile> out_;
};
}  // namespace moesim::formats
