// Reads safetensors files, memory-mapped: names, shapes and bytes in place.  Nothing in a file is believed before it is
// checked against the file's size.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/files.h"
#include "formats/array.h"

namespace moesim::formats {

enum class StoredType { f64, f32, f16, bf16, f8_e4m3, f8_e5m2, i64, i32, i16, i8, u8, boolean };
constexpr auto enum_names(StoredType) {
  return std::to_array<std::pair<std::string_view, StoredType>>({{"F64", StoredType::f64},
                                                                 {"F32", StoredType::f32},
                                                                 {"F16", StoredType::f16},
                                                                 {"BF16", StoredType::bf16},
                                                                 {"F8_E4M3", StoredType::f8_e4m3},
                                                                 {"F8_E5M2", StoredType::f8_e5m2},
                                                                 {"I64", StoredType::i64},
                                                                 {"I32", StoredType::i32},
                                                                 {"I16", StoredType::i16},
                                                                 {"I8", StoredType::i8},
                                                                 {"U8", StoredType::u8},
                                                                 {"BOOL", StoredType::boolean}});
}
std::int64_t stored_bytes(StoredType type);  // of one element

/// One tensor; `bytes` point into the mapped file and live as long as the SafetensorsFile.
struct StoredTensor {
  StoredType type = StoredType::f32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
  std::int64_t elements() const;
};
/// The same numbers as an array; FP8 and booleans are none.  The tensor's file must outlive it and be whole.
ArraySource array_of(const StoredTensor& tensor, const std::string& where);
/// "[64, 172]"
std::string shape_text(std::span<const std::int64_t> shape);

class SafetensorsFile {
 public:
  /// Maps the file and checks its header: tensors lie within the file, do not overlap, leave no gap, and are as large
  /// as their shapes.  Throws ConfigError "FILE: ..." naming the tensor and both values otherwise.
  /// Source: safetensors format description (length, JSON header of at most 100 MB, data).
  explicit SafetensorsFile(const std::string& file);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  /// Throws ConfigError if the file has become shorter since; to be asked before a tensor's bytes are read.  Bytes of a
  /// mapped file that are gone end the program, and only reads through a copy could not: weights larger than memory are
  /// used where they lie, so what remains is the moment between this question and the reading.
  void check_whole() const;

  const std::string& file() const { return file_; }
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  /// The free-text "__metadata__" of the header.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  void read_header();
  void check_coverage(std::int64_t data_bytes) const;
  void unmap();
  std::string file_;
  OpenFile open_;
  std::span<const std::byte> bytes_;
  std::map<std::string, StoredTensor> tensors_;
  std::map<std::string, std::string> metadata_;
  const std::byte* data_ = nullptr;
};

/// A folder's tensors: `model.safetensors`, or the shards that `model.safetensors.index.json` names.
class SafetensorsFolder {
 public:
  /// Throws ConfigError if there is neither, a shard is missing, or index and shards disagree about a tensor.
  explicit SafetensorsFolder(const std::string& folder);

  struct Found {
    const StoredTensor* tensor = nullptr;  // nullptr if there is none of that name
    const SafetensorsFile* file = nullptr;
  };
  Found find(const std::string& name) const;
  /// All names, sorted, and where they are.
  const std::map<std::string, Found>& tensors() const { return tensors_; }
  const std::string& folder() const { return folder_; }
  void check_whole() const;  // of all its files

 private:
  void add(std::unique_ptr<SafetensorsFile> file);
  void read_index(const std::string& index);
  std::string folder_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, Found> tensors_;
};
}  // namespace moesim::formats
