// Reads the pickles inside PyTorch files: plain data and tensors, by a list of allowed opcodes and globals; runs
// nothing.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/array.h"

namespace moesim::formats {

/// One unpickled value.  Small, and its copies share what is large: a pickle may recall a value as often as it likes.
struct Pickled {
  enum class Kind : std::uint8_t {
    none,
    boolean,
    integer,
    real,
    text,
    list,
    tuple,
    dictionary,
    global,
    storage,
    tensor
  };
  Kind kind = Kind::none;
  ElementType type = ElementType::i32;  // storage, tensor
  std::int64_t integer = 0;  // boolean, integer; storage: its elements; tensor: its offset in the storage, in elements
  double real = 0;
  std::shared_ptr<const std::string> words;     // text; global: "module name"; storage, tensor: the storage's key
  std::shared_ptr<std::vector<Pickled>> items;  // list, tuple; dictionary: key, value, key, value...
  struct Extent {
    std::int64_t elements = 0;                 // of the storage, as the pickle claims
    std::vector<std::int64_t> shape, strides;  // as many of each
  };
  std::shared_ptr<const Extent> extent;  // tensor

  const std::string& text() const;  // "" for a value without words
  /// The value of a dictionary's text key; nullptr if it has none or is no dictionary.
  const Pickled* find(std::string_view key) const;
};

/// All of a pickle.  It owns its containers, so that nesting of any depth, even within itself, is freed one by one.
class Unpickled {
 public:
  Pickled root;
  std::vector<std::shared_ptr<std::vector<Pickled>>> containers;
  Unpickled() = default;
  Unpickled(Unpickled&&) = default;
  Unpickled& operator=(Unpickled&&) = default;
  ~Unpickled();
};

/// Reads opcodes of protocol 2 as torch.save writes them.  `where`, `offset`: file and place of the first byte, for
/// messages; file_bytes: of the file that the pickle came from, perhaps packed, which bounds how many values it may
/// make. Throws ConfigError "FILE: byte N: ..." for any other opcode or global, and for what does not end.
Unpickled unpickle(std::string_view bytes, const std::string& where, std::uint64_t offset, std::uint64_t file_bytes);
}  // namespace moesim::formats
